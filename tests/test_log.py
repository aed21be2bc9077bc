"""Searching and following the log."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from conftest import Connection, Home, run_program
from psycopg.errors import InsufficientPrivilege

from luactl import ledger, log
from luactl.clock import FixedClock, SystemClock
from luactl.connect import connect, open_session
from luactl.db import Session, transaction
from luactl.errors import NotFoundError, RefusedError, UsageError
from luactl.ledger import Entry
from luactl.log import Query

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def logged(bare_home: Home, admin: Connection) -> Iterator[Session]:
    """A session of the home's login, in a database with an origin but without keys."""
    ledger.create_origin(Session(admin, "postgres", SystemClock(), bare_home.profile, "init"))
    with open_session("test", command="test") as session:
        yield session


@pytest.fixture
def other(bare_home: Home, logged: Session) -> Iterator[Session]:
    """A second connection of the same login."""
    with closing(connect(bare_home.profile, command="other")) as conn:
        yield replace(logged, conn=conn)


def write(session: Session, *actions: str, **fields: object) -> list[UUID]:
    with transaction(session):
        return ledger.append_all(session, [Entry(action, **fields) for action in actions])  # type: ignore[arg-type]


def asked(text: str = "") -> Query:
    return log.parse(text, NOW)


def actions(session: Session, text: str) -> list[str]:
    page = log.search(session, asked(text), 0)
    return [line.action for line in page.lines]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T13:00:00+01:00", NOW),
        ("2026-03-01T12:00:00Z", NOW),
        ("2026-03-01", NOW - timedelta(hours=12)),
        ("-90s", NOW - timedelta(seconds=90)),
        ("-2h", NOW - timedelta(hours=2)),
        ("-3d", NOW - timedelta(days=3)),
        ("-1w", NOW - timedelta(days=7)),
    ],
)
def test_times(text: str, expected: datetime) -> None:
    assert log.parse_time(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    ["", "2h", "-h", "-2y", "-999999d", "2026-02-30", "2026-03-01T12:00:00", "now", "20260301", "-2h; DROP"],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError):
        log.parse_time(text, NOW)


def test_search_by_each_column(logged: Session) -> None:
    at = [replace(logged, clock=FixedClock(NOW + timedelta(hours=n))) for n in range(4)]
    person = uuid4()
    write(at[0], "tenant.create", tenant_id=7)
    write(at[1], "crm.customer.import", tenant_id=7, subject=person)
    ledger.record_read(at[2], 7, [uuid4(), person], "support", "crm.contact")
    write(at[3], "crm_x".replace("_", ""), tenant_id=8, object="100%")
    mine = f"actor:{logged.actor}"
    assert actions(logged, mine) == ["crmx", "read", "crm.customer.import", "tenant.create"]
    assert actions(logged, "actor:nobody") == []
    assert actions(logged, "tenant:7") == ["read", "crm.customer.import", "tenant.create"]
    assert actions(logged, "action:crm.*") == ["crm.customer.import"]
    assert actions(logged, "action:crm*") == ["crmx", "crm.customer.import"]
    assert len(actions(logged, "action:*")) == 5
    assert actions(logged, "action:crm") == []
    assert actions(logged, f"subject:{person}") == ["read", "crm.customer.import"]
    assert actions(logged, f"subject:{uuid4()}") == []
    assert actions(logged, "since:2026-03-01T13:00:00Z until:2026-03-01T14:00:00Z") == ["crm.customer.import"]
    assert actions(logged, f"{mine} -tenant:7") == ["crmx"]
    assert actions(logged, "purpose:support OR object:100%") == ["crmx", "read"]
    assert actions(logged, "support") == ["read"]


@pytest.mark.parametrize("action", ["a%", "a_", "'; DROP TABLE ledger.entry; --", "A"])
def test_what_is_no_action(logged: Session, action: str) -> None:
    with pytest.raises(UsageError):
        log.narrowed(asked(), [("action", action)])


def test_a_cut_list_says_so(logged: Session) -> None:
    write(logged, "a", "b", "c")
    page = log.search(logged, asked(f"actor:{logged.actor}"), 2)
    assert ([line.action for line in page.lines], page.more) == (["c", "b"], True)
    assert log.search(logged, asked(f"actor:{logged.actor}"), 3).more is False
    assert log.search(logged, asked(), 0).more is False


def test_pages_go_on_where_the_last_one_ended(logged: Session) -> None:
    write(logged, *"abcdefg")
    query, shown, before = asked(f"actor:{logged.actor}"), [], {}
    while True:
        page = log.search(logged, query, 3, **before)
        shown += [line.action for line in page.lines]
        if not page.more:
            break
        before = {"before": log.place_of(logged, page.lines[-1].id)}
    assert shown == list("gfedcba")
    with pytest.raises(NotFoundError):
        log.place_of(logged, uuid4())


def test_counts_in_all_and_by_time(logged: Session) -> None:
    for hours in (0, 0, 3):
        write(replace(logged, clock=FixedClock(NOW + timedelta(hours=hours))), "x.y")
    assert log.count(logged, asked("action:x.*")).count == 3
    bins = log.histogram(logged, asked("action:x.*"), timedelta(hours=1))
    assert [(one.begins, one.count) for one in bins] == [
        (NOW + timedelta(hours=n), count) for n, count in enumerate([2, 0, 0, 1])
    ]
    assert log.histogram(logged, asked("action:nothing"), timedelta(hours=1)) == ()
    with pytest.raises(UsageError, match="stretches"):
        log.histogram(logged, asked("action:x.*"), timedelta(seconds=1))


def test_neighbours_in_time(logged: Session) -> None:
    write(logged, "a", "b", "hit", "c", "d", "hit", "e", "f")
    query = asked("action:hit")
    found = log.search(logged, query).lines
    assert [line.action for line in log.around(logged, query, found, 1)] == ["e", "hit", "d", "c", "hit", "b"]
    wide = ["f", "e", "hit", "d", "c", "hit", "b", "a"]
    assert [line.action for line in log.around(logged, query, found, 2)] == wide


def test_notes(logged: Session, other: Session, admin: Connection) -> None:
    first, second = write(logged, "a", "b", object="tenant:smile")
    made = log.add_note(logged, second, " look here ", "INC-7")
    mark = log.add_note(logged, first)
    assert (made.text, made.case, mark.text, mark.case) == ("look here", "INC-7", None, None)
    assert log.list_notes(other) == (mark, made)
    assert log.list_notes(other, case="INC-7") == log.list_notes(other, line_id=second) == (made,)
    assert log.noted(other, [first, second, uuid4()]) == {first, second}
    assert log.noted(other, []) == frozenset()
    log.add_note(logged, first, "not kept", dry_run=True)
    assert log.add_note(logged, first) == mark
    assert len(log.list_notes(other)) == 2
    entries = log.search(logged, asked("action:log.note.add"), 0).lines
    assert [line.object for line in entries] == [f"log-note:{one.note_id}" for one in (mark, made)]
    assert "look here" not in str(entries)
    with pytest.raises(NotFoundError):
        log.add_note(logged, uuid4())
    with pytest.raises(UsageError):
        log.add_note(logged, first, "two\nlines")
    for statement in ("UPDATE lua.log_note SET text = 'x'", "DELETE FROM lua.log_note"):
        with pytest.raises(InsufficientPrivilege):
            logged.conn.execute(statement)
    with pytest.raises(InsufficientPrivilege):
        logged.conn.execute(
            "INSERT INTO lua.log_note VALUES (gen_random_uuid(), gen_random_uuid(), now(), 'x', NULL,"
            " 'else', now())"
        )


def test_who_sees_only_their_own_lines_sees_and_makes_notes_on_these_alone(
    logged: Session, login: Callable[..., Session]
) -> None:
    operator, auditor = login("lua_operator"), login("lua_auditor")
    (theirs,), (own,) = write(logged, "a"), write(operator, "b")
    log.add_note(logged, theirs, "secret")
    with pytest.raises(NotFoundError):
        log.add_note(operator, theirs)
    made = log.add_note(operator, own)
    assert log.list_notes(operator) == (made,)
    assert len(log.list_notes(auditor)) == 2


def test_saved_queries(logged: Session, other: Session) -> None:
    made = log.save(logged, "night", "action:night.*", "morning round")
    assert log.list_saved(other) == (made,)
    # Both must hold, whatever either of them leaves open.
    query = log.question(logged, [made.query, "a OR b"], [("outcome", "done")])
    assert str(query) == '((action:night.* ("a" OR "b")) outcome:done)'
    times = log.question(logged, ["since:2026-03-01 until:2026-03-05", "since:2026-03-02 until:2026-03-06"])
    assert (times.since, times.until) == (NOW.replace(day=2, hour=0), NOW.replace(day=5, hour=0))
    with pytest.raises(RefusedError):
        log.save(logged, "night", "action:x")
    with pytest.raises(UsageError):
        log.save(logged, "broken", "colour:red")
    with pytest.raises(UsageError):
        log.save(logged, "No Name", "x")
    log.forget(logged, "night", dry_run=True)
    assert log.saved(logged, "night") == made
    assert log.forget(logged, "night") == made
    with pytest.raises(NotFoundError):
        log.saved(logged, "night")


def test_a_gap_is_told(logged: Session, admin: Connection) -> None:
    admin.execute(
        "INSERT INTO lua.log_source (source_id, name, format, path, host, created_at, created_by)"
        " VALUES (gen_random_uuid(), 'crm', 'jsonl', '/crm', 'crm', now(), 'x')"
    )
    admin.execute(
        "INSERT INTO lua.log_gap SELECT source_id, %s, %s, 'rotated away', now() FROM lua.log_source",
        (NOW, NOW + timedelta(hours=1)),
    )
    assert [gap.reason for gap in log.gaps(logged, asked("since:2026-03-01T12:30:00Z"))] == ["rotated away"]
    assert log.gaps(logged, asked("since:2026-03-01T13:30:00Z")) == ()


def test_unknown_tenant(logged: Session) -> None:
    with pytest.raises(NotFoundError) as caught:
        log.find_tenant(logged, "'; DROP TABLE lua.tenant; --")
    assert caught.value.hint


def envelope(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_commands(logged: Session, bare_home: Home) -> None:
    (id_,) = write(logged, "tenant.create", object="tenant:praxis")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_program(bare_home.environ, "-o", "json", *arguments)

    found = run("log", "search", "--action", "tenant.*", "--since", "-1h", "--limit", "1")
    assert found.returncode == 0, found.stderr
    data = envelope(found)["data"]
    assert isinstance(data, list)
    assert [(line["id"], line["object"]) for line in data] == [(str(id_), "tenant:praxis")]
    assert [line["action"] for line in envelope(run("log", "tail", "-n", "1"))["data"]] == ["tenant.create"]  # type: ignore[attr-defined]
    assert envelope(run("log", "search", "tenant.create", "--count"))["data"] == {"count": 1}
    bins = envelope(run("log", "search", "action:tenant.*", "--histogram", "1d"))["data"]
    assert [one["count"] for one in bins] == [1]  # type: ignore[attr-defined]
    assert run("log", "search", "colour:red").returncode == 2
    assert run("log", "search", "--since", "yesterday").returncode == 2
    assert run("log", "search", "--subject", str(uuid4())).returncode == 2
    assert run("log", "search", "--tenant", "nobody").returncode == 1
    assert envelope(run("ledger", "integrate", "--dry-run"))["data"]["entries"] == 2  # type: ignore[index]
    assert envelope(run("ledger", "status"))["data"]["pending"] == 2  # type: ignore[index]
    assert envelope(run("ledger", "integrate"))["data"]["size"] == 2  # type: ignore[index]
    assert envelope(run("ledger", "show", str(id_)))["data"]["index"] == 1  # type: ignore[index]
    assert run("ledger", "show", str(uuid4())).returncode == 1
    assert run("ledger", "show", "x").returncode == 2
    assert envelope(run("ledger", "verify"))["data"]["ok"] is True  # type: ignore[index]
    Path(bare_home.profile.anchors[0].removeprefix("file:")).write_text("nonsense\n")
    broken = run("ledger", "verify")
    assert (broken.returncode, envelope(broken)["status"]) == (6, "findings")
