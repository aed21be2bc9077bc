"""The promise wall: states from the last proof or a new one, never kept by default, and stopped at will."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from conftest import Connection
from support_erasure import practice
from support_tui import NOW, at_noon, compare, drive, go, keys, new_console, settled, text
from support_whole import luactl
from textual.pilot import Pilot

from luactl import promise
from luactl.clock import FixedClock
from luactl.db import Session
from luactl.ledger import integrate
from luactl.tui.promise import UNPROVEN, Wall
from luactl.tui.promise_one import OnePromise
from luactl.tui.proving import Stop

PAGE = promise.load()
PROOFS = "SELECT count(*) FROM ledger.entry WHERE action = 'promise.prove'"


def states(wall: Wall) -> dict[str, str]:
    return {str(row.key): row.cells[1] for row in wall.every}


def test_what_nobody_proved_is_not_kept(session: Session) -> None:
    practice(at_noon(session))

    async def script(pilot: Pilot[None]) -> None:
        wall = Wall()
        await go(pilot, wall)
        assert set(states(wall).values()) == {UNPROVEN}
        assert len(wall.every) == len(PAGE.clauses)

    drive(script)


def test_states_come_from_the_newest_proof_that_has_them(session: Session) -> None:
    practice(session)
    at = [replace(session, clock=FixedClock(NOW + timedelta(hours=n))) for n in range(5)]
    promise.prove(at[0], PAGE, PAGE.chosen(["1.6", "10.1"]))
    promise.prove(at[1], replace(PAGE, name="Kolibri"), PAGE.chosen(["1.1"]))
    promise.waive(at[1], PAGE, PAGE.clause("10.1"), "mending", NOW + timedelta(hours=3))
    found = {one.id: one for one in promise.standings(at[2], PAGE)}
    assert (found["1.6"].state, found["1.6"].at) == ("kept", NOW)
    assert found["10.1"].state == "waived"
    assert found["1.1"].state is None
    promise.prove(at[2], PAGE, PAGE.chosen(["10.1"]))
    found = {one.id: one for one in promise.standings(at[2], PAGE)}
    assert (found["10.1"].state, found["10.1"].at) == ("waived", at[2].clock.now())
    after = {one.id: one for one in promise.standings(at[4], PAGE)}
    assert (after["10.1"].state, after["10.1"].waiver) == (None, None)


def test_an_operator_sees_only_his_own_proofs(session: Session, login: Callable[..., Session]) -> None:
    practice(session)
    promise.prove(session, PAGE, PAGE.chosen(["1.6"]))
    for role, state in (("lua_auditor", "kept"), ("lua_operator", None)):
        found = {one.id: one.state for one in promise.standings(login(role), PAGE)}
        assert found["1.6"] == state


def test_the_command_lists_the_last_states(session: Session) -> None:
    practice(session)
    done = luactl("promise", "status", "-o", "json")
    assert done.code == 0
    assert {one["state"] for one in done.data} == {None}
    promise.prove(session, PAGE, PAGE.chosen(["10.1", "1.6"]))
    done = luactl("promise", "status", "-o", "json")
    assert done.code == 6
    assert {one["id"]: one["state"] for one in done.data if one["state"]} == {"1.6": "kept", "10.1": "broken"}
    assert set(done.data[0]) == {"id", "promise", "state", "at", "proven_by", "entry_id", "waiver"}


def test_proves_what_the_filter_leaves_and_shows_the_evidence(session: Session, admin: Connection) -> None:
    practice(at_noon(session))
    promise.waive(at_noon(session), PAGE, PAGE.clause("8.1"), "audit", NOW + timedelta(days=40))

    async def script(pilot: Pilot[None]) -> None:
        wall = Wall()
        await go(pilot, wall)
        wall.words = "kept only"
        wall.load()
        await settled(pilot)
        assert [row.key for row in wall.table.rows] == ["10.1"]
        await keys(pilot, "p")
        assert states(wall)["10.1"] == "broken"
        assert set(states(wall).values()) == {"broken", UNPROVEN}
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, OnePromise)
        assert "10.1" in text(console)
        assert " broken " in text(console)
        await keys(pilot, "escape", "t", "t")
        assert wall.table.rows == []
        await keys(pilot, "t")
        wall.words = ""
        wall.load()
        await settled(pilot)
        await keys(pilot, "t")
        assert [row.key for row in wall.table.rows] == ["10.1"]
        await keys(pilot, "enter", "p")
        assert console.screen.query_one("#said").text == " 1 broken"  # type: ignore[attr-defined]

    console = new_console()
    drive(script, console=console)
    assert admin.execute(PROOFS).fetchone() == (2,)


def test_a_run_that_is_stopped_records_nothing(
    session: Session, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice(at_noon(session))
    asked: list[Any] = []

    def endless(session: Session, page: promise.Page, look: promise.Look) -> None:
        asked.append(session.conn.execute("SELECT pg_sleep(600)"))

    monkeypatch.setattr("luactl.promise.probes.load", lambda name: endless)

    async def script(pilot: Pilot[None]) -> None:
        wall = Wall()
        await go(pilot, wall)
        await pilot.press("p")
        while admin.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'").rowcount == 0:
            await pilot.pause()
        assert "proving" in wall.heading()
        wall.perform(Stop)
        await settled(pilot)
        assert "nothing of it was recorded" in text(console)
        assert "proving" not in wall.heading()

    console = new_console()
    drive(script, console=console)
    assert asked == []
    assert admin.execute(PROOFS).fetchone() == (0,)
    assert admin.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'").rowcount == 0


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_the_wall_looks_as_it_should(size: tuple[int, int], session: Session) -> None:
    noon = at_noon(session)
    integrate(noon)
    practice(noon)
    promise.waive(noon, PAGE, PAGE.clause("8.1"), "audit in spring", NOW + timedelta(days=40))
    promise.prove(noon, PAGE, PAGE.chosen(["1.1", "1.6", "4.1", "8.1", "10.1"]))

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Wall())
        await keys(pilot, "j", "j")
        compare(console, "wall")
        await go(pilot, OnePromise({one.id: one for one in promise.standings(noon, PAGE)}["8.1"], None))
        compare(console, "promise")
        await keys(pilot, "p")
        compare(console, "promise-proven")

    console = new_console()
    console.actor = "nele"
    drive(script, size, console)
