"""The log screen: pages, the query and its parts, going on from a field, and how lines are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from conftest import Connection, Home, run_program
from support_log import SOURCE, write_lines
from support_tui import drive, go, keys, new_console, settled, text, typed
from test_log import logged, write  # noqa: F401
from textual.pilot import Pilot
from textual.widgets import Input

from luactl import log
from luactl.db import Session
from luactl.log import Line
from luactl.tui.ask import Ask
from luactl.tui.choose import Choose
from luactl.tui.log import Log
from luactl.tui.log_entry import Entry
from luactl.tui.notice import Notice
from luactl.tui.table import KEPT

SIZES = [(80, 24), (140, 40)]
SIZES = [(80, 24), (140, 40)]
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TOTAL = 420


@pytest.fixture
def many(logged: Session, admin: Connection) -> list[Line]:  # noqa: F811
    """A log of both stores; oldest first."""
    write_lines(
        admin,
        [
            {
                "actor": ["anna", "ben"][n % 7 == 0],
                "action": ["statement.read", "login.failed"][n % 10 == 0],
                "outcome": ["done", "refused"][n % 10 == 0],
                "address": f"10.0.0.{n % 5}",
                "message": f"line {n} of many{' and a tail' * (n % 9)}",
            }
            for n in range(TOTAL)
        ],
        apart=60_000,
    )
    return list(reversed(log.search(logged, log.parse("", BEGIN), 0).lines))


def here(screen: Log) -> Line:
    assert screen.lines.line is not None
    return screen.lines.line


def ids(screen: Log) -> list[UUID]:
    return [UUID(row.copy) for row in screen.lines.rows]


def test_walks_through_all_pages_and_holds_a_window(many: list[Line]) -> None:
    every = [line.id for line in many]

    async def script(pilot: Pilot[None]) -> None:
        screen = Log()
        await go(pilot, screen)
        assert here(screen).id == every[-1]
        assert "following" in screen.position()
        seen = set(ids(screen))
        while screen.lines.before:
            await keys(pilot, "pageup")
            seen |= set(ids(screen))
            assert len(screen.lines.rows) <= KEPT
            at = every.index(ids(screen)[0])
            assert ids(screen) == every[at : at + len(ids(screen))]
        assert seen == set(every)
        await keys(pilot, "pageup", "pageup", *["pagedown"] * 3)
        assert here(screen).id == every[3 * screen.lines.height]
        await keys(pilot, "G")
        assert here(screen).id == every[-1]
        await keys(pilot, "g")
        assert here(screen).id == every[0]
        assert not screen.lines.before
        while screen.lines.after:
            await keys(pilot, "pagedown")
        assert ids(screen)[-1] == every[-1]

    drive(script)


def test_parts_are_added_and_taken_away(many: list[Line]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        screen = Log(["kind:line"])
        await go(pilot, screen)
        await keys(pilot, "plus")
        assert "tab chooses a field" in text(screen.console)
        await keys(pilot, "tab", "tab", "plus")
        assert screen.parts == ("kind:line", "actor:anna")
        assert {row.key.actor for row in screen.lines.rows} == {"anna"}  # type: ignore[attr-defined]
        await keys(pilot, "minus")
        assert screen.parts == ("kind:line", "-actor:anna")
        assert {row.key.actor for row in screen.lines.rows} == {"ben"}  # type: ignore[attr-defined]
        await keys(pilot, "tab", "minus")
        assert screen.parts == ("kind:line", "-actor:anna", "-action:statement.read")
        assert {row.key.outcome for row in screen.lines.rows} == {"refused"}  # type: ignore[attr-defined]
        assert " -action:statement.read " in text(screen.console)
        await keys(pilot, "x")
        await typed(pilot, "anna")
        assert screen.parts == ("kind:line", "-action:statement.read")
        await keys(pilot, "backspace", "t")
        assert screen.parts == ()
        assert here(screen).kind == "ledger"
        await keys(pilot, "t")
        assert screen.parts == ("kind:ledger",)
        await keys(pilot, "backspace", "backspace")
        assert "everything is shown" in text(screen.console)

    drive(script)


def test_times_bound_the_query(many: list[Line]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        screen = Log(["kind:line"])
        await go(pilot, screen)
        await keys(pilot, *["pageup"] * 3, "tab", "minus")
        assert screen.parts[1:] == (f"until:{many[TOTAL - 1 - 3 * screen.lines.height].at.isoformat()}",)
        last = here(screen)
        await keys(pilot, *["k"] * 10, "plus")
        assert ids(screen)[-1] == last.id
        assert len(ids(screen)) == 11

    drive(script)


def test_a_wrong_query_is_told_while_it_is_typed_and_earlier_ones_come_back(many: list[Line]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        screen = Log()
        await go(pilot, screen)
        for query in ("actor:ben", "actor:anna outcome:refused"):
            await keys(pilot, "f")
            await typed(pilot, query)
        assert screen.parts == ("actor:anna", "outcome:refused")
        await keys(pilot, "f")
        await typed(pilot, "actr:anna")
        assert isinstance(pilot.app.screen, Ask)
        assert "did you mean actor:" in text(screen.console)
        await keys(pilot, "up", "up")
        assert pilot.app.screen.query_one(Input).value == "actor:ben"
        await keys(pilot, "down", "down")
        assert pilot.app.screen.query_one(Input).value == "actr:anna"
        await keys(pilot, "escape", "f")
        await typed(pilot, "tenant:nobody")
        assert isinstance(pilot.app.screen, Notice)
        await keys(pilot, "escape")
        assert screen.parts == ("actor:anna", "outcome:refused")
        assert {row.key.actor for row in screen.lines.rows} == {"anna"}  # type: ignore[attr-defined]
        await keys(pilot, "f")
        await typed(pilot, "")
        assert screen.parts == ()
        await keys(pilot, "f")
        await typed(pilot, "actor:ben OR outcome:refused")
        await keys(pilot, "tab", "tab", "minus")
        assert screen.parts == ("(actor:ben OR outcome:refused)", f"-actor:{here_was(screen)}")

    def here_was(screen: Log) -> str:
        return "ben" if here(screen).actor == "anna" else "anna"

    drive(script)


def test_queries_are_saved_and_opened(many: list[Line], logged: Session) -> None:  # noqa: F811
    async def script(pilot: Pilot[None]) -> None:
        screen = Log(["actor:ben", "outcome:refused"])
        await go(pilot, screen)
        await keys(pilot, "s")
        await typed(pilot, "refused-ben")
        await typed(pilot, "")
        assert "saved as refused-ben" in text(screen.console)
        await keys(pilot, "backspace", "backspace", "o")
        assert isinstance(pilot.app.screen, Choose)
        await keys(pilot, "enter")
        assert screen.parts == ("actor:ben", "outcome:refused")

    drive(script)
    assert log.saved(logged, "refused-ben").query == "actor:ben outcome:refused"


def test_a_line_is_opened_and_narrows_the_list_down(many: list[Line]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        screen = Log(["kind:line"])
        await go(pilot, screen)
        await keys(pilot, "enter")
        entry = pilot.app.screen
        assert isinstance(entry, Entry)
        assert "line 419 of many" in text(screen.console)
        while entry.table.current is not None and entry.table.current.cells[0] != "address":
            await keys(pilot, "j")
        await keys(pilot, "p")
        other = pilot.app.screen
        assert isinstance(other, Log)
        assert other.parts == ("address:10.0.0.4",)
        assert {row.key.address for row in other.lines.rows} == {"10.0.0.4"}  # type: ignore[attr-defined]
        await keys(pilot, "escape", "plus")
        assert pilot.app.screen is screen
        assert screen.parts == ("kind:line", "address:10.0.0.4")
        await keys(pilot, "enter", "g", "G")
        entry = pilot.app.screen
        assert isinstance(entry, Entry)
        while entry.table.current is not None and entry.table.current.cells[0] != "text":
            await keys(pilot, "k")
        await keys(pilot, "minus")
        assert isinstance(pilot.app.screen, Ask)
        assert pilot.app.screen.query_one(Input).value.startswith('kind:line address:10.0.0.4 -"line 419')

    drive(script)


def test_pivots_to_a_login_and_a_tenant(logged: Session, many: list[Line]) -> None:  # noqa: F811
    write(logged, "tenant.suspend", "tenant.resume", object="tenant:smile")

    async def script(pilot: Pilot[None]) -> None:
        screen = Log([f"actor:{logged.actor}"])
        await go(pilot, screen)
        await keys(pilot, "tab", "tab", "p")
        assert f"Doings of {logged.actor}" in text(screen.console)
        assert "2, 0 of them readings" in text(screen.console)
        await keys(pilot, "enter")
        inner = pilot.app.screen
        assert isinstance(inner, Log)
        assert inner.parts[1:2] == (f"actor:{logged.actor}",)
        assert len(inner.lines.rows) == 2
        await go(pilot, server := Log(["kind:line"]))
        await keys(pilot, "tab", "tab", "p")  # a login that no entry names
        other = pilot.app.screen
        assert isinstance(other, Log)
        assert other is not server
        assert {row.key.actor for row in other.lines.rows} == {here(server).actor}  # type: ignore[attr-defined]

    drive(script, console=new_console())


@pytest.mark.parametrize("moves", [(), ("pageup", "pageup"), ("g", "pagedown")])
def test_the_command_shows_what_is_in_sight(moves: Sequence[str], many: list[Line], bare_home: Home) -> None:
    lines: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        screen = Log(["-actor:ben", "kind:line"])
        await go(pilot, screen)
        await keys(pilot, *moves)
        table = screen.lines
        lines.extend(row.copy for row in table.rows[table.top : table.top + table.height])
        lines.append(screen.command_line())

    drive(script)
    import json
    import shlex

    command = lines.pop()
    done = (
        run_program(bare_home.environ, *shlex.split(command), "-o", "json")
        if "--" not in command.split()
        else (run_program(bare_home.environ, "-o", "json", *shlex.split(command)))
    )
    assert done.returncode == 0, done.stderr
    assert [one["id"] for one in json.loads(done.stdout)["data"]] == list(reversed(lines))


def test_follows_both_stores_pauses_and_counts_a_burst(many: list[Line], admin: Connection) -> None:
    late = many[-1].at + timedelta(minutes=1)

    async def polled(pilot: Pilot[None], screen: Log) -> None:
        screen.poll()
        await settled(pilot)

    async def script(pilot: Pilot[None]) -> None:
        screen = Log()
        await go(pilot, screen)
        write_lines(admin, [{"message": "just now"}], late)
        await polled(pilot, screen)
        assert here(screen).message == "just now"
        assert screen.state() == "following"
        await keys(pilot, "k")
        write_lines(admin, [{"message": f"more {n}"} for n in range(1_234)], late + timedelta(minutes=1))
        await polled(pilot, screen)
        assert "paused, +1,234 new" in text(screen.console)
        assert here(screen).message != "just now"
        assert len(screen.held) <= KEPT
        await keys(pilot, "G")
        assert here(screen).message == "more 1233"
        assert screen.state() == "following"
        assert len(screen.lines.rows) <= KEPT
        write_lines(admin, [{"message": "of last year"}], BEGIN - timedelta(days=9))
        await polled(pilot, screen)
        assert here(screen).message == "more 1233"
        assert "1 line with earlier times came in above" in text(screen.console)
        await keys(pilot, "g")
        assert here(screen).message == "of last year"

    drive(script)


def test_gaps_in_coverage_are_told(many: list[Line], admin: Connection) -> None:
    admin.execute(
        "INSERT INTO lua.log_gap VALUES (%s, %s, %s, 'rotated away', now())",
        (SOURCE, BEGIN, BEGIN + timedelta(hours=1)),
    )

    async def script(pilot: Pilot[None]) -> None:
        screen = Log()
        await go(pilot, screen)
        assert "Log, 1 gap in coverage" in text(screen.console)
        screen.ask([f"since:{(BEGIN + timedelta(hours=2)).isoformat()}"])
        await settled(pilot)
        assert "in coverage" not in text(screen.console)

    drive(script)


def test_lines_are_marked_and_found_again(many: list[Line], logged: Session) -> None:  # noqa: F811
    async def script(pilot: Pilot[None]) -> None:
        screen = Log(["kind:line"])
        await go(pilot, screen)
        await keys(pilot, "m", "k", "k", "M")
        await typed(pilot, "look at this")
        await typed(pilot, "INC-7")
        noted = here(screen).id
        assert "noted" in text(screen.console)
        assert [row.copy for row in screen.lines.rows if row.cells[0]] == ids_of(many[-4:-1:2])
        await keys(pilot, "g", "apostrophe")
        await typed(pilot, "INC-7")
        assert here(screen).id == noted
        assert [row.copy for row in screen.lines.rows if row.cells[0]] == ids_of(many[-4:-1:2])
        await keys(pilot, "enter")
        assert "look at this (INC-7)" in text(screen.console)
        await keys(pilot, "escape", "tab", "minus", "apostrophe")
        await typed(pilot, "INC-7")
        assert "does not fit the query" in text(screen.console)

    drive(script)
    assert [(one.text, one.case) for one in log.list_notes(logged)] == [
        ("look at this", "INC-7"),
        (None, None),
    ]


def ids_of(lines: Sequence[Line]) -> list[str]:
    return [str(line.id) for line in lines]
