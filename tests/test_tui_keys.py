"""Every key that a screen's help names works there, and the general ones mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from conftest import Connection
from support_approval import ask
from support_erasure import person, practice
from support_tui import NOW, at_noon, drive, go, keys, new_console, text, typed
from textual.pilot import Pilot

from luactl import access, erasure, promise
from luactl.clock import FixedClock
from luactl.config import find_paths
from luactl.db import Session
from luactl.erasure import Erasure, ErasurePlan
from luactl.log import Line
from luactl.tenant import Tenant, find
from luactl.tui.access import Access
from luactl.tui.access_explorer import Explorer, Reachable, Reached, Reaching
from luactl.tui.access_way import OneWay
from luactl.tui.answering import Deny, Grant
from luactl.tui.approval import Approvals, OneApproval
from luactl.tui.ask import Ask
from luactl.tui.certificate import Certificate
from luactl.tui.command import GENERAL, Command, Copy, Palette, Quit
from luactl.tui.crm import Contacts
from luactl.tui.elevation import Elevations
from luactl.tui.elevation_one import OneElevation
from luactl.tui.erasure_kept import OnePlan
from luactl.tui.erasure_one import OneErasure
from luactl.tui.erasure_plan import Plan
from luactl.tui.erasure_queue import Queue
from luactl.tui.frame import Frame
from luactl.tui.home import Home
from luactl.tui.key import Keys
from luactl.tui.key_release import Releases
from luactl.tui.ledger import Ledger
from luactl.tui.log import Log
from luactl.tui.log_actor import Doings
from luactl.tui.log_entry import Entry
from luactl.tui.notice import Notice
from luactl.tui.palette import CommandPalette
from luactl.tui.promise import Wall
from luactl.tui.promise_one import OnePromise
from luactl.tui.proving import Prove
from luactl.tui.request import Requests
from luactl.tui.retention import Due
from luactl.tui.retention_purge import Purge
from luactl.tui.review import Reviews
from luactl.tui.review_items import Items
from luactl.tui.staff import Member, Staff
from luactl.tui.subject import Hits, Subject
from luactl.tui.tenant import OneTenant, Tenants
from luactl.tui.unfinished import Unfinished

Make = Callable[[Session, Tenant], Frame]
LINE = Line(
    NOW, UUID(int=7), "nele", None, "smile", None, "tenant.suspend", None, None, "done", "6b.1", "::1", {}
)
SCREENS: dict[str, Make] = {
    "home": lambda s, t: Home(),
    "tenants": lambda s, t: Tenants(),
    "tenant": lambda s, t: OneTenant("smile"),
    "contacts": lambda s, t: Contacts(t),
    "hits": lambda s, t: Hits(t, "Bruno", "a call"),
    "subject": lambda s, t: Subject(t, person(s, t)),
    "plan": lambda s, t: Plan(t, person(s, t), "ticket 1"),
    "erasures": lambda s, t: Queue(),
    "kept": lambda s, t: OnePlan(erasure.keep(s, planned(s, t)).plan_id),
    "erasure": lambda s, t: OneErasure(erased(s, t).erasure_id),
    "certificate": lambda s, t: Certificate(erased(s, t), find_paths().certificates),
    "approvals": lambda s, t: Approvals(),
    "approval": lambda s, t: OneApproval(ask(s)),
    "releases": lambda s, t: Releases(),
    "due": lambda s, t: Due(),
    "purge": lambda s, t: Purge("smile"),
    "unfinished": lambda s, t: Unfinished(),
    "requests": lambda s, t: Requests(),
    "wall": lambda s, t: Wall(),
    "promise": lambda s, t: OnePromise(promise.standings(s, promise.load())[0], None),
    "access": lambda s, t: Access(),
    "elevations": lambda s, t: Elevations(),
    "reviews": lambda s, t: Reviews(),
    "logins": lambda s, t: Explorer(),
    "objects": lambda s, t: Reachable(),
    "reached": lambda s, t: Reached(s.actor),
    "reaching": lambda s, t: Reaching("crm.contact"),
    "way": lambda s, t: OneWay(access.who(s, "crm.contact")[0]),
    "log": lambda s, t: Log(),
    "entry": lambda s, t: Entry(LINE),
    "doings": lambda s, t: Doings(s.actor, NOW - timedelta(days=1)),
    "ledger": lambda s, t: Ledger(),
    "keys": lambda s, t: Keys(),
}


def planned(s: Session, t: Tenant) -> ErasurePlan:
    return erasure.plan(s, t, person(s, t), "ticket 1")


def erased(s: Session, t: Tenant) -> Erasure:
    """Return the one erasure of one person, made at the first call."""
    found = erasure.list_(s, t)
    if not found:
        erasure.run(s, planned(s, t), find_paths().certificates)
    return erasure.list_(s, t)[0]


@pytest.fixture
def noon(session: Session) -> Session:
    practice(at_noon(session))
    return replace(session, clock=FixedClock(NOW - timedelta(minutes=30)))


def handled(screen: Frame) -> set[type[Command]]:
    return {
        message
        for kind in type(screen).__mro__
        for message in getattr(kind, "_decorated_handlers", {})
        if issubclass(message, Command)
    }


async def opened(pilot: Pilot[None], screen: Frame) -> None:
    await go(pilot, screen)
    if isinstance(pilot.app.screen, Ask):
        await typed(pilot, "a call")
    assert pilot.app.screen is screen or isinstance(screen, Home)


def test_no_screen_is_forgotten() -> None:
    known, todo = set[type[Frame]](), [Frame]
    while todo:
        for one in todo.pop().__subclasses__():
            known.add(one)
            todo.append(one)
    assert {OneElevation, Items, Staff, Member}  # opened from their lists, by name
    parts = {"Proving", "Checks", "ByState", "Erasing", "Answering", "Pages"}
    parts |= {"Narrowing", "Seeking", "Brushing", "Viewing", "Marking", "Ways"}
    assert {one.__name__ for one in known} - parts == {
        "Home", "Tenants", "OneTenant", "Contacts", "Hits", "Subject", "Plan", "Queue", "OnePlan",
        "OneErasure", "Certificate", "Approvals", "OneApproval", "Releases", "Due", "Purge", "Unfinished",
        "Requests", "Wall", "OnePromise", "Access", "Log", "Entry", "Doings", "Ledger", "Keys",
        "Elevations", "OneElevation", "Reviews", "Items",
        "Staff", "Member", "Explorer", "Reachable", "Reached", "Reaching", "OneWay",
    }  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", SCREENS)
def test_every_key_of_the_help_works(name: str, noon: Session, admin: Connection) -> None:
    tenant = find(noon, "smile")
    console = new_console()

    async def script(pilot: Pilot[None]) -> None:
        screen = SCREENS[name](noon, tenant)
        await opened(pilot, screen)
        screen = pilot.app.screen  # type: ignore[assignment]
        assert {one for one in screen.commands() if one in (*GENERAL, *screen.ACTIONS)} <= handled(screen)
        for command in screen.commands():
            if not command.keys or command in (Quit, Prove, Grant, Deny):
                continue
            for key in command.keys.split(","):
                await keys(pilot, key)
                assert "this did not work" not in text(console), (command, key)
                while pilot.app.screen is not screen and len(pilot.app.screen_stack) > 1:
                    await keys(pilot, "escape")
                if pilot.app.screen is not screen:
                    await opened(pilot, screen := SCREENS[name](noon, tenant))
                    screen = pilot.app.screen  # type: ignore[assignment]
        for key, modal in (("question_mark", Notice), ("colon", CommandPalette)):
            await keys(pilot, key)
            assert isinstance(pilot.app.screen, modal)
            await keys(pilot, "escape")
            assert pilot.app.screen is screen
        assert Copy in screen.commands()
        assert Palette in screen.commands()
        await pilot.press("q")

    assert drive(script, console=console).return_code == 0
    before = 1 if name in ("erasure", "certificate") else 0
    assert admin.execute("SELECT count(*) FROM lua.erasure").fetchone() == (before,)
    assert admin.execute("SELECT count(*) FROM lua.approval_answer").fetchone() == (0,)
    assert admin.execute("SELECT count(*) FROM lua.purge").fetchone() == (0,)


def test_a_long_text_is_read_with_the_same_keys(noon: Session) -> None:
    console = new_console()

    async def script(pilot: Pilot[None]) -> None:
        await keys(pilot, "question_mark")
        assert "leave luactl" not in text(console)
        await keys(pilot, "G")
        assert "leave luactl" in text(console)
        await keys(pilot, "g", "space")
        assert "leave luactl" in text(console)
        await keys(pilot, "b")
        assert "What needs you" in text(console)

    drive(script, console=console)
