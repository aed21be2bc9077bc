"""Staff in the terminal UI: who is bound and for how long, and one person with all that they have."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import Connection
from support_staff import hire, publish, sign
from support_tui import NOW, at_noon, compare, drive, go, keys, new_console, text
from textual.pilot import Pilot

from luactl import staff
from luactl.clock import FixedClock
from luactl.db import Session
from luactl.ledger import integrate
from luactl.tui.matter import JOBS
from luactl.tui.staff import Member, Staff

SIZES = [(80, 24), (140, 40)]
TODAY = NOW.date()


@pytest.fixture
def noon(session: Session, admin: Connection) -> Session:
    """A small house as of today: one bound for ever, one for a while, one not at all, and a job."""
    admin.execute("UPDATE lua.deployment SET throwaway = true")
    noon = replace(session, clock=FixedClock(NOW))
    started = TODAY - timedelta(days=400)
    hire(noon, "ida.brandt", name="Ida Brandt", started_on=started)
    anna = hire(
        noon, "anna.berger", name="Anna Berger", manager="ida.brandt", bound=False, started_on=started
    )
    sign(noon, anna, signed_on=TODAY - timedelta(days=9), expires_on=TODAY + timedelta(days=12))
    hire(noon, "leo.hofer", name="Leo Hofer", kind="contractor", bound=False, teams=("berlin", "support"))
    hire(noon, "nightly", name="nightly purge", kind="job", manager="anna.berger", logins=("postgres",))
    return noon


@pytest.mark.parametrize("size", SIZES)
def test_the_list_tells_who_is_bound_and_for_how_long(size: tuple[int, int], noon: Session) -> None:
    publish(noon, "desks", TODAY + timedelta(days=3))
    integrate(at_noon(noon))
    console = new_console()
    console.actor = "nele"

    async def script(pilot: Pilot[None]) -> None:
        screen = Staff()
        await go(pilot, screen)
        assert [(row.cells[0], row.cells[3], row.cells[4], row.style) for row in screen.every] == [
            ("anna.berger", "12 days more", "1", "warn"),
            ("ida.brandt", "yes", "1", "warn"),
            ("leo.hofer", "no", "1", "bad"),
            ("nightly", "12 days more", "", "warn"),
        ]
        assert screen.command_line() == "staff show anna.berger"
        compare(console, "staff")
        await keys(pilot, "enter")
        assert isinstance(console.screen, Member)
        rows = [(row.cells[0], row.cells[4], row.style) for row in console.screen.every]
        assert rows == [("undertaking", "12 days more", "warn"), ("policy", "to acknowledge", "warn")]
        compare(console, "staff-one")
        await keys(pilot, "escape", "G", "enter")
        assert "anna.berger" in text(console)
        assert console.screen.command_line() == "staff show nightly"

    drive(script, size, console)


def test_an_empty_register_says_what_to_do(session: Session) -> None:
    console = new_console()

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Staff())
        assert "luactl staff add" in text(console)

    drive(script, console=console)


def test_home_tells_who_must_sign(noon: Session) -> None:
    def matter() -> tuple[str, str]:
        found = JOBS["staff"](noon)
        return found.state, found.style

    assert matter() == ("4 people and jobs; 1 not bound: leo.hofer; first anna.berger, 12 days more", "bad")
    sign(noon, staff.find(noon, "leo.hofer"))
    assert matter() == ("4 people and jobs; first anna.berger, 12 days more", "warn")
    sign(noon, staff.find(noon, "anna.berger"))
    assert matter() == ("4 people and jobs, all bound", "good")
