"""Erasing again what a restore brought back: rows and claims come again, keys and tombstones are today's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support_erasure import counts, erase, later, person, practice
from test_erasure_many import special

from luactl import crm, erasure, retention
from luactl.db import Session
from luactl.errors import RefusedError
from luactl.key import status
from luactl.tenant import Tenant, list_

DATA = ("crm.subject", "crm.contact", "crm.contact_key", "crm.interaction", "crm.invoice", "crm.invoice_line")
CLAIMS = ("vault.slot", "vault.period")
RECORDS = ("lua.request", "lua.erasure_subject", "lua.erasure_batch", "lua.erasure", "lua.purge")


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return practice(session)


class Backup:
    """A copy of the tables, taken before; what a restore lays back while the key tree stays today's."""

    def __init__(self, admin: psycopg.Connection) -> None:
        self.admin = admin
        for name in (*DATA, *CLAIMS):
            admin.execute(f"CREATE TABLE public.{name.replace('.', '_')} AS TABLE {name}".encode())

    def restore(self, *tables: str) -> None:
        """Lay back these tables, all of data, claims and records when none is named."""
        if not tables:
            self.admin.execute(f"TRUNCATE {', '.join(RECORDS)}".encode())
        chosen = tables or (*DATA, *CLAIMS)
        self.admin.execute(f"TRUNCATE {', '.join(reversed(chosen))} CASCADE".encode())
        for name in chosen:
            self.admin.execute(f"INSERT INTO {name} TABLE public.{name.replace('.', '_')}".encode())


def test_nothing_is_there_again(session: Session, tenant: Tenant, tmp_path: Path) -> None:
    assert erasure.returned(session, list_(session)) == ()
    erase(session, tenant, person(session, tenant), tmp_path)
    assert erasure.returned(session, list_(session)) == ()


def test_a_restored_person_goes_again(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    who, backup = person(session, tenant), Backup(admin)
    erase(session, tenant, who, tmp_path)
    gone = counts(admin)
    backup.restore()
    assert counts(admin)["crm.contact"] == gone["crm.contact"] + 1
    [found] = erasure.returned(session, list_(session))
    assert (found.people, found.revived, found.special, found.periods) == ((who,), (), (), ())
    done = erasure.replay(session, found, tmp_path / "again")
    assert (done.people, len(done.certificates)) == (1, 1)
    after = counts(admin)
    for name in (*DATA, "vault.slot", "lua.erasure"):
        assert after[name] == gone[name], name
    [record] = erasure.list_(session, tenant)
    assert erasure.verify(session, record.erasure_id).ok
    assert erasure.returned(session, list_(session)) == ()
    left = {one.external_id for one in crm.list_customers(session, tenant, 0).rows}
    assert left == {"2", "3"}
    assert status(session).state == "settled"


def test_what_was_approved_once_is_not_asked_for_twice(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    """After a restore nobody waits for four eyes: the erased must not be there meanwhile."""
    who, backup = person(session, tenant), Backup(admin)
    erase(session, tenant, who, tmp_path)
    backup.restore()
    admin.execute("UPDATE lua.approval_rule SET from_subjects = 0 WHERE action = 'erasure.run'")
    with pytest.raises(RefusedError):
        erase(session, tenant, person(session, tenant, "2"), tmp_path / "refused")
    [found] = erasure.returned(session, [tenant])
    assert erasure.replay(session, found, tmp_path / "again").people == 1
    assert erasure.returned(session, [tenant]) == ()


def test_rows_alone_go_again_though_their_person_is_marked(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    """Sealed or not: whoever lays back one table brings back rows, not keys."""
    who, backup = person(session, tenant), Backup(admin)
    first = erase(session, tenant, who, tmp_path)
    gone = counts(admin)
    backup.restore("crm.contact", "crm.contact_key", "crm.interaction", "vault.slot")
    assert not erasure.verify(session, first.erasure_id).ok
    [found] = erasure.returned(session, [tenant])
    assert (found.people, found.revived) == ((), (who,))
    done = erasure.replay(session, found, tmp_path / "again")
    assert (done.revived, done.certificates) == (1, ())
    after = counts(admin)
    assert {name: after[name] for name in DATA} == {name: gone[name] for name in DATA}
    assert after["vault.slot"] == gone["vault.slot"]
    assert erasure.verify(session, first.erasure_id).ok
    assert erasure.returned(session, [tenant]) == ()


def test_tables_laid_back_beside_the_records_go_again(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    """Who was erased lives again, and the database still has the record that they were erased."""
    from luactl import hold

    one, two = person(session, tenant, "1"), person(session, tenant, "2")
    alone = Backup(admin)
    first = erase(session, tenant, one, tmp_path)
    second = erase(session, tenant, two, tmp_path)
    gone = counts(admin)
    for table in ("crm.contact", "crm.contact_key", "crm.interaction", "vault.slot"):
        alone.restore(table)
    admin.execute("UPDATE crm.subject SET status = 'active', erased_at = NULL")
    placed = hold.place(session, tenant, hold.prepare("case 7", subject_id=two))
    [found] = erasure.returned(session, [tenant])
    assert (set(found.people), found.revived) == ({one, two}, ())
    done = erasure.replay(session, found, tmp_path / "again")
    assert (done.people, done.held, done.certificates) == (2, 1, ())
    assert erasure.verify(session, first.erasure_id).ok
    assert not erasure.verify(session, second.erasure_id).ok
    hold.release(session, tenant, [placed], "settled")
    [found] = erasure.returned(session, [tenant])
    erasure.replay(session, found, tmp_path / "again")
    assert erasure.verify(session, second.erasure_id).ok
    after = counts(admin)
    assert {name: after[name] for name in DATA} == {name: gone[name] for name in DATA}
    assert erasure.returned(session, [tenant]) == ()


def test_a_restored_purge_goes_again(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    backup = Backup(admin)
    retention.purge(session, retention.plan(session, [tenant]))
    gone = counts(admin)
    assert gone["crm.interaction"] == 2
    backup.restore()
    [found] = erasure.returned(session, [tenant])
    assert {(one.retention_class, one.period, one.key) for one in found.periods} == {
        ("interaction", 202003, True), ("invoice", 2016, True),
    }  # fmt: skip
    done = erasure.replay(session, found, tmp_path)
    assert (done.periods, done.rows, done.kept) == (2, 4, 0)
    after = counts(admin)
    for name in (*DATA, *CLAIMS):
        assert after[name] == gone[name], name
    assert erasure.returned(session, [tenant]) == ()


def test_what_todays_rule_keeps_is_left_for_a_person_to_decide(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    backup = Backup(admin)
    retention.purge(session, retention.plan(session, [tenant]))
    backup.restore()
    retention.set_rule(session, tenant, "invoice", 240)
    [found] = erasure.returned(session, [tenant])
    assert [(one.retention_class, one.kept) for one in found.periods] == [
        ("interaction", False), ("invoice", True),
    ]  # fmt: skip
    done = erasure.replay(session, found, tmp_path)
    assert (done.periods, done.rows, done.kept) == (1, 2, 1)
    [rest] = erasure.returned(session, [tenant])
    assert [one.retention_class for one in rest.periods] == ["invoice"]


def test_who_is_held_meanwhile_waits(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    from luactl import hold

    one, two = person(session, tenant, "1"), person(session, tenant, "2")
    backup = Backup(admin)
    erasure.run(session, erasure.plan(session, tenant, [one, two], "order 9"), tmp_path)
    backup.restore()
    hold.place(session, tenant, hold.prepare("case 7", subject_id=one))
    [found] = erasure.returned(session, [tenant])
    done = erasure.replay(session, found, tmp_path / "again")
    assert (done.people, done.held) == (2, 1)
    [rest] = erasure.returned(session, [tenant])
    assert rest.people == (one,)
    assert erasure.replay(session, rest, tmp_path / "again").certificates == ()
    assert hold.list_(session, tenant)


def test_a_class_that_came_back_goes_again_and_a_new_one_stays(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    one, two = person(session, tenant, "1"), person(session, tenant, "2")
    special(session, tenant, [one, two])
    backup = Backup(admin)
    plan = erasure.plan(session, tenant, [one, two], "order 9", scope="special")
    erasure.run(session, plan, tmp_path)
    special(session, tenant, [two])
    assert erasure.returned(session, [tenant]) == ()
    backup.restore("vault.slot")
    [found] = erasure.returned(session, [tenant])
    assert found.special == tuple(sorted([one, two]))
    erasure.replay(session, found, tmp_path)
    assert erasure.returned(session, [tenant]) == ()


def test_tombstones_of_a_book_are_enough(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    who, backup = person(session, tenant), Backup(admin)
    erase(session, tenant, who, tmp_path)
    backup.restore()
    admin.execute("TRUNCATE vault.tombstone")
    [found] = erasure.returned(session, [tenant])
    assert found.people == (who,)


def test_on_the_command_line(
    session: Session, tenant: Tenant, admin: psycopg.Connection, cli: Callable[..., Any], tmp_path: Path
) -> None:
    who, backup = person(session, tenant), Backup(admin)
    assert cli("erasure", "replay").returncode == 2
    assert "nothing is there again" in cli("erasure", "replay", "--all", "--yes").stderr
    erase(session, tenant, who, tmp_path)
    backup.restore()
    before = counts(admin)
    dry = json.loads(cli("erasure", "replay", "--all", "--dry-run", "-o", "json").stdout)["data"]
    assert [one["people"] for one in dry] == [[str(who)]]
    assert cli("erasure", "replay", "--all").returncode == 2
    assert counts(admin) == before
    ran = cli("erasure", "replay", "--tenant", "smile", "--yes", "-o", "json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["data"][0]["people"] == 1
    again = cli("erasure", "replay", "--all", "--yes", "-o", "json")
    assert (again.returncode, json.loads(again.stdout)["data"]) == (0, [])


@pytest.mark.parametrize("role", ["lua_auditor", "lua_accounting", "lua_admin", "lua_responder", "lua_app"])
def test_others_cannot(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, role: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    who, backup = person(session, tenant), Backup(admin)
    erase(session, tenant, who, tmp_path)
    backup.restore()
    [found] = erasure.returned(session, [tenant])
    before = counts(admin)
    with pytest.raises((psycopg.errors.InsufficientPrivilege, RefusedError)):
        erasure.replay(login(role), found, tmp_path / "again")
    assert counts(admin) == before


def test_a_purge_years_later_is_no_return(session: Session, tenant: Tenant, tmp_path: Path) -> None:
    moved = later(session, 1)
    retention.purge(moved, retention.plan(moved, [tenant]))
    assert erasure.returned(moved, [tenant]) == ()
