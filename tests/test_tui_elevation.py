"""Roles for a time on the screen: asked for, granted, begun, ended, looked at; home tells of broken glass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from conftest import Connection, Home
from support_approval import Approver, approver, own
from support_elevation import ORDER, add_person, bind
from support_erasure import practice
from support_tui import NOW, at_noon, compare, drive, go, keys, new_console, settled, text, typed
from textual.pilot import Pilot

from luactl.access import elevation
from luactl.approval import ApprovalNeededError, list_
from luactl.config import load_profiles
from luactl.db import Session
from luactl.ledger import integrate
from luactl.tui.approval import OneApproval
from luactl.tui.elevation import Elevations
from luactl.tui.elevation_one import OneElevation

Login = Callable[..., Session]
# As if it had begun at noon of the day that the screen shows, by whomever.
OPENED = """
    INSERT INTO lua.elevation (elevation_id, login, person_id, asked_by, role, of_tenant, reason, begun_at,
                               ends_at, entry_id, ended_at, ended_by, cleared_at)
    SELECT %(id)s, format('lua_e%%s_%%s_000000%%s', d.tenant_id, %(end)s::bigint, left(%(id)s::text, 8)),
           p.person_id, 'mara', %(role)s, d.tenant_id, %(reason)s, to_timestamp(%(end)s - 7200),
           to_timestamp(%(end)s), gen_random_uuid(), CASE WHEN %(ended)s THEN to_timestamp(%(end)s) END,
           CASE WHEN %(ended)s THEN 'x' END, CASE WHEN %(ended)s THEN to_timestamp(%(end)s) END
    FROM lua.person p, lua.tenant_directory d WHERE p.handle = %(person)s AND d.slug = 'smile'"""


@pytest.fixture
def people(session: Session, login: Login, home: Home) -> Session:
    """Whoever sits at the screen, bound; and two others."""
    practice(at_noon(session))
    integrate(at_noon(session))
    bind(session, add_person(session, "nele.kurz", session.actor))
    for handle in ("mara.holt", "otto.lang"):
        add_person(session, handle, login("lua_accounting").actor)
    return session


def leave(
    admin: Connection, person: str, minutes: int, *, ended: bool = False, role: str = "lua_operator"
) -> None:
    """Write an elevation without approval that ends so many minutes after the screen's time."""
    until = int(NOW.timestamp()) + 60 * minutes
    at = {"id": UUID(int=until << 96), "end": until, "ended": ended, "person": person}
    admin.execute(OPENED, {**at, "role": role, "reason": "ticket 4711"})


def test_broken_glass_stands_at_home_and_its_clock_in_every_frame(people: Session, admin: Connection) -> None:
    leave(admin, "mara.holt", 45)
    leave(admin, "otto.lang", -600, ended=True, role="lua_accounting")

    async def script(pilot: Pilot[None]) -> None:
        assert "GLASS BROKEN by mara.holt at smile" in text(console)
        await go(pilot, Elevations())
        rows = [row.cells[:6] for row in pilot.app.screen.table.rows]  # type: ignore[attr-defined]
        assert rows == [
            ("open", "45 min", "mara.holt", "operator", "smile", "GLASS BROKEN: ticket 4711"),
            ("ended", "", "otto.lang", "accounting", "smile", "GLASS BROKEN: ticket 4711"),
        ]
        assert "GLASS BROKEN: mara.holt at smile ends in 45 min" in text(console)
        compare(console, "elevations")
        await keys(pilot, "t")
        assert "Elevations: 1 open, 1 ended" in text(console)
        await keys(pilot, "t", "t", "enter")
        assert isinstance(pilot.app.screen, OneElevation)
        assert "the login did nothing" in text(console)

    console = new_console()
    drive(script, console=console)


def test_a_list_that_was_cut_says_so_and_one_that_was_not_does_not(
    people: Session, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(admin, "mara.holt", 45)
    leave(admin, "otto.lang", -600, ended=True, role="lua_accounting")

    async def script(pilot: Pilot[None]) -> None:
        for most, heading in ((2, "1 open, 1 ended"), (1, "1 open, and more")):
            monkeypatch.setattr("luactl.tui.elevation.MOST", most)
            await go(pilot, screen := Elevations())
            assert screen.heading() == f"Elevations: {heading}"

    drive(script)


def test_asked_for_granted_begun_and_ended_with_keys_alone(
    people: Session, login: Login, home: Home, tmp_path: Path
) -> None:
    anna = approver(at_noon(people), login, tmp_path, "lua_dpo", name="anna.berg")
    anna = Approver(at_noon(anna.session), anna.signer, anna.file)

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Elevations())
        assert "nobody has, or asks for" in text(console)
        await keys(pilot, "b", "x")
        assert "nothing to end" in text(console)
        await keys(pilot, "plus")
        for answer in ("responder", "smile", "2h", "ticket 4711"):
            await typed(pilot, answer)
        assert "waits for somebody else" in text(console)
        assert "Elevations: 1 waiting" in text(console)
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, OneApproval)
        await keys(pilot, "escape")
        (asked,) = list_(people)
        anna.grant(asked.approval_id)
        await keys(pilot, "r", "b")
        await typed(pilot, "yes")
        assert "begun: `luactl --profile test-elevated` enters" in text(console)
        assert "Elevations: 1 open" in text(console)
        assert "test-elevated" in load_profiles(home.paths, home.environ)
        await keys(pilot, "x")
        await typed(pilot, "yes")
        assert "its login are gone" in text(console)

    console = new_console()
    drive(script, console=console)
    assert [one.state for one in elevation.list_(people)] == ["ended"]
    assert "test-elevated" not in load_profiles(home.paths, home.environ)


def test_somebody_elses_request_is_granted_here(
    people: Session, login: Login, home: Home, admin: Connection
) -> None:
    admin.execute("DELETE FROM lua.duty_rule")  # whoever sits here has every role
    own(at_noon(people), home.paths, "nele")
    theirs = login("lua_accounting")
    add_person(people, "bea.roth", theirs.actor)
    with pytest.raises(ApprovalNeededError):
        elevation.elevate(at_noon(theirs), ORDER)

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Elevations())
        await keys(pilot, "enter", "plus")
        await typed(pilot, "yes")
        assert "answered; the request is granted now" in text(console)
        await keys(pilot, "escape")
        assert "Elevations: 1 granted" in text(console)

    console = new_console()
    drive(script, console=console)


def test_glass_is_broken_after_its_tenant_was_typed(people: Session) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Elevations())
        await keys(pilot, "exclamation_mark")
        for answer in ("responder", "smile", "30m", "outage", "yes"):
            await typed(pilot, answer)
        assert "type exactly: smile" in text(console)
        await typed(pilot, "smile")
        assert "begun; told: nobody yet" in text(console)

    console = new_console()
    drive(script, console=console)
    assert [one.breaks_glass for one in elevation.list_(people)] == [True]


def test_what_was_done_is_looked_at_and_signed_off(people: Session, admin: Connection) -> None:
    leave(admin, "mara.holt", -60, ended=True)
    leave(admin, "nele.kurz", -90, ended=True)
    (hers, mine) = elevation.list_(people)

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, OneElevation(hers.elevation_id))
        compare(console, "elevation")
        await keys(pilot, "s")
        await typed(pilot, "as the ticket asked")
        await settled(pilot)
        assert "signed off: 0 entries about 0 people" in text(console)
        assert "mara.holt: lua_operator on smile, signed off" in text(console)
        await keys(pilot, "s")
        assert "nothing to sign off" in text(console)
        await go(pilot, OneElevation(mine.elevation_id))
        await keys(pilot, "s")
        await typed(pilot, "all well")
        assert "another person in force signs it off" in text(console)

    console = new_console()
    drive(script, console=console)
