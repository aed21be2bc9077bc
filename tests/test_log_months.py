"""Months of the log: made ahead and when an old file needs them; a bounded question reads no other."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Connection, Home, TestServer, new_login
from psycopg import sql
from test_log_ingest import NOW, line, source  # noqa: F401

from luactl import log
from luactl.clock import FixedClock
from luactl.db import Session, transaction
from luactl.log.ingest import months
from luactl.log.ingest.reading import bring
from luactl.log.ingest.source import Source
from luactl.log.search import LAST_ID, ask, onward, rows, up_to

OLD = datetime(2025, 7, 31, 23, 59, 59, tzinfo=UTC)
LINES = "SELECT tableoid::regclass::text, count(*) FROM lua.log_line GROUP BY 1 ORDER BY 1"
BLOCKS = "SELECT tableoid::regclass::text, count(*) FROM lua.log_block GROUP BY 1 ORDER BY 1"
TABLES = (
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'lua.log_line'::regclass ORDER BY 1"
)
AHEAD = ["lua.log_line_202603", "lua.log_line_202604", "lua.log_line_202605"]


class Explaining:
    """A connection that says how it would answer, instead of answering."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def execute(self, statement: sql.Composed, values: dict[str, Any]) -> Any:
        """Return the plan, with the tables' whole names."""
        return self._conn.execute(sql.SQL("EXPLAIN (VERBOSE) ") + statement, values, prepare=False)


def read_by(
    session: Session, name: str, query: log.Query, table: str = r"lua\.log_line", **values: Any
) -> list[str]:
    """Return the partitions of a table that a statement reads."""
    asking = replace(session, conn=Explaining(session.conn))  # type: ignore[arg-type]
    plan = "\n".join(row[0] for row in ask(asking, name, query, **values))
    return sorted(set(re.findall(rf"(?<=on {table}_)\w+", plan)))


@pytest.fixture
def early(session: Session) -> Session:
    """The session in March 2026."""
    return replace(session, clock=FixedClock(NOW))


def tables(admin: Connection) -> list[str]:
    return [row[0] for row in admin.execute(TABLES) if row[0] != "lua.log_line_other"]


def test_months_are_made_ahead_and_as_old_as_a_file_is(
    early: Session,
    source: Source,  # noqa: F811
    admin: Connection,
    tmp_path: Path,
) -> None:
    (tmp_path / "crm.log").write_bytes(line(1))
    bring(early, source)
    assert tables(admin) == AHEAD
    (tmp_path / "crm.log.old").write_bytes(line(2, at=OLD.isoformat()) + line(3, at="1970-01-01T00:00:00Z"))
    bring(early, source)
    assert tables(admin) == ["lua.log_line_202507", *AHEAD]
    found = [("lua.log_line_202507", 1), ("lua.log_line_202603", 1), ("lua.log_line_other", 1)]
    assert admin.execute(LINES).fetchall() == found
    blocks = [("lua.log_block_202507", 1), ("lua.log_block_202603", 1), ("lua.log_block_other", 1)]
    assert admin.execute(BLOCKS).fetchall() == blocks


def test_what_lay_in_no_month_goes_along(
    early: Session,
    source: Source,  # noqa: F811
    admin: Connection,
    tmp_path: Path,
) -> None:
    (tmp_path / "crm.log").write_bytes(line(1, at=OLD.isoformat()) + line(2))
    bring(early, source)
    for table in ("line", "block"):
        name = f"lua.log_{table}_202507"
        admin.execute(f"ALTER TABLE lua.log_{table} DETACH PARTITION {name}")
        admin.execute(f"INSERT INTO lua.log_{table} SELECT * FROM {name}")
        admin.execute(f"DROP TABLE {name}")
    assert admin.execute(LINES).fetchall() == [("lua.log_line_202603", 1), ("lua.log_line_other", 1)]
    months.make_months(early, [OLD])
    assert admin.execute(LINES).fetchall() == [("lua.log_line_202507", 1), ("lua.log_line_202603", 1)]
    assert admin.execute(BLOCKS).fetchall() == [("lua.log_block_202507", 1), ("lua.log_block_202603", 1)]
    assert len(rows(early, log.parse("kind:line", NOW), None)) == 2
    open_ones = (
        "SELECT relname FROM pg_class WHERE relname ~ '^log_line_' AND relkind = 'r'"
        " AND NOT (relrowsecurity AND relforcerowsecurity)"
    )
    assert admin.execute(open_ones).fetchall() == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("since:2026-03-01 until:2026-03-02", ["202603"]),
        ("since:2026-03-30 until:2026-04-02 severity:INFO", ["202603", "202604"]),
        ("since:2026-03-01 until:2026-03-02 kind:ledger", []),
    ],
)
def test_a_bounded_question_reads_no_other_month(
    early: Session,
    source: Source,  # noqa: F811
    tmp_path: Path,
    text: str,
    read: list[str],
) -> None:
    (tmp_path / "crm.log").write_bytes(line(1, at=OLD.isoformat()) + line(2))
    bring(early, source)
    query, place = log.parse(text, NOW), (NOW + timedelta(days=90), LAST_ID)
    before: dict[str, Any] = {"before_at": place[0], "before_id": place[1], "seen": [], "limit": 10}
    assert read_by(early, "page", query, **before) == read
    assert read_by(early, "how_many", query) == read
    assert read_by(early, "histogram", query, width=timedelta(hours=1)) == read


def test_row_security_keeps_no_index_from_being_asked(session: Session) -> None:
    session.conn.execute("SET enable_seqscan = off; SET enable_indexscan = off")
    for table, asked in (
        ("ledger.entry", "ledger.words(body) @@ 'invoice'"),
        ("ledger.entry", "touched && '{0190a000-0000-7000-8000-000000000001}'"),
        ("lua.log_line", "lua.words(message) @@ 'invoice'"),
    ):
        plan = session.conn.execute(f"EXPLAIN SELECT FROM {table} WHERE {asked}".encode()).fetchall()
        assert "Index Cond" in str(plan), (asked, plan)


def test_going_on_from_a_place_reads_no_month_behind_it(
    early: Session,
    source: Source,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "crm.log").write_bytes(line(1, at=OLD.isoformat()) + line(2))
    bring(early, source)
    at, id_ = place = rows(early, log.parse("kind:line", NOW), 1)[0].place
    before: dict[str, Any] = {"before_at": at, "before_id": id_, "seen": [], "limit": 10}
    query = log.parse("severity:INFO", NOW)
    assert read_by(early, "page_of_lines", up_to(query, place), **before) == ["202507", "202603", "other"]
    later = read_by(early, "later", onward(query, place), after_at=at, after_id=id_, limit=10)
    assert later == ["202603", "202604", "202605", "other"]


def test_a_month_ahead_waits_for_nobody_and_one_that_is_needed_says_who_is_in_the_way(
    early: Session, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(months, "WAIT", "10ms")
    months.make_months(early, [])
    later = replace(early, clock=FixedClock(NOW + timedelta(days=31)))
    with admin.transaction():
        admin.execute("SELECT FROM lua.log_line")
        months.make_months(later, [NOW])
        assert tables(admin) == AHEAD
        with pytest.raises(psycopg.errors.LockNotAvailable):
            months.make_months(later, [OLD])
    months.make_months(later, [NOW])
    assert tables(admin) == [*AHEAD, "lua.log_line_202606"]


def test_who_may_make_months_and_which(session: Session, home: Home, server: TestServer) -> None:
    passfile = home.path / "auditor"
    login = new_login(server, passfile, ["lua_auditor", "lua_dpo"])
    dsn = server.dsn(session.conn.info.dbname, login, passfile)
    with (
        closing(psycopg.connect(dsn, autocommit=True)) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute("SELECT lua.make_log_months('{202601}')")
    for month in (202600, 202613, 199912, 210001):
        with pytest.raises(psycopg.errors.InvalidParameterValue), transaction(session) as conn:
            conn.execute("SELECT lua.make_log_months(ARRAY[%s::integer])", (month,))
