"""The log as it is looked at: searching, the brush, wrapping, zones, copying, and how it looks."""

# ruff: noqa: F811 (fixtures of other modules)

from __future__ import annotations

import time

import pytest
from conftest import Connection
from support_log import write_lines
from support_tui import compare, drive, go, keys, new_console, settled, text, typed
from test_log import logged  # noqa: F401
from test_tui_log import BEGIN, TOTAL, here, ids, many  # noqa: F401
from textual.pilot import Pilot

from luactl import log
from luactl.db import Session
from luactl.log import Line, Needle
from luactl.tui.command import Back, Quit
from luactl.tui.log import Log
from luactl.tui.log_line import HIT
from luactl.tui.log_narrow import Undo
from luactl.tui.log_seek import Look

SIZES = [(80, 24), (140, 40)]


@pytest.mark.parametrize("size", SIZES)
def test_it_looks_as_it_should(size: tuple[int, int], many: list[Line], admin: Connection) -> None:
    admin.execute("DELETE FROM ledger.pending")  # whose clock would be another every day
    console = new_console()

    async def script(pilot: Pilot[None]) -> None:
        screen = Log(["kind:line", "-actor:ben"])
        await go(pilot, screen)
        await keys(pilot, "slash")
        await typed(pilot, "9 of")
        await keys(pilot, "tab", "tab", "tab", "v", "left", "plus")
        compare(console, "log-search")
        await keys(pilot, "escape", "w")
        compare(console, "log-wrapped")

    console.actor = "nele"
    drive(script, size, console)


@pytest.mark.parametrize("sought", ["9 OF", "line 0 ", "nowhere"])
def test_n_and_N_visit_exactly_what_is_marked(
    sought: str, many: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = [line.id for line in many if Needle(sought).fits(line)]
    monkeypatch.setattr(Log, "LOOK", 37)

    async def script(pilot: Pilot[None]) -> None:
        screen = Log()
        await go(pilot, screen)
        start = here(screen).id
        await keys(pilot, "slash")
        await typed(pilot, sought)
        if not marked:
            assert "no earlier line has it" in text(screen.console)
            assert here(screen).id == start
            return
        assert here(screen).id == marked[-1]
        assert_marked(screen, sought)
        for key, order in (("N", list(reversed(marked))[1:13]), ("n", None)):
            visited = []
            for expected in order or marked[marked.index(here(screen).id) + 1 :]:
                await keys(pilot, key)
                visited.append(here(screen).id)
                assert visited[-1] == expected
        assert_marked(screen, sought)
        await keys(pilot, "n")
        assert here(screen).id == marked[-1]
        assert "no later line has it" in text(screen.console)
        await keys(pilot, "g", "N")
        assert here(screen).id in (marked[0], many[0].id)
        await keys(pilot, "slash")
        await typed(pilot, "")
        assert screen.lines.shown.needle is None

    def assert_marked(screen: Log, sought: str) -> None:
        for y in range(1, screen.lines.height + 1):
            at, _part = screen.lines._at(y - 1)
            if at < len(screen.lines.rows):
                hits = [s for s in screen.lines.render_line(y) if s.style and s.style.bgcolor == HIT.bgcolor]
                assert bool(hits) == Needle(sought).fits(screen.lines.rows[at].key)  # type: ignore[arg-type]

    drive(script)


def test_a_brush_narrows_the_times(many: list[Line], logged: Session) -> None:
    async def script(pilot: Pilot[None]) -> None:
        screen = Log(["kind:line", f"until:{BEGIN.isoformat()[:10]}T08:00:00Z"])
        await go(pilot, screen)
        assert not screen.strip.display
        await keys(pilot, "v")
        assert screen.strip.counts is not None
        assert sum(screen.strip.counts.counts) == TOTAL
        assert "█" in text(screen.console)
        await keys(pilot, "escape")
        assert not screen.strip.display
        assert pilot.app.screen is screen
        await keys(pilot, "backspace", "t", "v")
        strip = screen.strip
        assert strip.counts is not None
        assert sum(strip.counts.counts) == len(many)
        assert strip.brush == (len(strip.counts.counts) - 1, len(strip.counts.counts))
        strip.move(-1_000)
        await keys(pilot, "left", "plus", "plus", "minus", "right", "left", "left")
        assert strip.brush == (0, 2)
        await keys(pilot, "enter")
        assert [one[:6] for one in screen.parts] == ["since:", "until:"]
        assert log.count(logged, screen.query_now()).count == TOTAL
        assert ids(screen)[-1] == many[TOTAL - 1].id
        assert strip.display

    drive(script)


def test_zones_wrapping_and_going_sideways(many: list[Line], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()

    async def script(pilot: Pilot[None]) -> None:
        screen = Log(["kind:line", '"of many"'])
        await go(pilot, screen)
        shown = screen.lines
        assert "01-01 06:59:00" in text(screen.console)
        await keys(pilot, "z")
        assert "local, CET" in text(screen.console)
        assert "01-01 07:59:00" in text(screen.console)
        await keys(pilot, "Z")
        await typed(pilot, "Mars/Base")
        assert "there is no time zone Mars/Base" in text(screen.console)
        await typed(pilot, "America/New_York")
        assert "01-01 01:59:00" in text(screen.console)
        await keys(pilot, "z")
        assert " UTC " in text(screen.console)
        assert "and a tail\n" not in text(screen.console)
        left = text(screen.console)
        await keys(pilot, "right", "l", "l", "l", "l", "l")
        assert shown.shown.left == shown.widest() - shown.shown.room
        assert "tail\n" in text(screen.console)
        await keys(pilot, *["left"] * 6)
        assert text(screen.console) == left
        await keys(pilot, "w")
        assert shown.height < shown.tall
        assert shown.top + shown.height == len(shown.rows)
        for _ in range(25):
            await keys(pilot, "k")
            top = sum(shown._lines(one) for one in shown.rows[shown.top : shown.cursor + 1])
            assert shown.top <= shown.cursor
            assert top <= shown.tall
        await keys(pilot, "right")
        assert "lines are wrapped" in text(screen.console)

    try:
        drive(script)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_copies_a_field_an_id_or_a_line(logged: Session, admin: Connection) -> None:
    write_lines(admin, [{"actor": "anna", "message": "\x1b[31mred"}])

    async def script(pilot: Pilot[None]) -> None:
        screen = Log(["kind:line"])
        await go(pilot, screen)
        await keys(pilot, "y")
        assert pilot.app.clipboard == str(here(screen).id)
        await keys(pilot, "shift+tab", "y")
        assert pilot.app.clipboard == "\\x1b[31mred"
        await keys(pilot, "Y")
        assert pilot.app.clipboard == "2026-01-01T00:00:00+00:00  anna  line  \\x1b[31mred"

    drive(script)


def test_keys_do_no_harm_where_nothing_fits(many: list[Line]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        screen = Log(["actor:nobody"])
        await go(pilot, screen)
        assert "nothing fits" in text(screen.console)
        for command in screen.commands():
            if not command.keys or command in (Back, Quit):
                continue
            await keys(pilot, command.keys.split(",")[0])
            if pilot.app.screen is not screen:
                await keys(pilot, "escape")
            assert pilot.app.screen is screen, command
            assert "this did not work" not in text(screen.console)
            if command is Undo:
                screen.ask(["actor:nobody"])
                await settled(pilot)

    drive(script, size=(40, 10))


def test_a_key_stops_a_search(many: list[Line]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        screen = Log()
        await go(pilot, screen)
        screen._look_on(Look(Needle("nowhere"), back=True, near=None, count=1, either=False))
        screen.perform(Back)  # before the first answer can have come
        await settled(pilot)
        assert screen.look is None
        assert pilot.app.screen is screen
        assert "stopped" in text(screen.console)

    drive(script)
