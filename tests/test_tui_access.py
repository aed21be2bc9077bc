"""Access explored in the terminal UI: from login to object and back, the way drawn, what its cut takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import Connection
from support_staff import hire
from support_tui import at_noon, compare, drive, go, keys, new_console, text, typed
from textual.pilot import Pilot

from luactl import access
from luactl.db import Session
from luactl.ledger import integrate
from luactl.tui.access import Access
from luactl.tui.access_explorer import Explorer, Reachable, Reached, Reaching
from luactl.tui.access_way import OneWay, drawn
from luactl.tui.app import Console
from luactl.tui.place import GoAccess

LOGIN, OTHER = "explored_nele", "explored_otto"
MADE = f"""
CREATE ROLE explored_ward NOLOGIN; CREATE ROLE {LOGIN} LOGIN; CREATE ROLE {OTHER} LOGIN;
CREATE SCHEMA clinic; GRANT USAGE ON SCHEMA clinic TO PUBLIC;
CREATE TABLE clinic.patients (name text); CREATE TABLE clinic.rooms (name text);
GRANT SELECT ON clinic.patients, clinic.rooms TO explored_ward;
GRANT explored_ward TO {LOGIN}; GRANT SELECT ON clinic.patients TO {OTHER}, explored_ward;
"""
GONE = f"DROP OWNED BY explored_ward, {LOGIN}, {OTHER} CASCADE; DROP ROLE explored_ward, {LOGIN}, {OTHER}"


@pytest.fixture
def clinic(session: Session, admin: Connection) -> Iterator[None]:
    """Two logins, one of them somebody's, and a table that they reach; they go again."""
    admin.execute(MADE.encode())
    hire(at_noon(session), "nele.vesper", logins=(LOGIN,))
    integrate(at_noon(session))  # what is of today would wait for other days tomorrow
    yield
    admin.execute(GONE.encode())


def shown(pilot: Pilot[None]) -> Console:
    assert isinstance(pilot.app, Console)
    return pilot.app


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_screens_look_as_they_should(size: tuple[int, int], clinic: None, admin: Connection) -> None:
    is_new = admin.info.server_version >= 160000  # the statement that cuts names the grantor only there

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Explorer())
        await keys(pilot, "f")
        await typed(pilot, "explored_")
        compare(shown(pilot), "access-logins")
        await keys(pilot, "enter")
        compare(shown(pilot), "access-reached")
        await go(pilot, Reaching("clinic.patients"))
        await keys(pilot, "f")
        await typed(pilot, "explored_")
        compare(shown(pilot), "access-reaching")
        await keys(pilot, "enter")
        if is_new:
            compare(shown(pilot), "access-way")

    console = new_console()
    console.actor = "nele"
    drive(script, size, console)


@pytest.mark.long
def test_one_walks_from_a_login_to_an_object_and_back(clinic: None) -> None:
    async def script(pilot: Pilot[None]) -> None:
        app = shown(pilot)
        app.go(GoAccess.open())
        await keys(pilot, "slash")
        await typed(pilot, LOGIN)
        await keys(pilot, "enter")
        screen = app.screen
        assert isinstance(screen, Reached)
        assert screen.command_line() == f"access what {LOGIN}"
        await keys(pilot, "slash")
        await typed(pilot, "clinic.patients")
        await keys(pilot, "w")
        screen = app.screen
        assert isinstance(screen, Reaching)
        assert {row.cells[0] for row in screen.every} >= {LOGIN, OTHER}
        assert ("nele.vesper", "SELECT") in {row.cells[1:3] for row in screen.every}
        await keys(pilot, "slash")
        await typed(pilot, LOGIN)
        await keys(pilot, "t")
        assert isinstance(app.screen, Reached)
        await keys(pilot, "escape", "enter")
        screen = app.screen
        assert isinstance(screen, OneWay)
        lost = {(row.cells[0], row.cells[1]) for row in screen.every}
        assert lost == {(LOGIN, "clinic.patients"), (LOGIN, "clinic.rooms")}
        await keys(pilot, "y")
        assert "REVOKE" in text(app)
        await keys(pilot, "w")
        assert isinstance(app.screen, Reaching)
        await keys(pilot, "escape", "t")
        assert isinstance(app.screen, Reached)

    drive(script)


def test_one_begins_at_either_end(clinic: None) -> None:
    async def script(pilot: Pilot[None]) -> None:
        app = shown(pilot)
        await go(pilot, Explorer())
        await keys(pilot, "o")
        assert isinstance(app.screen, Reachable)
        await keys(pilot, "slash")
        await typed(pilot, "clinic.rooms")
        assert app.screen.command_line() == "access who clinic.rooms"
        await keys(pilot, "enter")
        assert isinstance(app.screen, Reaching)
        assert LOGIN in text(app)
        await keys(pilot, "escape", "l")
        assert isinstance(app.screen, Explorer)
        await keys(pilot, "a")
        assert isinstance(app.screen, Access)

    drive(script)


def test_a_way_is_drawn_step_by_step(session: Session, clinic: None) -> None:
    (way,) = [row for row in access.who(session, "clinic.patients") if row.login == LOGIN]
    assert list(drawn(way)) == [
        "nele.vesper",
        f"└ {LOGIN}",
        "  └ explored_ward",
        "    └ clinic.patients: SELECT, rows: all",
    ]


def test_what_can_be_asked_about_is_listed(session: Session, clinic: None) -> None:
    found = {one.login: one for one in access.logins(session)}
    assert (found[LOGIN].person, found[OTHER].person, found[LOGIN].last_seen) == ("nele.vesper", "", None)
    assert found["postgres"].attributes == ("SUPERUSER",)
    things = {one.asked: one for one in access.objects(session)}
    assert things["crm.contact"].sealed == ("main",)
    assert (things["crm.contact"].rows_secured, things["clinic.rooms"].rows_secured) == (True, False)
    assert things["role:explored_ward"].kind == "role"
    for name in ("clinic.rooms", "role:explored_ward", "schema:clinic", "attribute:BYPASSRLS"):
        assert access.who(session, things[name].asked)
