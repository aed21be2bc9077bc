"""Clocks: how spans are told, which ones run, and the strip that shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from conftest import Connection, Home
from hypothesis import given
from hypothesis import strategies as st
from support_approval import approver
from support_approval import ask as approval_of
from support_erasure import person, practice, run_killed
from support_tui import NOW, at_noon, drive, go, keys, new_console, settled, text
from textual.pilot import Pilot

from luactl import approval, promise
from luactl.clock import FixedClock
from luactl.db import Session
from luactl.errors import RefusedError
from luactl.ledger import integrate
from luactl.retention import outlook, plan
from luactl.tenant import list_
from luactl.tui.clocks import Clocks, strip
from luactl.tui.deadline import DAY, HOUR, SOURCES, Deadline, span
from luactl.tui.matter import JOBS
from luactl.tui.tenant import Tenants

PAGE = promise.load()
SPANS = [
    (timedelta(seconds=59), "<1 min"), (timedelta(minutes=119, seconds=59), "119 min"),
    (timedelta(hours=2), "2 h"), (timedelta(hours=72), "72 h"), (timedelta(hours=96), "4 d"),
    (timedelta(days=31), "31 d"),
]  # fmt: skip


@pytest.mark.parametrize(("time", "told"), SPANS)
def test_a_span_is_told_in_one_unit(time: timedelta, told: str) -> None:
    assert span(time) == told


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=4000)))
def test_a_span_is_never_told_longer_than_it_is(time: timedelta) -> None:
    told = span(time)
    number, unit = ("0", "min") if told == "<1 min" else told.replace(",", "").split()
    size = {"min": timedelta(minutes=1), "h": HOUR, "d": DAY}[unit]
    assert int(number) * size <= time < (int(number) + 1) * size


def test_a_clock_warns_before_and_is_bad_after() -> None:
    down = Deadline("report due", NOW, 24 * HOUR)
    assert [down.style(NOW - left) for left in (2 * DAY, HOUR, timedelta())] == ["", "warn", "bad"]
    assert down.text(NOW - 72 * HOUR) == "report due in 72 h"
    assert down.text(NOW + HOUR) == "report due 60 min ago"
    up = Deadline("ledger waits", NOW, HOUR, up=True)
    assert [up.style(NOW + passed) for passed in (timedelta(), HOUR)] == ["", "bad"]
    assert up.text(NOW + 3 * HOUR) == "ledger waits for 3 h"


@given(st.integers(20, 200), st.lists(st.integers(-100, 100), max_size=12), st.booleans())
def test_the_strip_shows_the_most_urgent_and_counts_the_rest(width: int, days: list[int], dark: bool) -> None:
    clocks = [Deadline(f"timer {day}", NOW + day * DAY, DAY) for day in days]
    line = strip(clocks, ["ledger"] if dark else [], NOW, width)
    assert line.cell_len <= width
    shown = line.plain.count("timer ") + line.plain.count("unknown")
    hidden = int(line.plain.rpartition("+")[2]) if "+" in line.plain else 0
    assert shown + hidden == len(days) + dark
    if not days and not dark:
        assert line.plain == " no clock runs"
    if days:
        assert line.plain.startswith(f" timer {min(days)}")


def ask(session: Session) -> dict[str, list[str]]:
    now = session.clock.now()
    return {name: [one.text(now) for one in source(session)] for name, source in SOURCES.items()}


def test_nothing_runs_where_nothing_is(session: Session) -> None:
    integrate(session)
    assert ask(session) == {name: [] for name in SOURCES}


def test_every_clock_runs_from_what_the_database_knows(session: Session, home: Home) -> None:
    noon = at_noon(session)
    integrate(noon)
    tenant = practice(noon)
    fixed = replace(session, clock=FixedClock(NOW))
    assert ask(fixed)["ledger"] == ["ledger waits for 59 min"]
    first = min(one.due_at for one in plan(fixed, [tenant]).periods)
    assert ask(fixed)["retention"] == [f"purge due for {span(NOW - first)}"]
    promise.waive(noon, PAGE, PAGE.clause("3.1"), "mending", NOW + 3 * DAY + HOUR)
    assert ask(fixed)["waivers"] == ["waiver of 3.1 ends in 73 h"]
    assert run_killed("epoch committed", "erase", "smile", str(person(session, tenant)), str(home.path)) != 0
    assert ask(session)["unfinished"] == ["erasure cut short for <1 min"]


def test_a_request_for_approval_runs_out(
    session: Session, login: Callable[..., Session], tmp_path: Path
) -> None:
    operator = replace(login("lua_operator"), clock=FixedClock(NOW))
    anna = approver(session, login, tmp_path, "lua_dpo")
    request = approval_of(operator)
    left = approval.find(operator, request).expires_at - NOW
    fixed = replace(session, clock=FixedClock(NOW))
    assert ask(fixed)["approvals"] == [f"approval of erasure.run waiting, ends in {span(left)}"]
    anna.deny(request)
    assert ask(fixed)["approvals"] == []


def test_the_outlook_agrees_with_the_plan(session: Session) -> None:
    for slug in ("smile", "grin"):
        practice(session, slug)
    for at in (NOW, datetime(2017, 1, 1, tzinfo=NOW.tzinfo), datetime(2049, 1, 1, tzinfo=NOW.tzinfo)):
        then = replace(session, clock=FixedClock(at))
        due = {
            (slug, one.retention_class, one.period, one.due_at)
            for one in outlook(then)
            if one.due_at <= at
            for slug in one.slugs
        }
        planned = plan(then, list_(then)).periods
        assert due == {(one.tenant, one.retention_class, one.period, one.due_at) for one in planned}
    every = outlook(session)
    assert list(every) == sorted(every, key=lambda one: one.due_at)
    assert {one.tenants for one in every} == {2}


def test_the_strip_is_on_every_screen_and_drawn_only_when_it_says_something_else(session: Session) -> None:
    integrate(session)
    practice(at_noon(session))

    async def script(pilot: Pilot[None]) -> None:
        await settled(pilot)
        assert "ledger waits for 59 min" in text(console)
        await go(pilot, Tenants())
        assert "ledger waits for 59 min" in text(console)
        console.clock = FixedClock(NOW + timedelta(seconds=70))
        console.tick()
        clocks = pilot.app.screen.query_one(Clocks)
        drawn: list[object] = []
        clocks.update = lambda line, **_: drawn.append(line)  # type: ignore[method-assign, assignment]
        console.clock = FixedClock(NOW + timedelta(seconds=75))
        console.tick()
        assert drawn == []
        console.clock = FixedClock(NOW + timedelta(hours=3))
        console.tick()
        assert len(drawn) == 1

    console = new_console()
    drive(script, console=console)


def test_a_clock_that_cannot_be_read_says_so(session: Session, admin: Connection, tmp_path: Path) -> None:
    practice(at_noon(session))
    admin.execute("REVOKE EXECUTE ON FUNCTION lua.periods(integer[], text[]) FROM lua_admin, lua_operator,"
                  " lua_responder, lua_auditor, lua_dpo")  # fmt: skip
    console = new_console()

    async def script(pilot: Pilot[None]) -> None:
        await settled(pilot)
        assert "retention: unknown" in text(console)
        assert "ledger waits" in text(console)
        assert "you have no right to do this" in text(console)
        assert isinstance(console.refused["retention"], RefusedError)
        await keys(pilot, *["j"] * list(JOBS).index("retention"), "enter")
        assert "docs/reference/roles.md" in text(console)
        await keys(pilot, "escape")
        admin.execute("GRANT EXECUTE ON FUNCTION lua.periods(integer[], text[]) TO lua_admin")
        await go(pilot, Tenants())
        await keys(pilot, "escape")
        assert "you have no right to do this" in text(console)
        await keys(pilot, "r")
        await settled(pilot)
        assert "you have no right to do this" not in text(console)
        assert "unknown" not in text(console)

    drive(script, console=console)
