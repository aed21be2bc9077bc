"""The screens of the terminal UI: what keys do, what is asked and recorded, and how each looks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Connection, Home
from support_erasure import person, practice
from support_tui import NOW, at_noon, compare, drive, go, keys, new_console, settled, text, typed
from textual.pilot import Pilot

from luactl.client import Client
from luactl.clock import FixedClock
from luactl.db import Session
from luactl.errors import UsageError
from luactl.ledger import integrate
from luactl.log import Line
from luactl.tenant import Tenant, find
from luactl.tui.access import Access
from luactl.tui.access_explorer import Explorer
from luactl.tui.app import Console
from luactl.tui.ask import Ask
from luactl.tui.crm import Contacts
from luactl.tui.erasure import Checks
from luactl.tui.erasure_one import OneErasure
from luactl.tui.erasure_plan import Plan
from luactl.tui.erasure_queue import Queue
from luactl.tui.home import Home as HomeScreen
from luactl.tui.log import Log
from luactl.tui.log_entry import Entry
from luactl.tui.notice import Notice
from luactl.tui.palette import CommandPalette
from luactl.tui.retention import Due
from luactl.tui.settings import Settings, read
from luactl.tui.subject import Hits, Subject
from luactl.tui.table import Table
from luactl.tui.tenant import OneTenant, Tenants

SIZES = [(80, 24), (140, 40)]
ACTIONS = (
    "SELECT action, convert_from(body, 'UTF8')::jsonb FROM ledger.entry WHERE tenant_id > 0 ORDER BY at, id"
)


@pytest.fixture
def tenant(session: Session) -> Tenant:
    """A practice with three people, as of the day on which the UI is shown."""
    practice(at_noon(session))
    integrate(at_noon(session))
    return find(session, "smile")


def read_entries(admin: Connection) -> list[dict[str, Any]]:
    return [body for action, body in admin.execute(ACTIONS).fetchall() if action == "read"]


def shown(pilot: Pilot[None]) -> Console:
    assert isinstance(pilot.app, Console)
    return pilot.app


@pytest.mark.parametrize("size", SIZES)
def test_screens_look_as_they_should(
    size: tuple[int, int], tenant: Tenant, session: Session, home: Home
) -> None:
    who = person(replace(session, clock=FixedClock(NOW - timedelta(minutes=30))), tenant)
    line = Line(
        NOW, who, "nele", None, "smile", None, "tenant.suspend", "tenant:smile", None, "done", "6b.1", "::1",
        {"reason": "audit"},
    )  # fmt: skip

    async def script(pilot: Pilot[None]) -> None:
        app = shown(pilot)
        compare(app, "home")
        await keys(pilot, "colon")
        compare(app, "palette")
        await keys(pilot, "escape")
        for name, screen in (("tenants", Tenants()), ("tenant", OneTenant("smile")), ("due", Due()),
                             ("log", Log()), ("entry", Entry(line)), ("plan", Plan(tenant, who, "ticket 1")),
                             ("ask", Contacts(tenant))):  # fmt: skip
            await go(pilot, screen)
            compare(app, name)
        await typed(pilot, "support")
        compare(app, "contacts")
        await keys(pilot, "enter")
        await typed(pilot, "support")
        compare(app, "subject")
        await keys(pilot, "question_mark")
        compare(app, "help")
        await keys(pilot, "escape", "c")
        compare(app, "command")
        await keys(pilot, "escape")
        await go(pilot, Hits(tenant, "nele@praxis.example", "support"))
        compare(app, "hits")
        await go(pilot, Access())
        await keys(pilot, "f")
        await typed(pilot, login)
        compare(app, "access")

    console = new_console()
    login, console.actor = console.actor, "nele"  # a box may cut the header in the middle of a random name
    drive(script, size, console)


def test_walks_from_home_to_a_person_and_records_each_reading(tenant: Tenant, admin: Connection) -> None:
    async def script(pilot: Pilot[None]) -> None:
        before = len(read_entries(admin))
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, Tenants)
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, OneTenant)
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, Ask)
        assert len(read_entries(admin)) == before
        await typed(pilot, "call back")
        assert "Nele Ångström" in text(shown(pilot))
        (reading,) = read_entries(admin)[before:]
        assert reading["purpose"] == "call back"
        assert reading["detail"]["command"] == "tui contacts"
        assert reading["detail"]["count"] == 3
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, Ask)
        assert "crm.interaction" in text(shown(pilot))
        assert "nele@praxis.example" not in text(shown(pilot)).split("Why")[0]
        await typed(pilot, "complaint")
        assert "nele@praxis.example" in text(shown(pilot))
        assert {"call back", "complaint"} <= {one["purpose"] for one in read_entries(admin)}
        await keys(pilot, "escape", "escape", "escape", "escape", "escape")
        assert isinstance(pilot.app.screen, HomeScreen)

    drive(script)


def test_without_a_purpose_nothing_is_opened(tenant: Tenant, admin: Connection, session: Session) -> None:
    who = person(session, tenant)
    before = len(read_entries(admin))

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Contacts(tenant))
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, Ask)
        await keys(pilot, "escape")
        assert isinstance(pilot.app.screen, HomeScreen)
        await go(pilot, Subject(tenant, who))
        await keys(pilot, "escape")
        assert isinstance(pilot.app.screen, Subject)
        assert "crm.interaction" in text(shown(pilot))
        assert "nele@" not in text(shown(pilot))

    drive(script)
    assert len(read_entries(admin)) == before


def test_opens_a_user_of_the_crm_as_any_person(tenant: Tenant, login: Callable[..., Session]) -> None:
    crm, fields = Client(login("lua_app")), {"login": "ada.k", "name": "Ada Krüger"}
    made = crm.add_user(tenant.tenant_id, fields, ["agent"], purpose="rota", on_behalf="user:1")

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Hits(tenant, "krüger", "complaint"))
        await keys(pilot, "enter")
        await typed(pilot, "complaint")
        assert isinstance(pilot.app.screen, Subject)
        assert pilot.app.screen.subject_id == made.subject_id
        there = text(shown(pilot))
        assert not [one for one in ("Ada Krüger", "ada.k", "agent", "crm.app_user") if one not in there]

    drive(script)


def test_erases_only_after_the_slug_was_typed(
    tenant: Tenant, session: Session, home: Home, admin: Connection
) -> None:
    who = person(session, tenant)

    def erased() -> int:
        return len(admin.execute("SELECT FROM lua.erasure").fetchall())

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Subject(tenant, who))
        await keys(pilot, "escape", "x")
        await typed(pilot, "ticket 4711")
        plan = pilot.app.screen
        assert isinstance(plan, Plan)
        assert "is destroyed" in text(shown(pilot))
        await keys(pilot, "x")
        await typed(pilot, "smil")
        assert isinstance(pilot.app.screen, Ask)
        assert "type exactly: smile" in text(shown(pilot))
        await keys(pilot, "escape")
        assert erased() == 0
        await keys(pilot, "x")
        await typed(pilot, "smile")
        assert erased() == 1
        assert plan.state == "erased"
        assert {"epoch committed", "outcome written"} <= set(plan.steps)
        (folder,) = (home.paths.data / "certificates").iterdir()
        assert folder.is_dir()
        await go(pilot, Queue("smile"))
        assert "ticket 4711" in text(shown(pilot))
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, OneErasure)
        await keys(pilot, "e")
        assert isinstance(pilot.app.screen, Checks)
        checks = text(shown(pilot))
        assert "holds" in checks
        assert "broken" not in checks

    drive(script)


def test_nothing_is_left_while_something_is_changed(tenant: Tenant) -> None:
    async def script(pilot: Pilot[None]) -> None:
        app = shown(pilot)
        with app.sessions.lend("tui", change=True):
            await keys(pilot, "q")
            assert app.is_running
            assert "something is being changed" in text(app)
        await pilot.press("q")

    assert drive(script).return_code == 0


def test_search_filter_and_moves_in_a_list(session: Session) -> None:
    for slug in ("alma", "berta", "cilla", "alba"):
        practice(at_noon(session), slug)

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Tenants())
        table = pilot.app.screen.query_one(Table)

        def here() -> str:
            assert table.current is not None
            return str(table.current.key)

        await keys(pilot, "G")
        assert here() == "alba"
        await keys(pilot, "g", "j", "down", "k")
        assert here() == "berta"
        await keys(pilot, "slash")
        await typed(pilot, "AL")
        assert here() == "alba"
        await keys(pilot, "n")
        assert here() == "alma"
        await keys(pilot, "N")
        assert here() == "alba"
        await keys(pilot, "slash")
        await typed(pilot, "zzz")
        assert "not found: zzz" in text(shown(pilot))
        await keys(pilot, "f")
        await typed(pilot, "al -alba")
        assert [row.key for row in table.rows] == ["alma"]
        assert "filter: al -alba" in text(shown(pilot))
        await keys(pilot, "f")
        await typed(pilot, "")
        assert len(table.rows) == 4

    drive(script)


def test_every_screen_shows_the_command_that_does_the_same(tenant: Tenant, session: Session) -> None:
    from support_whole import verbs

    who = person(session, tenant)
    screens = [Tenants(), OneTenant("smile"), Due(), Due("smile"), Access(), Access("smile"), Log(),
               Contacts(tenant), Subject(tenant, who), Hits(tenant, "0301234", "x"), Queue(), Queue("smile"),
               Plan(tenant, who, "a b")]  # fmt: skip
    known = verbs()
    for screen in screens:
        words = screen.command_line().split()
        assert any(" ".join(words[:n]) in known for n in (2, 3)), words
    assert "--instruction 'a b'" in Plan(tenant, who, "a b").command_line()
    assert "0301234" not in Hits(tenant, "0301234", "x").command_line()


def test_copies_to_the_terminal_or_to_a_file(tenant: Tenant, tmp_path: Path) -> None:
    file = tmp_path / "copied"

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Tenants())
        await keys(pilot, "y")

    assert drive(script).clipboard == "smile"
    drive(script, console=new_console(Settings(copy_file=file)))
    assert file.read_text() == "smile\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_keys_are_rebound_by_the_name_of_their_command(tenant: Tenant) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await keys(pilot, "question_mark")
        assert isinstance(pilot.app.screen, HomeScreen)
        await keys(pilot, "f1")
        assert isinstance(pilot.app.screen, Notice)
        assert "f1" in text(shown(pilot))

    drive(script, console=new_console(Settings(keys={"help": "f1"})))
    with pytest.raises(UsageError, match="names no command: halp"):
        new_console(Settings(keys={"halp": "f1"}))


def test_commands_of_screens_that_nobody_opened_yet_are_rebound_too() -> None:
    source = """
from luactl.tui.app import _known_keys
from luactl.tui.settings import Settings

_known_keys(Settings(keys={"withdraw": "f2", "ask-approval": "f3", "confirm": "f4"}))
"""
    subprocess.run([sys.executable, "-c", source], check=True)


def test_settings_say_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    assert read(file) == Settings()
    file.write_text('[tui]\ntheme = "ansi-light"\ncopy_file = "/tmp/x"\nkeys = { search = "ctrl+s" }\n')
    assert read(file) == Settings({"search": "ctrl+s"}, Path("/tmp/x"), "ansi-light")
    for wrong in ('theme = "pink"', 'copy_file = "x"', "keys = 3", "colour = 1"):
        file.write_text(f"[tui]\n{wrong}\n")
        with pytest.raises(UsageError):
            read(file)


def test_the_palette_leads_everywhere(tenant: Tenant) -> None:
    async def script(pilot: Pilot[None]) -> None:
        for name, screen in (("tenants", Tenants), ("access", Explorer), ("retention", Due), ("log", Log)):
            await keys(pilot, "colon")
            assert isinstance(pilot.app.screen, CommandPalette)
            await typed(pilot, name)
            assert isinstance(pilot.app.screen, screen)

    drive(script)


def test_production_is_marked_on_every_screen(tenant: Tenant) -> None:
    console = new_console()
    console.profile = replace(console.profile, production=True)

    async def script(pilot: Pilot[None]) -> None:
        assert " PRODUCTION " in text(console)
        await go(pilot, Tenants())
        assert " PRODUCTION " in text(console)

    drive(script, console=console)


def test_a_failure_says_what_and_what_next(session: Session) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, OneTenant("nobody"))
        assert isinstance(pilot.app.screen, Notice)
        assert "there is no tenant 'nobody'" in text(shown(pilot))
        assert "luactl tenant list" in text(shown(pilot))

    drive(script)


def test_steering_characters_are_shown_as_escapes(session: Session, admin: Connection) -> None:
    practice(at_noon(session))
    admin.execute("UPDATE lua.tenant SET name = E'a\\x1b[31mb\\u202ec'")

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Tenants())
        assert "a\\x1b[31mb\\u202ec" in text(shown(pilot))

    drive(script)


def test_the_log_pauses_on_scroll_and_counts_what_came(tenant: Tenant, session: Session) -> None:
    from luactl.tenant import resume, suspend

    later = replace(session, clock=FixedClock(NOW + timedelta(seconds=1)))

    async def script(pilot: Pilot[None]) -> None:
        screen = Log()
        await go(pilot, screen)
        assert "following" in text(shown(pilot))
        suspend(later, "smile", "audit")
        screen.poll()
        await settled(pilot)
        assert screen.lines.line is not None
        assert screen.lines.line.action == "tenant.suspend"
        await keys(pilot, "k")
        resume(later, "smile")
        screen.poll()
        await settled(pilot)
        assert "paused, +1 new" in text(shown(pilot))
        assert "tenant.resume" not in text(shown(pilot))
        await keys(pilot, "G")
        assert "tenant.resume" in text(shown(pilot))
        assert "following" in text(shown(pilot))
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, Entry)

    drive(script)
