"""Approvals on the screen: what waits for me first, of any kind; and keys with their releases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import Connection, Home
from support_approval import Approver, approver, ask, changed, own
from support_erasure import practice
from support_staff import on_record
from support_tui import at_noon, compare, drive, go, keys, new_console, settled, text, typed
from textual.pilot import Pilot

from luactl import approval, erasure
from luactl.db import Session
from luactl.key import person, release
from luactl.ledger import integrate
from luactl.tenant import Tenant, find
from luactl.tui.approval import Approvals, OneApproval
from luactl.tui.erasure_kept import OnePlan
from luactl.tui.key import Keys
from luactl.tui.key_release import Releases
from luactl.tui.notice import Notice

Login = Callable[..., Session]


@pytest.fixture
def tenant(session: Session) -> Tenant:
    practice(at_noon(session))
    integrate(at_noon(session))
    return find(session, "smile")


@pytest.fixture
def own_key(session: Session, home: Home) -> None:
    """Whoever sits at the screen has a registered key."""
    own(at_noon(session), home.paths, "nele")


@pytest.fixture
def colleague(session: Session, login: Login, tmp_path: Path) -> Approver:
    found = approver(at_noon(session), login, tmp_path, "lua_operator", "lua_dpo", name="bea")
    return Approver(at_noon(found.session), found.signer, found.file)


def test_what_waits_for_me_comes_first_and_home_counts_it(
    tenant: Tenant, session: Session, own_key: None, colleague: Approver
) -> None:
    theirs = ask(colleague.session)
    ask(at_noon(session), changed(target="mine"))
    hold = changed(action="hold.release", target="hold", summary="Release a hold of smile")
    ask(colleague.session, hold)

    async def script(pilot: Pilot[None]) -> None:
        assert "2 wait for you: Erase 12 people of smile" in text(console)
        await keys(pilot, "j", "enter")
        screen = pilot.app.screen
        assert isinstance(screen, Approvals)
        states = [row.cells[:2] for row in screen.table.rows]
        assert states == [("for you", "hold.release"), ("for you", "erasure.run"), ("waiting", "erasure.run")]
        assert "Approvals: 2 for you, 1 waiting" in text(console)
        await keys(pilot, "j", "enter")
        assert isinstance(pilot.app.screen, OneApproval)
        assert "20 or 5 %" in text(console)
        await keys(pilot, "minus")
        await typed(pilot, "yes")
        assert "denied: asked by" in text(console)
        await keys(pilot, "escape")
        assert "Approvals: 1 for you, 1 waiting, 1 denied" in text(console)

    console = new_console()
    drive(script, console=console)
    assert approval.find(session, theirs).state == "denied"


def test_a_list_of_approvals_that_was_cut_says_so(
    tenant: Tenant, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for target in ("one", "two"):
        ask(at_noon(session), changed(target=target))

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Approvals())
        assert "Approvals: 2 waiting  " in text(console)
        monkeypatch.setattr("luactl.tui.approval.MOST", 1)
        await keys(pilot, "r")
        assert "Approvals: 1 waiting, and more" in text(console)

    console = new_console()
    drive(script, console=console)


def test_a_request_leads_to_its_plan(
    tenant: Tenant, session: Session, own_key: None, colleague: Approver
) -> None:
    approval.set_rule(at_noon(session), "erasure.run", from_subjects=1)
    people = erasure.everybody(session, tenant)
    asked = erasure.ask(colleague.session, erasure.plan(session, tenant, people, "T-1"))
    assert asked is not None

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, OneApproval(asked.approval_id))
        await keys(pilot, "p")
        assert isinstance(pilot.app.screen, OnePlan)
        await keys(pilot, "escape", "plus")
        await typed(pilot, "yes")
        assert "granted: asked by" in text(console)
        assert "nele granted it 2027-01-05 10:30, signed" in text(console)

    console = new_console()
    drive(script, console=console)


def test_one_that_is_about_no_plan_says_so(tenant: Tenant, session: Session, colleague: Approver) -> None:
    request = ask(colleague.session)

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, OneApproval(request))
        await keys(pilot, "p")
        assert "no plan of it is on record" in text(console)

    console = new_console()
    drive(script, console=console)


def test_a_forged_answer_is_told(
    tenant: Tenant, session: Session, colleague: Approver, admin: Connection
) -> None:
    request = ask(at_noon(session))
    colleague.grant(request)
    admin.execute("UPDATE lua.approval_answer SET note = replace(note, 'granted', 'denied')")

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, OneApproval(request))
        assert "BUT THE SIGNATURE IS NOT GOOD" in text(console)
        assert "broken: asked by" in text(console)

    console = new_console()
    drive(script, console=console)


def test_keys_are_released_taken_back_and_counted(
    tenant: Tenant, admin: Connection, home: Home, login: Login, tmp_path: Path
) -> None:
    nora = login("lua_operator").actor
    on_record(admin, nora)
    pair = person.make(tmp_path / "person.key")
    public = tmp_path / "nora.pub"
    public.write_text(person.public_text(pair.public))

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Keys())
        assert "0 running, 0 expired" in text(console)
        assert "in use since" in text(console)
        await keys(pilot, "l", "plus")
        for answer in ("smile", nora, str(public), "8h", "ticket 12", "main"):
            await typed(pilot, answer)
        assert "open main, special of smile until 2027-01-05 18:30" in text(console)
        await typed(pilot, "yes")
        assert "Releases: 1 running" in text(console)
        await keys(pilot, "escape")
        assert "1 running, 0 expired" in text(console)
        await keys(pilot, "l", "enter")
        assert "ticket 12" in text(console)
        await keys(pilot, "escape", "t")
        assert "no release has expired" in text(console)
        await keys(pilot, "x")
        await typed(pilot, "yes")
        assert "Releases: 1 ended" in text(console)
        await keys(pilot, "x")
        assert "nothing to take back" in text(console)
        await keys(pilot, "escape")
        assert "0 running, 0 expired" in text(console)
        assert "destroyed" in text(console)

    console = new_console()
    drive(script, console=console)


def test_a_release_that_cannot_be_says_why(tenant: Tenant, session: Session, tmp_path: Path) -> None:
    public = tmp_path / "nora.pub"
    public.write_text(person.public_text(person.make(tmp_path / "person.key").public))

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Releases())
        assert "no keys are released to anybody" in text(console)
        await keys(pilot, "plus")
        for answer in ("smile", "nobody", str(public), "8h", "ticket 12", ""):
            await typed(pilot, answer)
        assert isinstance(pilot.app.screen, Notice)
        assert "nobody logs in as 'nobody'" in text(console)

    console = new_console()
    drive(script, console=console)


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_the_screens_look_as_they_should(
    size: tuple[int, int],
    tenant: Tenant,
    session: Session,
    colleague: Approver,
    login: Login,
    admin: Connection,
    tmp_path: Path,
) -> None:
    nora = login("lua_operator").actor
    on_record(admin, nora)
    request = ask(colleague.session, changed(summary="Erase 12 people of smile, and nobody else of them all"))
    ask(at_noon(session), changed(target="mine", action="tenant.terminate", summary="End the tenant smile"))
    pair = person.make(tmp_path / "person.key")
    new = release.NewRelease(
        tenant.tenant_id, nora, pair.public, timedelta(hours=8), "ticket 12", release.PARTS
    )
    release.give(at_noon(session), new)
    erasure.run(
        at_noon(session),
        erasure.plan(session, tenant, erasure.everybody(session, tenant), "T-1"),
        tmp_path,
    )

    async def script(pilot: Pilot[None]) -> None:
        for name, screen in (("approvals", Approvals()), ("approval", OneApproval(request)),
                             ("releases", Releases()), ("keys", Keys())):  # fmt: skip
            await go(pilot, screen)
            await settled(pilot)
            compare(console, name)

    console = new_console()
    console.actor = "nele"
    drive(script, size, console)
