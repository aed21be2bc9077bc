"""A tenant ends: announced, handed over, then nothing of it is left, nor can it be read in old copies."""

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
from conftest import Home
from support_erasure import erase, person, practice, table
from support_staff import vouch
from support_user import TABLES as USER_TABLES
from support_user import admitted, made, owned_token

from luactl import approval, crm, doctor, erasure, hold, key, ledger, portable, termination
from luactl.client import Client
from luactl.clock import ShiftedClock
from luactl.db import Session, transaction
from luactl.erasure import unfinished
from luactl.errors import RefusedError, UsageError
from luactl.tenant import NewTenant, Tenant, admit, create, dismiss, faults, find, list_, show
from luactl.tui.deadline import unfinished as clocks
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
    "lua.processor_tenant", "lua.processor_notice", "lua.log_line",
}  # fmt: skip


def test_nothing_is_left_but_what_the_certificate_names(
    session: Session, admin: psycopg.Connection, tmp_path: Path, login: Callable[..., Session]
) -> None:
    other = practice(session, "other")
    before = rows_of(admin, other.tenant_id)
    smile = practice(session)
    erase(session, smile, person(session, smile, "2"), tmp_path)
    erasure.keep(session, erasure.plan(session, smile, person(session, smile, "1"), "ticket 1"))
    crm_ = Client(login("lua_app"))
    who = made(crm_, smile)
    crm_.start_session(smile.tenant_id, who)
    token = owned_token(session, smile, who)
    assert {f"{name}_pooled" for name in USER_TABLES} <= set(rows_of(admin, smile.tenant_id))
    termination.announce(session, smile, "letter")
    done = ended(session, smile, tmp_path)
    assert (done.outcome, done.pending) == ("ended", None)
    stated = json.loads((Path(done.certificate) / "certificate.json").read_text())
    went = {one["table"]: one["rows_before"] for one in stated["erased"]}
    assert [went[name] for name in USER_TABLES] == [1, 1, 1, 1]
    assert not admitted(crm_, token)
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
    at_once = {"vault.slot", "vault.period", "vault.release", "vault.release_key", "lua.erasure_plan"}
    every = {name for (name,) in tables} - {"lua.sentinel"}
    assert every - {name for (name,) in going} - KEPT - at_once == set()


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


def castle(session: Session) -> Tenant:
    """Return a dedicated tenant with a customer, whose end is announced."""
    vouch(session)
    create(session, NewTenant("castle", "Castle", "DE", "office@castle.example", "dedicated"))
    found = find(session, "castle")
    crm.import_customers(session, found, table("CustomerId,Email\n9,x@y.example\n"), crm.Options())
    termination.announce(session, found, "letter")
    return found


def its_own(admin: psycopg.Connection[Any], tenant_id: int) -> list[str]:
    """Return tables and roles of a tenant's name."""
    found = admin.execute(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname ~ ('_t' || %(id)s || '$')"
        " UNION ALL SELECT rolname::text FROM pg_roles WHERE rolname ~ ('^lua_t' || %(id)s || '(_staff)?$')",
        {"id": tenant_id},
    )
    return sorted(name for (name,) in found)


def test_a_dedicated_tenant_leaves_no_table_and_no_role(
    session: Session, admin: psycopg.Connection, cli: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    other = practice(session, "other")
    alone = castle(session)
    own = its_own(admin, alone.tenant_id)
    assert len(own) == 13
    done = ended(session, alone, tmp_path)
    assert its_own(admin, alone.tenant_id) == []
    assert set(rows_of(admin, alone.tenant_id)) <= KEPT
    assert [one.status for one in list_(session) if one.slug == "castle"] == ["terminated"]
    assert faults(session) == []
    assert len(crm.list_customers(session, other, 0).rows) == 3
    stated = json.loads((Path(done.certificate) / "certificate.json").read_text())
    assert sorted(name.removeprefix("crm.") for name in stated["own"]) == own
    again = cli("tenant", "terminate", "castle", "--certificate", str(tmp_path / "again"), "-o", "json")
    assert json.loads(again.stdout)["data"]["outcome"] == "already ended"
    assert verify_folder(tmp_path / "again").ok
    proof = json.loads(cli("promise", "prove", "5.4", "-o", "json").stdout)["data"]
    assert [one["state"] for one in proof["promises"]] != ["broken"]


def test_who_is_admitted_afterwards_sees_the_evidence_until_dismissed(
    session: Session, admin: psycopg.Connection, tmp_path: Path
) -> None:
    alone = castle(session)
    ended(session, alone, tmp_path)
    with pytest.raises(RefusedError, match="not among its staff"):
        show(session, "castle")
    assert admit(session, "castle", session.actor).changed
    assert [one.reference for one in show(session, "castle").instructions]
    assert faults(session) == []
    plan = termination.plan(session, alone)
    assert (plan.own, plan.left_over) == ((f"lua_t{alone.tenant_id}_staff",), False)
    assert dismiss(session, "castle", session.actor).changed
    assert its_own(admin, alone.tenant_id) == []


def test_a_login_that_came_back_is_found_and_goes(
    session: Session, admin: psycopg.Connection, tmp_path: Path
) -> None:
    """As when roles are restored from before the end."""
    alone = castle(session)
    ended(session, alone, tmp_path)
    admin.execute(f"CREATE ROLE lua_t{alone.tenant_id} LOGIN IN ROLE lua_app".encode())
    admin.execute(f"GRANT lua_t{alone.tenant_id} TO lua_rolekeeper WITH ADMIN OPTION".encode())
    [fault] = faults(session)
    assert f"its login lua_t{alone.tenant_id} is there" in fault.what
    moved = after(session)
    termination.run(moved, alone, termination.plan(moved, alone), tmp_path / "again")
    assert its_own(admin, alone.tenant_id) == []
    assert admin.execute("SELECT count(*) FROM ledger.entry WHERE action = 'tenant.drop-own'").fetchone() == (
        1,
    )


def test_what_hangs_on_a_role_stops_the_end_until_it_is_gone(
    session: Session, admin: psycopg.Connection, tmp_path: Path
) -> None:
    alone = castle(session)
    own = f"lua_t{alone.tenant_id}"
    admin.execute(f"CREATE TABLE public.stray (); ALTER TABLE public.stray OWNER TO {own}".encode())
    with pytest.raises(RefusedError, match="cannot go") as told:
        ended(session, alone, tmp_path)
    assert "REASSIGN OWNED" in str(told.value.hint)
    assert [one.kind for one in unfinished(session)] == ["termination"]
    assert len(its_own(admin, alone.tenant_id)) == 13
    admin.execute(f"DROP OWNED BY {own}".encode())
    moved = after(session)
    done = termination.run(moved, alone, termination.plan(moved, alone), tmp_path)
    assert (done.outcome, its_own(admin, alone.tenant_id)) == ("finished", [])


def test_the_database_drops_nothing_of_who_lives_or_has_rows(
    session: Session, admin: psycopg.Connection, tmp_path: Path
) -> None:
    alone = castle(session)
    for statement in ("SELECT lua.drop_tenant_partitions(%s)", "SELECT lua.drop_tenant_roles(%s)"):
        for tenant_id in (alone.tenant_id, 7):
            with pytest.raises(psycopg.errors.CheckViolation, match="not a dedicated one that ends"):
                session.conn.execute(statement.encode(), [tenant_id])
    begun = "state = 'intent', requested_by = 'x', returned = 'x', epoch = 2, plan = '{}'"
    admin.execute(f"UPDATE lua.termination SET {begun}".encode())
    with pytest.raises(psycopg.errors.CheckViolation, match="still has rows"):
        session.conn.execute("SELECT lua.drop_tenant_partitions(%s)", [alone.tenant_id])
    assert len(its_own(admin, alone.tenant_id)) == 13


def test_only_an_administrator_ends_a_dedicated_tenant(
    session: Session, login: Callable[..., Session], tmp_path: Path
) -> None:
    alone = castle(session)
    officer = login("lua_dpo")
    vouch(session, officer.actor)
    admit(session, "castle", officer.actor)
    moved = after(officer)
    with pytest.raises(RefusedError, match="only an administrator"):
        termination.run(moved, alone, termination.plan(moved, alone, unwanted="no"), tmp_path)


class CutError(Exception):
    """Stands for a crash after a step."""


def test_what_was_cut_short_is_told_until_it_is_finished(
    session: Session, home: Home, tmp_path: Path
) -> None:
    smile = announced(session)
    returned = handed_over(session, smile, tmp_path / "out")

    def stop(name: str) -> None:
        if name == "epoch committed":
            raise CutError

    moved = replace(after(session), step=stop)
    plan = termination.plan(moved, smile, returned=returned)
    assert unfinished(session) == ()
    with pytest.raises(CutError):
        termination.run(moved, smile, plan, tmp_path)
    [work] = unfinished(session)
    assert (work.kind, work.tenant, work.id) == ("termination", "smile", plan.termination_id)
    assert work.since - session.clock.now() > timedelta(days=30), "since it was begun, not announced"
    assert [(one.kind, one.id) for one in show(session, "smile").unfinished] == [("termination", work.id)]
    [told] = [one for one in doctor.examine("test", home.environ).checks if one.check == "unfinished work"]
    assert "luactl tenant terminate smile" in str(told.hint)
    assert [one.text(work.since) for one in clocks(session)] == ["termination cut short for <1 min"]
    moved = after(session)
    termination.run(moved, smile, termination.plan(moved, smile), tmp_path)
    assert unfinished(session) == ()
    assert show(session, "smile").unfinished == ()


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
