"""Erasures that meet: with each other, and with whoever writes about the same person."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import psycopg
import pytest
from support_erasure import counts, erase, person, practice, table

from luactl import crm, db, erasure
from luactl.db import Session
from luactl.errors import BusyError, RefusedError
from luactl.tenant import Tenant

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
COPY = """INSERT INTO crm.interaction
          SELECT %s, %s, subject_id, kind, occurred_at, retention_period, personal, entry_id, created_at
          FROM crm.interaction WHERE subject_id = %s LIMIT 1"""


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return practice(session)


def until_somebody_waits(admin: psycopg.Connection) -> None:
    """Return once a session of this database waits for a lock."""
    while admin.execute(WAITING).fetchone() == (0,):
        pass


def test_it_waits_for_a_writer_and_takes_what_he_wrote(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, tmp_path: Path
) -> None:
    who, writer = person(session, tenant), login("lua_operator").conn
    writer.execute("BEGIN")
    writer.execute("SET LOCAL lua.tenant_id = '1'")
    writer.execute("SELECT FROM crm.subject WHERE subject_id = %s FOR SHARE", (who,))
    writer.execute(COPY, (tenant.tenant_id, uuid4(), who))
    waited = []

    def commit() -> None:
        until_somebody_waits(admin)
        writer.execute("COMMIT")

    def race(step: str) -> None:
        if step == "root placed at holder 1":
            waited.append(pool.submit(commit))

    with ThreadPoolExecutor(1) as pool:
        done = erase(session, tenant, who, tmp_path, step=race)
        waited[0].result()
    assert {one.table: one.rows for one in done.going}["crm.interaction"] == 3
    assert erasure.verify(session, done.erasure_id).ok


def test_a_writer_who_waits_for_it_is_refused(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, tmp_path: Path
) -> None:
    who, writer, begun = person(session, tenant), login("lua_operator"), []
    visits = table("CustomerId,Date,Type,Text\n1,2026-10-07T09:00:00Z,note,late\n")

    def race(step: str) -> None:
        if step == "rows changed":
            begun.append(pool.submit(crm.import_interactions, writer, tenant, visits, crm.Options()))
            until_somebody_waits(admin)

    with ThreadPoolExecutor(1) as pool:
        done = erase(session, tenant, who, tmp_path, step=race)
        with pytest.raises(RefusedError, match="is erased"):
            begun[0].result()
    assert erasure.verify(session, done.erasure_id).ok


def test_two_runs_for_the_same_person(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, tmp_path: Path
) -> None:
    who, second = person(session, tenant), login("lua_operator")
    late = erasure.plan(second, tenant, who, "ticket 2")
    told: list[str] = []

    def race(step: str) -> None:
        if step == "root placed at holder 1" and not told:
            told.append(step)
            with patch.object(db, "LOCK_TIMEOUT", "50ms"), pytest.raises(BusyError):
                erasure.run(second, late, tmp_path)

    done = erase(session, tenant, who, tmp_path, step=race)
    assert told
    after = erasure.run(second, late, tmp_path)
    assert (after.outcome, after.erasure_id) == ("already erased", done.erasure_id)
    assert counts(admin)["lua.erasure"] == 1


def test_two_different_people_one_after_the_other_in_two_sessions(
    session: Session, tenant: Tenant, login: Callable[..., Session], tmp_path: Path
) -> None:
    who = [person(session, tenant, number) for number in ("1", "2")]
    sessions = [login("lua_operator"), login("lua_dpo")]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda n: erase(sessions[n], tenant, who[n], tmp_path), range(2)))
    assert sorted(one.epoch for one in done) == [2, 3]
    assert all(erasure.verify(session, one.erasure_id).ok for one in done)
    assert [view.external_id for view in crm.list_customers(session, tenant, 0).rows] == ["3"]


def test_a_writer_either_comes_before_or_fails(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, tmp_path: Path
) -> None:
    """An import between plan and lock is erased too; one that comes later finds nobody to write to."""
    who, writer = person(session, tenant), login("lua_operator")
    reports = []

    def write(step: str) -> None:
        if step == "root placed at holder 1":
            visits = table("CustomerId,Date,Type,Text\n1,2026-10-06T09:00:00Z,note,late\n")
            reports.append(crm.import_interactions(writer, tenant, visits, crm.Options()))

    done = erase(session, tenant, who, tmp_path, step=write)
    assert reports[0].imported == 1
    assert {one.table: one.rows for one in done.going}["crm.interaction"] == 3
    assert erasure.verify(session, done.erasure_id).ok
    visits = table("CustomerId,Date,Type,Text\n1,2026-10-07T09:00:00Z,note,later\n")
    assert crm.import_interactions(writer, tenant, visits, crm.Options()).rejected == 1
    row = admin.execute("SELECT count(*) FROM crm.interaction WHERE subject_id = %s", (who,)).fetchone()
    assert row == (0,)


def test_a_first_invoice_that_comes_in_at_the_last_moment_keeps_its_key(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, tmp_path: Path
) -> None:
    """The person had no invoice when it was planned: which keys go is decided once their rows are locked."""
    who, writer = person(session, tenant, "3"), login("lua_operator")
    bill = "InvoiceId,CustomerId,InvoiceDate,Total\nB-1,3,2026-01-05,5.00\n"
    assert crm.import_invoices(session, tenant, table(bill), crm.Options()).imported == 1
    admin.execute("DELETE FROM crm.invoice WHERE number = 'B-1'")
    assert erasure.plan(session, tenant, who, "ticket 1").keys == ("accounting", "main")

    def write(step: str) -> None:
        if step == "root placed at holder 1":
            crm.import_invoices(writer, tenant, table(bill), crm.Options())

    done = erase(session, tenant, who, tmp_path, step=write)
    assert done.keys == ("main",)
    assert [one.rows for one in done.staying] == [1]
    assert erasure.verify(session, done.erasure_id).ok
    assert len(crm.list_invoices(login("lua_accounting"), tenant, 0, who, party=True).rows) == 1


def test_who_is_erased_while_somebody_finds_him_is_not_shown(
    session: Session, tenant: Tenant, login: Callable[..., Session], tmp_path: Path
) -> None:
    """The finder has opened him in memory; what is recorded, and shown, is only who lives then."""
    from luactl import ledger, subject

    who, eraser = person(session, tenant), login("lua_operator", "lua_dpo", "lua_admin")
    real = ledger.references

    def erased_meanwhile(*arguments: Any, **options: Any) -> Any:
        erase(eraser, tenant, who, tmp_path)
        return real(*arguments, **options)

    with patch.object(ledger, "references", erased_meanwhile):
        found = subject.find(session, tenant, "external_id", "1", purpose="a call")
    assert found == []
