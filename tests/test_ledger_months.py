"""Months of the ledger: made ahead, dropped by pruning; an id is in the log once, whatever its month."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
import support_ledger
from conftest import Connection
from support_ledger import Actor, problems, write
from test_log_months import read_by

from luactl import db, ledger, log
from luactl.clock import FixedClock
from luactl.db import Session, transaction
from luactl.ledger import months
from luactl.ledger.prune import plan_prune, prune
from luactl.log.search import LAST, LAST_ID

init, actor, admin_login = support_ledger.init, support_ledger.actor, support_ledger.admin_login
Clocked = Callable[[int], Session]
TABLES = """SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'ledger.entry'::regclass AND c.relname <> 'entry_other' ORDER BY 1"""
LYING = "SELECT tableoid::regclass::text, count(*) FROM ledger.entry GROUP BY 1 ORDER BY 1"
OPEN = """SELECT relname FROM pg_class WHERE relname ~ '^entry_[0-9o]' AND relkind = 'r'
    AND NOT (relrowsecurity AND relforcerowsecurity)"""
AGAIN = """INSERT INTO ledger.entry (id, at, actor, tenant_id, action, outcome, body)
    SELECT id, at - %s::interval, actor, tenant_id, action, outcome, body
    FROM ledger.entry WHERE action = 'a'"""


def tables(conn: Connection) -> list[str]:
    return [row[0] for row in conn.execute(TABLES)]


@pytest.fixture
def early(admin_login: Session, init: Session) -> Clocked:
    """`early(3)` is a session in March 2026; the log is empty, and so is its anchor."""
    init.conn.execute("TRUNCATE ledger.entry, ledger.pending, ledger.leaf, ledger.checkpoint, ledger.subtree")
    return lambda month: replace(
        admin_login, clock=FixedClock(datetime(2026, month, 31 if month in (1, 3, 5) else 9, tzinfo=UTC))
    )


def test_the_integrator_makes_months_and_what_lay_in_none_goes_along(early: Clocked, init: Session) -> None:
    write(early(3), "a", "b")
    assert init.conn.execute(LYING).fetchall() == [("ledger.entry_other", 2)]
    ledger.integrate(early(3))
    assert tables(init.conn) == ["entry_202603", "entry_202604", "entry_202605"]
    write(early(4), "c")
    assert init.conn.execute(LYING).fetchall() == [("ledger.entry_202603", 2), ("ledger.entry_202604", 1)]
    ledger.integrate(early(5))
    assert tables(init.conn)[3:] == ["entry_202606", "entry_202607"]
    assert (problems(early(5)), ledger.status(early(5)).size) == ([], 3)
    assert init.conn.execute(OPEN).fetchall() == []
    assert months.make_months(early(5)) == 0


def test_an_id_is_there_once_whatever_its_month(early: Clocked, init: Session) -> None:
    months.make_months(early(3))
    write(early(5), "a")
    with pytest.raises(psycopg.errors.UniqueViolation):
        init.conn.execute(AGAIN, ["0"])
    with pytest.raises(psycopg.errors.CheckViolation, match="entry_time"):
        init.conn.execute(AGAIN, ["1 month"])


def test_whoever_is_in_the_way_is_not_waited_for(
    early: Clocked, actor: Actor, init: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(months, "WAIT", "10ms")
    writer = replace(actor("lua_operator"), clock=FixedClock(datetime(2026, 3, 1, tzinfo=UTC)))
    write(early(3), "a")
    with transaction(writer):
        ledger.append(writer, ledger.Entry("slow"))
        assert ledger.integrate(early(3)) is not None
        assert tables(init.conn) == []
    ledger.integrate(early(3))
    assert init.conn.execute(LYING).fetchall() == [("ledger.entry_202603", 2)]
    assert problems(early(3)) == []


def test_whole_months_are_dropped_and_what_waits_keeps_its_own(
    early: Clocked, actor: Actor, init: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.integrate(early(1))
    for month in (1, 2, 3, 4):
        write(early(month), *["a"] * 300)
        ledger.integrate(early(month))
    write(early(2), "late")  # as of somebody who began in February and has only now committed
    plan = plan_prune(early(5), datetime(2026, 4, 1, tzinfo=UTC))
    assert (plan.minimum, plan.entries) == (900, 900)
    monkeypatch.setattr(db, "LOCK_TIMEOUT", "10ms")
    writer = actor("lua_operator")
    with transaction(writer):
        ledger.append(writer, ledger.Entry("open"))
        with pytest.raises(psycopg.errors.LockNotAvailable):
            prune(early(5), plan)
    monkeypatch.undo()
    assert init.conn.execute("SELECT count(*) FROM ledger.entry").fetchone() == (1_202,)
    prune(early(5), plan)
    assert tables(init.conn) == ["entry_202602", "entry_202604", "entry_202605", "entry_202606"]
    assert init.conn.execute("SELECT count(*) FROM ledger.entry_202602").fetchone() == (1,)
    assert problems(early(5)) == []
    ledger.integrate(early(5))
    assert problems(early(5)) == []
    prune(early(5), plan_prune(early(5), datetime(2026, 5, 1, tzinfo=UTC)))
    assert tables(init.conn) == ["entry_202605", "entry_202606", "entry_202607"]


def test_an_entry_that_should_not_be_there_does_not_go_with_its_month(early: Clocked, init: Session) -> None:
    ledger.integrate(early(1))
    for month in (1, 4):
        write(early(month), "a", "b")
        ledger.integrate(early(month))
    write(early(1), "planted")
    init.conn.execute("DELETE FROM ledger.pending")
    stray = ["the entry has no index and does not wait for one"]
    assert problems(early(4)) == stray
    prune(early(4), plan_prune(early(4), datetime(2026, 3, 1, tzinfo=UTC)))
    assert problems(early(4)) == stray
    assert init.conn.execute(LYING).fetchall()[0] == ("ledger.entry_202601", 1)


def test_a_bounded_question_reads_no_other_month(early: Clocked) -> None:
    session = early(3)
    months.make_months(session)
    query = log.parse("since:2026-04-02 until:2026-04-03", session.clock.now())
    place = {"before_at": LAST, "before_id": LAST_ID, "limit": 10}
    assert read_by(session, "page_of_ledger", query, table=r"ledger\.entry", **place) == ["202604"]
    assert read_by(session, "how_many", query, table=r"ledger\.entry") == ["202604"]


def test_who_may_make_months_and_which(early: Clocked, actor: Actor) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        actor("lua_auditor").conn.execute("SELECT ledger.make_months('{202601}')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        early(1).conn.execute("SELECT ledger.drop_month(202601)")
    for month in (202600, 202613, 199912, 210001):
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            early(1).conn.execute("SELECT ledger.make_months(ARRAY[%s::integer])", [month])
