"""A purge from the screen: the plan shown is what runs, after a confirmation; and what needs somebody."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest
from conftest import Connection, Home
from support_erasure import counts, person, practice, run_killed
from support_tui import at_noon, compare, drive, go, keys, new_console, settled, text, typed
from textual.pilot import Pilot

from luactl import retention
from luactl.db import Session
from luactl.ledger import integrate
from luactl.tenant import Tenant, find
from luactl.tui.ask import Ask
from luactl.tui.erasure_one import OneErasure
from luactl.tui.key import Keys
from luactl.tui.ledger import Ledger
from luactl.tui.notice import Notice
from luactl.tui.retention import Due
from luactl.tui.retention_purge import Purge
from luactl.tui.unfinished import Unfinished


@pytest.fixture
def tenant(session: Session) -> Tenant:
    practice(at_noon(session))
    integrate(at_noon(session))
    return find(session, "smile")


def test_purges_after_yes_and_not_before(tenant: Tenant, admin: Connection) -> None:
    before = counts(admin)

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Due())
        await keys(pilot, "x")
        screen = pilot.app.screen
        assert isinstance(screen, Purge)
        assert screen.plan is not None
        assert "is destroyed" in text(console)
        await keys(pilot, "x")
        assert isinstance(pilot.app.screen, Ask)
        await typed(pilot, "no")
        assert "type exactly: yes" in text(console)
        await keys(pilot, "escape")
        assert counts(admin) == before
        await keys(pilot, "x")
        await typed(pilot, "yes")
        assert screen.state == "done"
        assert "2 interactions, 2 invoices, 2 lines" in text(console)
        after = counts(admin)
        assert before["crm.interaction"] - after["crm.interaction"] == 2
        await keys(pilot, "x")
        assert "there is nothing to purge" in text(console)
        await keys(pilot, "escape", "r")
        assert "nothing is due" in text(console)

    console = new_console()
    drive(script, console=console)


def test_the_plan_that_is_shown_is_the_one_that_runs(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    real = retention.purge

    def purge(session: Session, plan: Any, *arguments: Any, **options: Any) -> Any:
        ran.append(plan)
        return real(session, plan, *arguments, **options)

    monkeypatch.setattr(retention, "purge", purge)

    async def script(pilot: Pilot[None]) -> None:
        screen = Purge("smile")
        await go(pilot, screen)
        shown = screen.plan
        await keys(pilot, "x")
        await typed(pilot, "yes")
        assert ran[0] is shown

    drive(script)
    assert len(ran) == 1


@pytest.mark.parametrize(("slug", "word"), [("smile", "smile"), (None, "test")])
def test_on_production_the_name_is_typed(
    tenant: Tenant, admin: Connection, slug: str | None, word: str
) -> None:
    console, before = new_console(), counts(admin)
    console.profile = replace(console.profile, production=True)

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Purge(slug))
        await keys(pilot, "x")
        await typed(pilot, "yes")
        assert f"type exactly: {word}" in text(console)
        assert counts(admin) == before
        await typed(pilot, word)
        assert counts(admin) != before

    drive(script, console=console)


def test_a_plan_that_is_out_of_date_is_not_carried_out(tenant: Tenant, session: Session) -> None:
    async def script(pilot: Pilot[None]) -> None:
        screen = Purge("smile")
        await go(pilot, screen)
        retention.set_rule(session, tenant, "interaction", 1200)
        await keys(pilot, "x")
        await typed(pilot, "yes")
        assert isinstance(pilot.app.screen, Notice)
        assert "changed since the plan" in text(console)
        await keys(pilot, "escape", "x")
        assert "there is nothing to purge" in text(console)
        await keys(pilot, "r")
        assert screen.plan is not None
        assert [one.retention_class for one in screen.plan.periods] == ["invoice"]

    console = new_console()
    drive(script, console=console)


def test_what_was_cut_short_is_listed_and_leads_to_where_it_ends(
    tenant: Tenant, session: Session, home: Home
) -> None:
    assert run_killed("epoch committed", "purge") != 0

    async def script(pilot: Pilot[None]) -> None:
        await settled(pilot)
        await keys(pilot, "j", "j", "j", "j", "enter")
        assert isinstance(pilot.app.screen, Unfinished)
        assert pilot.app.screen.command_line() == "retention purge --tenant smile"
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, Due)
        await keys(pilot, "x", "x")
        await typed(pilot, "yes")
        assert "1 earlier purge, cut" in text(console)

    console = new_console()
    drive(script, console=console)


def test_an_erasure_that_was_cut_short_leads_to_where_it_goes_on(
    tenant: Tenant, session: Session, home: Home
) -> None:
    assert run_killed("epoch committed", "erase", "smile", str(person(session, tenant)), str(home.path)) != 0

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Unfinished())
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, OneErasure)
        await keys(pilot, "x")
        await typed(pilot, "smile")
        await keys(pilot, "escape")
        assert isinstance(pilot.app.screen, Unfinished)
        assert "nothing was cut short" in text(console)

    console = new_console()
    drive(script, console=console)


def test_keys_that_need_somebody_say_so(tenant: Tenant, home: Home) -> None:
    shutil.rmtree(home.profile.books[0])

    async def script(pilot: Pilot[None]) -> None:
        await settled(pilot)
        assert "unfinished at epoch 1" in text(console)
        await go(pilot, Keys())
        assert "luactl key recover" in text(console)

    console = new_console()
    drive(script, console=console)


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_the_screens_look_as_they_should(
    size: tuple[int, int], tenant: Tenant, session: Session, home: Home
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        for name, screen in (("ledger", Ledger()), ("unfinished", Unfinished()),
                             ("purge", Purge("smile"))):  # fmt: skip
            await go(pilot, screen)
            compare(console, name)
        await keys(pilot, "x")
        compare(console, "purge-confirm")
        await typed(pilot, "yes")
        compare(console, "purge-done")

    console = new_console()
    console.actor = "nele"
    drive(script, size, console)
