"""A tenant ends: announced, handed over, and then nothing of it is left, nor can it be read in old copies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from uuid import UUID

import psycopg
import pytest
from support_erasure import erase, person, practice, table

from luactl import approval, crm, hold, key, ledger, portable, termination
from luactl.clock import ShiftedClock
from luactl.db import Session, transaction
from luactl.errors import RefusedError, UsageError
from luactl.tenant import Tenant, find, list_
from luactl.verify import verify_folder

MONTH = timedelta(days=31)


@pytest.fixture(autouse=True)
def by_oneself(session: Session) -> None:
    """Approval is tried in tests/test_approval_plug.py."""
    approval.set_rule(session, "tenant.terminate", approvals=0)


def after(session: Session, days: int = 31) -> Session:
    return replace(session, clock=ShiftedClock(timedelta(days=days)))


def announced(session: Session, slug: str = "smile") -> Tenant:
    tenant = practice(session, slug)
    termination.announce(session, tenant, "letter of 20 November")
    return tenant


def handed_over(session: Session, tenant: Tenant, folder: Path) -> UUID:
    made = portable.export(session, tenant, folder).export_id
    assert made is not None
    return made


def ended(session: Session, tenant: Tenant, base: Path) -> termination.TerminationResult:
    returned = handed_over(session, tenant, base / "out")
    moved = after(session)
    return termination.run(moved, tenant, termination.plan(moved, tenant, returned=returned), base)


def rows_of(admin: psycopg.Connection[Any], tenant_id: int) -> dict[str, int]:
    tables = admin.execute(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relkind = 'r' AND a.attname = 'tenant_id' AND NOT a.attisdropped"
        " AND c.relnamespace IN ('lua'::regnamespace, 'crm'::regnamespace, 'vault'::regnamespace)"
    ).fetchall()
    found = {}
    for (name,) in tables:
        count = admin.execute(f"SELECT count(*) FROM {name} WHERE tenant_id = {tenant_id}").fetchone()
        assert count is not None
        if count[0]:
            found[name] = count[0]
    return found


KEPT = {
    "lua.tenant", "lua.tenant_directory", "lua.instruction", "lua.retention_rule", "lua.erasure",
    "lua.erasure_batch",
    "lua.erasure_subject", "lua.purge", "lua.termination", "vault.tombstone", "vault.counter",
}  # fmt: skip


def test_nothing_is_left_but_what_the_certificate_names(
    session: Session, admin: psycopg.Connection, tmp_path: Path
) -> None:
    other = practice(session, "other")
    before = rows_of(admin, other.tenant_id)
    smile = practice(session)
    erase(session, smile, person(session, smile, "2"), tmp_path)
    termination.announce(session, smile, "letter")
    done = ended(session, smile, tmp_path)
    assert (done.outcome, done.pending) == ("ended", None)
    assert set(rows_of(admin, smile.tenant_id)) <= KEPT
    assert rows_of(admin, other.tenant_id) == before
    assert [one.status for one in list_(session) if one.slug == "smile"] == ["terminated"]
    assert len(crm.list_customers(session, other, 0).rows) == 3


def test_its_certificate_verifies_and_says_what_went(session: Session, tmp_path: Path) -> None:
    done = ended(session, announced(session), tmp_path)
    found = verify_folder(Path(done.certificate))
    assert (found.ok, found.kind) == (True, "termination")
    stated = json.loads((Path(done.certificate) / "certificate.json").read_text())
    assert {one["table"]: one["rows_before"] for one in stated["erased"]}["crm.invoice"] == 4
    assert stated["returned"].startswith("export ")
    assert {one["state"] for one in stated["verification"]} == {"kept"}
    assert ledger.verify(session).ok


def test_no_old_copy_opens_with_todays_keys(
    session: Session, admin: psycopg.Connection, tmp_path: Path
) -> None:
    smile = announced(session)
    rows = admin.execute("SELECT contact_id, subject_id, personal FROM crm.contact").fetchall()
    nodes = admin.execute("SELECT path, version, blob FROM vault.node").fetchall()
    ended(session, smile, tmp_path)
    assert len(rows) == 3
    now = {
        bytes(path): version
        for path, version, _blob in admin.execute("SELECT path, version, blob FROM vault.node")
    }
    old = {bytes(path) for path, version, _ in nodes if now.get(bytes(path)) != version}
    assert b"" in old, "the top node has new keys"
    with pytest.raises(key.SealError), transaction(session, smile.tenant_id):
        key.open_tenant(session, smile.tenant_id)
    assert key.verify(session).findings == ()


def test_its_tables_are_those_of_the_catalog(
    session: Session, admin: psycopg.Connection, tmp_path: Path
) -> None:
    """Whoever adds a table with rows of tenants must say whether they go when the tenant ends."""
    smile = practice(session)
    going = admin.execute("SELECT table_name FROM lua.processed_rows(%s)", [smile.tenant_id]).fetchall()
    tables = admin.execute(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'tenant_id'"
        " AND c.relnamespace IN ('lua'::regnamespace, 'crm'::regnamespace, 'vault'::regnamespace)"
    ).fetchall()
    with_keys = {"vault.slot", "vault.period", "vault.release", "vault.release_key", "lua.sentinel"}
    assert {name for (name,) in tables} - {name for (name,) in going} - KEPT - with_keys == set()


def test_it_waits_for_the_time_of_grace(session: Session, tmp_path: Path) -> None:
    smile = announced(session)
    with pytest.raises(RefusedError, match="has until"):
        termination.run(session, smile, termination.plan(session, smile, unwanted="no"), tmp_path)
    soon = after(session, 29)
    assert termination.plan(soon, smile).state == "announced"
    assert termination.plan(after(session, 30), smile).state == "due"


def test_the_database_holds_the_time_of_grace(session: Session) -> None:
    smile = announced(session)
    with (
        pytest.raises(psycopg.errors.CheckViolation, match="time of grace"),
        transaction(session, smile.tenant_id) as conn,
    ):
        conn.execute("SELECT lua.begin_end(%s, 2, 'x', '{}', now())", [smile.tenant_id])
    with (
        pytest.raises(psycopg.errors.CheckViolation, match="does not end"),
        transaction(session, smile.tenant_id) as conn,
    ):
        conn.execute("SELECT * FROM lua.take_rows(%s)", [smile.tenant_id])


def test_without_a_word_about_the_return_nothing_goes(session: Session, tmp_path: Path) -> None:
    smile = announced(session)
    moved = after(session)
    with pytest.raises(RefusedError, match=r"Art\. 28\(3\)\(g\)"):
        termination.run(moved, smile, termination.plan(moved, smile), tmp_path)
    assert len(crm.list_customers(session, smile, 0).rows) == 3


def test_an_export_from_before_the_announcement_does_not_count(session: Session, tmp_path: Path) -> None:
    smile = practice(session)
    old = handed_over(session, smile, tmp_path / "old")
    termination.announce(after(session, 1), smile, "letter")
    with pytest.raises(RefusedError, match="older than the announcement"):
        termination.plan(after(session, 40), smile, returned=old)
    with pytest.raises(RefusedError, match="knows of no export"):
        termination.plan(session, smile, returned=UUID(int=7))
    with pytest.raises(UsageError):
        termination.plan(session, smile, returned=old, unwanted="no")


def test_it_is_suspended_meanwhile_and_can_be_taken_back(session: Session, tmp_path: Path) -> None:
    smile = announced(session)
    assert find(session, "smile").status == "suspended"
    with pytest.raises(RefusedError, match="suspended"):
        crm.import_customers(session, smile, table("CustomerId,Email\n9,x@y.example\n"), crm.Options())
    assert termination.withdraw(session, smile)
    assert find(session, "smile").status == "active"
    assert not termination.withdraw(session, smile)
    assert termination.current(session, smile.tenant_id) is None


def test_what_was_begun_cannot_be_taken_back(session: Session, tmp_path: Path) -> None:
    smile = announced(session)
    ended(session, smile, tmp_path)
    with pytest.raises(RefusedError, match="keys are destroyed"):
        termination.withdraw(session, smile)


def test_again_it_only_writes_the_certificate(
    session: Session, admin: psycopg.Connection, tmp_path: Path
) -> None:
    smile = announced(session)
    first = ended(session, smile, tmp_path)
    moved = after(session)
    before = admin.execute("SELECT count(*) FROM ledger.entry").fetchone()
    again = termination.run(moved, smile, termination.plan(moved, smile), tmp_path / "elsewhere")
    assert (again.outcome, again.termination_id) == ("already ended", first.termination_id)
    assert verify_folder(Path(again.certificate)).ok
    assert admin.execute("SELECT count(*) FROM ledger.entry").fetchone() == before


def test_a_hold_keeps_everything(session: Session, tmp_path: Path) -> None:
    smile = announced(session)
    hold.place(session, smile, hold.prepare("case 4711", ground="lawsuit"))
    moved = after(session)
    plan = termination.plan(moved, smile, unwanted="they said so")
    assert plan.held == 1
    with pytest.raises(RefusedError, match="legal holds"):
        termination.run(moved, smile, plan, tmp_path)
    with (
        pytest.raises(psycopg.errors.CheckViolation, match="hold"),
        transaction(session, smile.tenant_id) as conn,
    ):
        conn.execute("SELECT vault.give_up_tenant(%s)", [smile.tenant_id])


@pytest.mark.parametrize("role", ["lua_operator", "lua_admin", "lua_responder", "lua_auditor"])
def test_only_the_data_protection_officer_ends_a_tenant(
    session: Session, login: Callable[..., Session], role: str, tmp_path: Path
) -> None:
    smile = announced(session)
    moved = after(login(role))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), transaction(moved, smile.tenant_id) as conn:
        conn.execute("SELECT lua.begin_end(%s, 2, 'x', '{}', now())", [smile.tenant_id])


def test_the_login_of_a_dedicated_tenant_ends_with_it(
    session: Session, admin: psycopg.Connection, tmp_path: Path
) -> None:
    from luactl.tenant import NewTenant, create

    create(session, NewTenant("alone", "Alone", "DE", "office@alone.example", "dedicated"))
    alone = find(session, "alone")
    crm.import_customers(session, alone, table("CustomerId,Email\n9,x@y.example\n"), crm.Options())
    termination.announce(session, alone, "letter")
    own = f"lua_t{alone.tenant_id}"
    assert admin.execute("SELECT to_regrole(%s) IS NULL", [own]).fetchone() == (False,)
    ended(session, alone, tmp_path)
    assert admin.execute("SELECT to_regrole(%s) IS NULL", [own]).fetchone() == (True,)
    assert set(rows_of(admin, alone.tenant_id)) <= KEPT
    assert find(session, "alone").status == "terminated"


class CutError(Exception):
    """Stands for a crash after a step."""


def test_cut_short_after_any_step_it_is_finished(session: Session, tmp_path: Path) -> None:
    steps: list[str] = []
    first = announced(session, "first")
    base = tmp_path / "first"
    out = handed_over(session, first, base / "out")
    moved = replace(after(session), step=steps.append)
    termination.run(moved, first, termination.plan(moved, first, returned=out), base)
    for number in range(0, len(steps), 4):
        slug = f"t{number}"
        one = announced(session, slug)
        out = handed_over(session, one, tmp_path / slug / "out")
        left = iter(range(number))

        def stop(_name: str, left: Any = left) -> None:
            if next(left, None) is None:
                raise CutError

        moved = replace(after(session), step=stop)
        with pytest.raises(CutError):
            termination.run(moved, one, termination.plan(moved, one, returned=out), tmp_path / slug)
        moved = after(session)
        done = termination.run(moved, one, termination.plan(moved, one, returned=out), tmp_path / slug)
        assert verify_folder(Path(done.certificate)).ok, steps[number]
        assert find(session, slug).status == "terminated"
    assert key.verify(session).findings == ()


def test_by_the_command(session: Session, cli: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    practice(session)
    assert cli("tenant", "terminate", "smile", "--yes").returncode == 2
    order = ("--instruction", "letter", "--grace", "0", "--yes")
    made = cli("tenant", "terminate", "smile", *order, "-o", "json")
    assert made.returncode == 0, made.stderr
    assert cli("tenant", "terminate", "smile", "--yes").returncode == 5
    plan = cli("tenant", "terminate", "smile", "--not-wanted", "they said so", "--dry-run", "-o", "json")
    assert json.loads(plan.stdout)["data"]["state"] == "due"
    done = cli("tenant", "terminate", "smile", "--not-wanted", "they said so", "--yes", "-o", "json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)["data"]
    assert data["outcome"] == "ended"
    assert cli("verify", data["certificate"]).returncode == 0
    assert cli("tenant", "show", "smile").returncode == 0
