"""Requests in the terminal UI: the line at home, the clock in the strip, the list, and how they look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support_erasure import person, practice
from support_hold import put
from support_tui import NOW, at_noon, compare, drive, go, keys, new_console, text
from textual.pilot import Pilot

from luactl import request
from luactl.clock import FixedClock
from luactl.db import Session
from luactl.ledger import integrate
from luactl.tenant import Tenant
from luactl.tui.deadline import SOURCES
from luactl.tui.matter import JOBS
from luactl.tui.request import Requests
from luactl.tui.tenant import OneTenant

SIZES = [(80, 24), (140, 40)]


@pytest.fixture
def noon(session: Session) -> Session:
    """Half an hour before the UI is shown: three requests, one late, one soon due, one held."""
    practice(at_noon(session))
    return replace(session, clock=FixedClock(NOW - timedelta(minutes=30)))


def ask(noon: Session, right: str, reference: str, days: int, number: str | None = None) -> request.Request:
    tenant = _tenant(noon)
    new = request.prepare(noon, right, reference, received_at=NOW - timedelta(days=days))
    made = request.add(noon, tenant, new)
    assert isinstance(made, request.Request)
    return made if number is None else request.identify(noon, made, person(noon, tenant, number), "card")


def _tenant(noon: Session) -> Tenant:
    from luactl.tenant import find

    return find(noon, "smile")


def matter(noon: Session) -> tuple[str, str]:
    found = JOBS["requests"](replace(noon, clock=FixedClock(NOW)))
    return found.state, found.style


def clock(noon: Session) -> list[str]:
    return [one.text(NOW) for one in SOURCES["requests"](replace(noon, clock=FixedClock(NOW)))]


def test_home_and_strip_tell_what_is_due_first(noon: Session) -> None:
    assert matter(noon) == ("no request of a data subject is open", "good")
    assert clock(noon) == []
    later = ask(noon, "access", "T-1", 10)
    assert matter(noon) == (f"1 open; first access at smile, due {later.due_on}", "")
    assert clock(noon) == ["access request at smile due in 21 d"]
    soon = ask(noon, "erasure", "T-2", 28)
    assert matter(noon) == (f"2 open; first erasure at smile, due {soon.due_on}", "warn")
    late = ask(noon, "objection", "T-3", 40)
    assert matter(noon) == (f"3 open, 1 overdue; first objection at smile, due {late.due_on}", "bad")
    assert clock(noon) == ["objection request at smile due 7 d ago"]
    for one in (soon, late):
        request.close(noon, one, "answered", "letter")
    assert matter(noon)[1] == ""


@pytest.mark.parametrize("size", SIZES)
def test_the_list_tells_what_each_waits_for(size: tuple[int, int], noon: Session) -> None:
    integrate(at_noon(noon))
    ask(noon, "access", "T-1", 10, "2")
    ask(noon, "erasure", "T-2", 28, "1")
    late = ask(noon, "objection", "T-3", 40)
    put(at_noon(noon), _tenant(noon), person(noon, _tenant(noon), "1"))
    console = new_console()
    console.actor = "nele"

    async def script(pilot: Pilot[None]) -> None:
        screen = Requests()
        await go(pilot, screen)
        assert [(row.cells[2], row.cells[4], row.style) for row in screen.every] == [
            ("objection", "who it is", "bad"),
            ("erasure", "a legal hold", "warn"),
            ("access", "the answer", ""),
        ]
        assert screen.command_line() == f"request show {late.request_id}"
        compare(console, "requests")
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, OneTenant)
        assert "3 open, 1 overdue" in text(console)
        await keys(pilot, "escape", "escape")
        assert "3 open, 1 overdue; first objection at smile" in text(console)

    drive(script, size, console)


def test_an_empty_list_says_so(noon: Session) -> None:
    console = new_console()

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Requests())
        assert "no request is open" in text(console)

    drive(script, console=console)
