"""Erasing a person in a real database: what goes, what stays, what it says. Cut short: tests/crash."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from support_erasure import KILLED, counts, erase, later, person, practice, run_killed, table

from luactl import crm, erasure, ledger, retention
from luactl.db import Session, transaction
from luactl.errors import Exit, LuactlError, NotFoundError, RefusedError, UsageError
from luactl.key import KeyClass, open_tenant, status
from luactl.key.blind import external_digest
from luactl.tenant import Tenant
from luactl.verify import verify_folder

SEEN = """SELECT (SELECT count(*) FROM crm.invoice WHERE subject_id = %s),
                  (SELECT count(*) FROM crm.invoice_line JOIN crm.invoice USING (tenant_id, invoice_id)
                   WHERE subject_id = %s)"""


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return practice(session)


def entries(admin: psycopg.Connection, action: str) -> list[dict[str, object]]:
    rows = admin.execute("SELECT body FROM ledger.entry WHERE action = %s ORDER BY id", (action,)).fetchall()
    return [json.loads(row[0]) for row in rows]


def test_the_whole_path(session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path) -> None:
    who, other = person(session, tenant, "1"), person(session, tenant, "2")
    before = counts(admin)
    plan = erasure.plan(session, tenant, who, "ticket 4711")
    assert [(one.table, one.rows) for one in plan.going] == [
        ("crm.contact", 1), ("crm.contact_key", 1), ("crm.interaction", 2),
    ]  # fmt: skip
    assert plan.keys == ("main",)
    assert [(one.period, one.rows, one.lines) for one in plan.staying] == [(2016, 1, 1), (2025, 1, 1)]
    assert [str(one.until)[:10] for one in plan.staying] == ["2025-01-01", "2034-01-01"]
    assert "s. 147(3) AO" in plan.staying[1].ground
    assert "(ended: the next purge takes it)" in plan.staying[0].ground
    assert "ended" not in plan.staying[1].ground

    done = erasure.run(session, plan, tmp_path)
    after = counts(admin)
    assert (done.outcome, done.epoch, done.pending) == ("erased", 2, None)
    assert (done.going, done.keys, done.staying) == (plan.going, plan.keys, plan.staying)
    for one in plan.going:
        assert before[one.table] - after[one.table] == one.rows
    assert after["crm.invoice"] == before["crm.invoice"]
    assert after["vault.slot"] == before["vault.slot"] - 1

    left = {view.external_id: view for view in crm.list_customers(session, tenant, 0).rows}
    assert sorted(left) == ["2", "3"]
    assert left["2"].name == "Bruno Oliveira"
    assert {view.subject_id for view in crm.list_interactions(session, tenant, 0).rows} == {other}
    assert open_tenant(session, tenant.tenant_id).subjects([who], KeyClass.MAIN) == {}
    assert len(open_tenant(session, tenant.tenant_id).subjects([who], KeyClass.ACCOUNTING)) == 1


def test_the_ledger_names_the_act_and_no_person(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    who = person(session, tenant)
    done = erase(session, tenant, who, tmp_path)
    found = entries(admin, "erasure.run")
    assert [one["outcome"] for one in found] == ["intent", "done"]
    assert {one["object"] for one in found} == {f"erasure:{done.erasure_id}"}
    assert {one["subject"] for one in found} == {None}
    assert str(who) not in json.dumps(found)
    assert "4711" not in json.dumps(found)


def test_the_certificate_holds_and_says_what_remains(
    session: Session, tenant: Tenant, tmp_path: Path
) -> None:
    who = person(session, tenant)
    done = erase(session, tenant, who, tmp_path)
    assert Path(done.certificate) == tmp_path / str(done.erasure_id)
    origin = ledger.status(session)
    verdict = verify_folder(Path(done.certificate), origin.vkey)
    assert verdict.findings == ()
    assert (verdict.ok, verdict.pinned, verdict.id) == (True, True, str(done.erasure_id))
    text = (Path(done.certificate) / "certificate.md").read_text()
    facts = json.loads((Path(done.certificate) / "certificate.json").read_text())
    for said in (
        "cryptographic erase of target data",
        "ticket 4711",
        "2034-01-01",
        "epoch 1 → 2",
        "dead rows",
    ):
        assert said in text
    assert "Purge" not in text.replace("next purge", "")
    assert facts["subject"] == str(who)
    assert all(one["state"] == "holds" for one in facts["verification"])
    assert [one["old_root"] for one in facts["holders"]] == ["destroyed"]
    assert all("Nele" not in file.read_text() for file in Path(done.certificate).iterdir())


def test_who_sees_the_invoices_that_stay(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, tmp_path: Path
) -> None:
    who = person(session, tenant)
    people = {
        role: login(role) for role in ("lua_operator", "lua_dpo", "lua_app", "lua_auditor", "lua_accounting")
    }

    def seen(role: str) -> tuple[int, int]:
        with transaction(people[role], tenant.tenant_id) as conn:
            row = conn.execute(SEEN, (who, who)).fetchone()
        assert row is not None
        return row[0], row[1]

    assert {seen(role) for role in people} == {(2, 2)}
    erase(session, tenant, who, tmp_path)
    assert {role: seen(role) for role in people if role != "lua_accounting"} == dict.fromkeys(
        ("lua_operator", "lua_dpo", "lua_app", "lua_auditor"), (0, 0)
    )
    assert seen("lua_accounting") == (2, 2)
    opened = crm.list_invoices(people["lua_accounting"], tenant, 0, who, party=True).rows
    assert [one.party["name"] for one in opened if one.party] == ["Nele Ångström"] * 2


@pytest.mark.parametrize("role", ["lua_auditor", "lua_accounting", "lua_admin", "lua_responder", "lua_app"])
def test_others_cannot_erase(
    session: Session,
    tenant: Tenant,
    login: Callable[..., Session],
    admin: psycopg.Connection,
    role: str,
    tmp_path: Path,
) -> None:
    who, before = person(session, tenant), counts(admin)
    with pytest.raises((psycopg.errors.InsufficientPrivilege, RefusedError)):
        erase(login(role), tenant, who, tmp_path / "certificates")
    assert counts(admin) == before
    assert status(session).state == "settled"
    assert not (tmp_path / "certificates").exists()


@pytest.mark.parametrize("role", ["lua_operator", "lua_dpo"])
def test_those_who_may_can(
    session: Session, tenant: Tenant, login: Callable[..., Session], role: str, tmp_path: Path
) -> None:
    done = erase(login(role), tenant, person(session, tenant), tmp_path)
    assert (done.outcome, done.pending) == ("erased", None)
    assert erasure.verify(login(role), done.erasure_id).ok


def test_a_dry_run_changes_nothing_and_tells_what_the_run_does(
    session: Session, tenant: Tenant, admin: psycopg.Connection, cli: Callable[..., object], tmp_path: Path
) -> None:
    who, before = person(session, tenant), counts(admin)
    arguments = (
        "erasure",
        "run",
        "--tenant",
        "smile",
        "--subject",
        str(who),
        "--instruction",
        "ticket 1",
        "-o",
        "json",
    )
    dry = json.loads(cli(*arguments, "--dry-run").stdout)["data"]  # type: ignore[attr-defined]
    assert counts(admin) == before
    refused = cli(*arguments)
    assert refused.returncode == 2  # type: ignore[attr-defined]
    assert "--yes required" in refused.stderr  # type: ignore[attr-defined]
    assert counts(admin) == before
    ran = json.loads(cli(*arguments, "--yes", "--certificate", str(tmp_path / "c")).stdout)["data"]  # type: ignore[attr-defined]
    assert {key: ran[key] for key in ("going", "keys", "staying")} == {
        key: dry[key] for key in ("going", "keys", "staying")
    }
    checked = cli("verify", str(tmp_path / "c"), "-o", "json")
    assert checked.returncode == 0, checked.stderr  # type: ignore[attr-defined]
    shown = json.loads(cli("erasure", "show", ran["erasure_id"], "-o", "json").stdout)["data"]  # type: ignore[attr-defined]
    assert (shown["state"], shown["subject_id"]) == ("done", str(who))
    listed = json.loads(cli("erasure", "list", "--tenant", "smile", "-o", "json").stdout)["data"]  # type: ignore[attr-defined]
    assert [one["erasure_id"] for one in listed] == [ran["erasure_id"]]
    assert cli("erasure", "verify", ran["erasure_id"]).returncode == 0  # type: ignore[attr-defined]


def test_a_second_run_says_so_and_writes_the_certificate_anew(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    who = person(session, tenant)
    first = erase(session, tenant, who, tmp_path)
    facts = (Path(first.certificate) / "certificate.json").read_bytes()
    before = counts(admin)
    (Path(first.certificate) / "certificate.md").write_text("scribbled over")
    again = erase(session, tenant, who, tmp_path)
    assert (again.outcome, again.erasure_id, again.epoch) == ("already erased", first.erasure_id, first.epoch)
    assert (Path(again.certificate) / "certificate.json").read_bytes() == facts
    assert verify_folder(Path(again.certificate)).ok
    assert counts(admin) == before


def test_an_unfinished_erasure_is_told(session: Session, tenant: Tenant, tmp_path: Path) -> None:
    who = person(session, tenant)
    assert run_killed("epoch committed", "erase", "smile", str(who), str(tmp_path)) == KILLED
    assert erasure.plan(session, tenant, who, "ticket 4711").state == "unfinished"
    found = erasure.verify(session, erasure.list_(session, tenant)[0].erasure_id)
    broken = {one.check for one in found.checks if one.state == "broken"}
    assert "the erasure is complete" in broken
    assert "the old root is gone from every holder" in broken
    assert "the keys do not open from the key books" in broken
    assert not found.ok


def test_verify_finds_what_came_back(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    who = person(session, tenant)
    row = admin.execute("SELECT * FROM vault.slot WHERE subject_id = %s AND key_class = 1", (who,)).fetchone()
    done = erase(session, tenant, who, tmp_path)
    assert erasure.verify(session, done.erasure_id).ok
    admin.execute("UPDATE crm.invoice SET retained_at = NULL WHERE subject_id = %s", (who,))
    admin.execute("INSERT INTO vault.slot VALUES (%s, %s, %s, %s, %s)", row)
    admin.execute("UPDATE crm.subject SET status = 'active', erased_at = NULL WHERE subject_id = %s", (who,))
    found = erasure.verify(session, done.erasure_id)
    assert {one.check for one in found.checks if one.state == "broken"} == {
        "the subject's row is empty", "no key is claimed", "only bookkeeping sees what a duty keeps",
    }  # fmt: skip


def test_the_certificate_owns_up_to_what_an_old_copy_can_confirm(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    who = person(session, tenant)
    old = admin.execute("SELECT digest FROM crm.contact_key WHERE subject_id = %s", (who,)).fetchone()
    done = erase(session, tenant, who, tmp_path)
    with transaction(session, tenant.tenant_id):
        today = open_tenant(session, tenant.tenant_id)
    assert old == (external_digest(today.unique_key, "1"),)
    stated = json.loads((Path(done.certificate) / "certificate.json").read_bytes())
    assert any("external id has full width" in one for one in stated["remaining_exposure"])


def test_a_record_alone_gets_no_certificate(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    """Whoever may write records of erasures could else have a living person certified as erased."""
    who, base = person(session, tenant), tmp_path / "certificates"
    admin.execute(
        "INSERT INTO lua.erasure SELECT %s, gen_random_uuid(), %s, 'ticket 1', 'me', 'done', 1,"
        """ '{"going": {}, "keys": [], "staying": []}', '{"facts": {}, "entry": ""}', now(), now()""",
        (tenant.tenant_id, who),
    )
    admin.execute(
        "INSERT INTO lua.erasure_subject SELECT tenant_id, erasure_id, subject_id, 'erased', 'person'"
        " FROM lua.erasure"
    )
    with pytest.raises(LuactlError, match=r"is not complete: the subject's row is empty") as told:
        erase(session, tenant, who, base)
    assert told.value.exit == Exit.FINDINGS
    assert not base.exists()


def test_years_at_the_ends_of_the_calendar_stop_no_erasure(
    session: Session, tenant: Tenant, tmp_path: Path
) -> None:
    odd = (
        "InvoiceId,CustomerId,InvoiceDate,Total\nO-1,1,0001-01-01,1\nO-2,1,9999-12-31,1\nO-3,1,9990-01-01,1\n"
    )
    assert crm.import_invoices(session, tenant, table(odd), crm.Options()).imported == 3
    done = erase(session, tenant, person(session, tenant), tmp_path)
    assert [one.period for one in done.staying if one.period not in (2016, 2025)] == [1, 9990, 9999]
    assert erasure.verify(session, done.erasure_id).ok
    assert verify_folder(Path(done.certificate)).ok


def test_off_a_key_host_nothing_happens(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    who, before = person(session, tenant), counts(admin)
    elsewhere = replace(session, profile=replace(session.profile, holders=()))
    with pytest.raises(RefusedError, match="holds no keys"):
        erase(elsewhere, tenant, who, tmp_path)
    assert counts(admin) == before


def test_without_the_signing_key_the_certificate_is_pending(
    session: Session, tenant: Tenant, tmp_path: Path
) -> None:
    who = person(session, tenant)
    elsewhere = replace(session, profile=replace(session.profile, signing_key=tmp_path / "nowhere"))
    done = erase(elsewhere, tenant, who, tmp_path)
    assert done.pending is not None
    assert "no signing key" in done.pending
    assert not verify_folder(Path(done.certificate)).ok
    again = erase(session, tenant, who, tmp_path)
    assert again.pending is None
    assert verify_folder(Path(again.certificate)).ok


def test_an_anchor_that_is_out_of_reach_does_not_undo_an_erasure(
    session: Session, tenant: Tenant, tmp_path: Path
) -> None:
    gone = replace(session, profile=replace(session.profile, anchors=(f"file:{tmp_path}/no/anchor",)))
    done = erase(gone, tenant, person(session, tenant), tmp_path)
    assert (done.outcome, done.pending is None) == ("erased", False)
    assert erasure.verify(session, done.erasure_id).ok


def test_foreign_files_are_seen_before_anything_is_erased(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    who, before = person(session, tenant), counts(admin)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RefusedError, match="something else"):
        erase(session, tenant, who, tmp_path, folder=tmp_path)
    assert counts(admin) == before


def test_unknown_people_and_bad_instructions(session: Session, tenant: Tenant) -> None:
    who = person(session, tenant)
    with pytest.raises(NotFoundError):
        erasure.plan(session, tenant, UUID(int=7), "ticket 1")
    for text in ("", "  ", "two\nlines", "x" * 201, "a\0b"):
        with pytest.raises(UsageError):
            erasure.plan(session, tenant, who, text)
    with pytest.raises(NotFoundError):
        erasure.find(session, UUID(int=7))


def test_an_instruction_on_record_must_be_in_force(session: Session, tenant: Tenant) -> None:
    from datetime import timedelta

    from luactl import instruction

    who, now = person(session, tenant), session.clock.now()
    order = instruction.prepare(
        session, "order 7", "erase people on request", "the practice", now + timedelta(days=30)
    )
    instruction.add(session, tenant, order)
    assert erasure.plan(session, tenant, who, "order 7").instruction_on_record
    assert not erasure.plan(session, tenant, who, "order 8").instruction_on_record
    with pytest.raises(RefusedError, match="not in force"):
        erasure.plan(later(session, 1), tenant, who, "order 7")


def test_another_tenants_person_is_unknown(session: Session, tenant: Tenant) -> None:
    other = practice(session, "grin")
    with pytest.raises(NotFoundError):
        erasure.plan(session, other, person(session, tenant), "ticket 1")


def test_after_the_duty_nothing_is_left(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, tmp_path: Path
) -> None:
    who = person(session, tenant)
    done = erase(session, tenant, who, tmp_path)
    admin.execute("UPDATE lua.deployment SET throwaway = true")
    moved = later(session, 8)
    retention.purge(moved, retention.plan(moved, [tenant]))
    row = admin.execute("SELECT count(*) FROM crm.invoice WHERE subject_id = %s", (who,)).fetchone()
    assert row == (0,)
    assert admin.execute("SELECT count(*) FROM vault.period WHERE period_id >> 24 = 3").fetchone() == (0,)
    assert erasure.verify(session, done.erasure_id).ok
    assert crm.list_invoices(login("lua_accounting"), tenant, 0).rows in ((), [])
