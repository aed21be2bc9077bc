"""The queue of erasures on the screen: plan, ask, answer, run, stop, go on, certificate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from conftest import Connection, Home
from support_approval import Approver, approver, own
from support_erasure import counts, person, practice, run_killed
from support_tui import at_noon, compare, drive, go, keys, new_console, settled, text, typed
from textual.pilot import Pilot

from luactl import approval, crm, erasure, hold
from luactl.db import Session
from luactl.erasure import KeptPlan
from luactl.ledger import integrate
from luactl.tenant import Tenant, find
from luactl.tui.certificate import Certificate
from luactl.tui.erasure import Checks
from luactl.tui.erasure_kept import OnePlan
from luactl.tui.erasure_one import OneErasure
from luactl.tui.erasure_plan import Plan
from luactl.tui.erasure_queue import Queue
from luactl.tui.notice import Notice
from luactl.tui.table import Table

Login = Callable[..., Session]


@pytest.fixture
def tenant(session: Session) -> Tenant:
    practice(at_noon(session))
    integrate(at_noon(session))
    return find(session, "smile")


@pytest.fixture
def anna(session: Session, login: Login, tmp_path: Path) -> Approver:
    """Somebody who approves what one person's erasure needs from now on."""
    noon = at_noon(session)
    approval.set_rule(noon, "erasure.run", from_subjects=1)
    found = approver(noon, login, tmp_path, "lua_dpo")
    return Approver(at_noon(found.session), found.signer, found.file)


def keep(session: Session, tenant: Tenant, *numbers: str) -> KeptPlan:
    people = [person(session, tenant, number) for number in numbers]
    return erasure.keep(at_noon(session), erasure.plan(session, tenant, people, "ticket 4711"))


def erased(admin: Connection) -> int:
    return len(admin.execute("SELECT FROM lua.erasure").fetchall())


def test_plans_asks_runs_and_shows_the_certificate(
    tenant: Tenant, session: Session, anna: Approver, admin: Connection, home: Home, tmp_path: Path
) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("1\n2\n")

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Queue())
        assert "nobody is to be erased" in text(console)
        await keys(pilot, "o")
        for answer in ("smile", str(ids), "ticket 4711"):
            await typed(pilot, answer)
        plan = pilot.app.screen
        assert isinstance(plan, OnePlan)
        assert "not asked for approval yet" in text(console)
        await keys(pilot, "x")
        await typed(pilot, "smile")
        assert isinstance(pilot.app.screen, Notice)
        assert "needs 1 approval" in text(console)
        await keys(pilot, "escape")
        assert "Plan, waiting, at smile" in text(console)
        assert erased(admin) == 0
        (request,) = approval.list_(session)
        anna.grant(request.approval_id)
        await keys(pilot, "r")
        assert "anna.berg granted it" in text(console)
        await keys(pilot, "x")
        await typed(pilot, "smil")
        assert "type exactly: smile" in text(console)
        await typed(pilot, "smile")
        one = pilot.app.screen
        assert isinstance(one, OneErasure)
        assert erased(admin) == 1
        assert "Erasure, done, at smile" in text(console)
        assert "anna.berg (request" in text(console)
        await keys(pilot, "v")
        assert isinstance(pilot.app.screen, Certificate)
        assert "Certificate of erasure" in text(console)
        await keys(pilot, "y")
        file = tmp_path / "certificate.pdf"
        await keys(pilot, "w")
        await typed(pilot, str(file))
        assert file.read_bytes().startswith(b"%PDF")
        await keys(pilot, "escape", "e")
        assert isinstance(pilot.app.screen, Checks)
        await keys(pilot, "escape", "escape")
        assert isinstance(pilot.app.screen, Queue)
        assert "Erasures: 1 done" in text(console)

    console = new_console()
    drive(script, console=console)
    (folder,) = (home.paths.data / "certificates").iterdir()
    assert console.clipboard == str(folder)


def test_nobody_answers_their_own_plan(
    tenant: Tenant, session: Session, anna: Approver, home: Home, admin: Connection
) -> None:
    own(at_noon(session), home.paths, "me")
    kept = keep(session, tenant, "1")

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, OnePlan(kept.plan_id))
        await keys(pilot, "plus")
        assert "nothing here waits for an answer" in text(console)
        await keys(pilot, "a")
        assert "is waiting" in text(console)
        await keys(pilot, "plus")
        assert isinstance(pilot.app.screen, Notice)
        assert "nobody answers their own request" in text(console)
        await keys(pilot, "escape", "minus")
        assert "nobody answers their own request" in text(console)

    console = new_console()
    drive(script, console=console)
    assert admin.execute("SELECT FROM lua.approval_answer").fetchall() == []


def test_a_colleagues_plan_is_granted_with_ones_own_key(
    tenant: Tenant, session: Session, login: Login, home: Home
) -> None:
    noon = at_noon(session)
    approval.set_rule(noon, "erasure.run", from_subjects=1)
    own(noon, home.paths, "me")
    theirs = at_noon(login("lua_operator"))
    plan = erasure.plan(theirs, tenant, person(session, tenant, "1"), "T-1")
    assert erasure.ask(theirs, plan) is not None
    (kept,) = erasure.queue(theirs).items

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, OnePlan(kept.id))
        await keys(pilot, "plus")
        assert "Grant: Erase 1 person of smile" in text(console)
        await keys(pilot, "escape")
        assert [one.state for one in approval.list_(session)] == ["waiting"]
        await keys(pilot, "plus")
        await typed(pilot, "yes")
        assert "1 of 1 approvals" in text(console)
        assert "Plan, granted, at smile" in text(console)

    console = new_console()
    drive(script, console=console)
    assert [one.state for one in erasure.queue(theirs).items] == ["approved"]


def test_without_a_key_it_says_how_to_make_one(tenant: Tenant, session: Session, login: Login) -> None:
    approval.set_rule(at_noon(session), "erasure.run", from_subjects=1)
    theirs = at_noon(login("lua_operator"))
    erasure.ask(theirs, erasure.plan(theirs, tenant, person(session, tenant, "1"), "T-1"))
    (kept,) = erasure.queue(theirs).items

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, OnePlan(kept.id))
        await keys(pilot, "minus")
        assert "luactl approval key init" in text(console)

    console = new_console()
    drive(script, console=console)


def test_drift_is_shown_and_planned_anew(tenant: Tenant, session: Session) -> None:
    from io import BytesIO

    kept = keep(session, tenant, "1")
    visit = BytesIO(b"CustomerId,Date,Type,Text\n1,2026-11-05T09:00:00Z,note,hello\n")
    crm.import_interactions(at_noon(session), tenant, visit, crm.Options())

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, OnePlan(kept.plan_id))
        assert "crm.interaction 2 → 3" in text(console)
        await keys(pilot, "p")
        assert "on record as it is now" in text(console)
        assert "crm.interaction 2 → 3" not in text(console)
        await keys(pilot, "w")
        await typed(pilot, "yes")
        assert erasure.queue(session).items == ()

    console = new_console()
    drive(script, console=console)


def test_a_hold_leaves_people_out_and_they_go_after_its_release(
    tenant: Tenant, session: Session, admin: Connection
) -> None:
    noon = at_noon(session)
    kept = keep(session, tenant, "1", "2")
    new = hold.prepare("21 O 17/26", subject_id=person(session, tenant, "1"))
    placed = hold.place(noon, tenant, new)

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Queue())
        assert "1 held" in text(console)
        await keys(pilot, "enter")
        assert isinstance(pilot.app.screen, OnePlan)
        assert pilot.app.screen.command_line().endswith("--except-held")
        await keys(pilot, "x")
        assert "1 held are left out" in text(console)
        await typed(pilot, "smile")
        assert isinstance(pilot.app.screen, OneErasure)
        await keys(pilot, "x")
        assert "nothing is left to do here" in text(console)
        hold.release(noon, tenant, [placed], "over")
        await keys(pilot, "r", "x")
        assert "Erase 1 people who were held" in text(console)
        await typed(pilot, "smile")
        await keys(pilot, "escape")
        assert "Erasures: 2 done" in text(console)

    console = new_console()
    drive(script, console=console)
    assert erased(admin) == 2
    assert kept.people == 2


def test_it_is_stopped_between_batches_and_goes_on(
    tenant: Tenant, session: Session, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from luactl.erasure import running

    kept = keep(session, tenant, "1", "2", "3")
    reached, go_on = threading.Event(), threading.Event()
    real = running.run

    def one_by_one(session: Session, plan: Any, base: Path, **options: Any) -> Any:
        """Erase in batches of one person, and wait after the first until the test has pressed a key."""
        told = options.pop("progress")

        def progress(people: int) -> None:
            reached.set()
            assert go_on.wait(20)
            told(people)

        return real(session, plan, base, progress=progress, batch_people=1, **options)

    monkeypatch.setattr(erasure, "run", one_by_one, raising=False)

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, OnePlan(kept.plan_id))
        await keys(pilot, "x")
        pilot.app.screen.query_one("Input").value = "smile"  # type: ignore[attr-defined]
        await pilot.press("enter")
        while not reached.is_set():
            await pilot.pause()
        assert "erasing, 0 of 3 done, s stops" in text(console)
        await pilot.press("q")
        assert "something is being changed" in text(console)
        await pilot.press("s")
        await pilot.pause()
        assert "stops after this batch" in text(console)
        go_on.set()
        await settled(pilot)
        assert "stopped: what is left was not touched" in text(console)
        await keys(pilot, "escape", "escape")
        await go(pilot, Queue())
        assert "1 unfinished" in text(console)
        await keys(pilot, "enter")
        assert "3 asked for, 1 erased, 2 left" in text(console)
        await keys(pilot, "x")
        await typed(pilot, "smile")
        assert "3 asked for, 3 erased" in text(console)
        assert "Erasure, done, at smile" in text(console)

    console = new_console()
    drive(script, console=console)
    assert counts(admin)["crm.contact"] == 0


def test_the_plan_of_one_person_is_put_on_record(tenant: Tenant, session: Session) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Plan(tenant, person(session, tenant), "ticket 4711"))
        await keys(pilot, "o")
        assert isinstance(pilot.app.screen, OnePlan)
        (one,) = erasure.queue(session).items
        assert (one.state, one.people, pilot.app.screen.plan_id) == ("planned", 1, one.id)

    drive(script)


def test_what_a_crash_left_is_finished_from_the_queue(tenant: Tenant, session: Session, home: Home) -> None:
    who = person(session, tenant)
    assert run_killed("epoch committed", "erase", "smile", str(who), str(home.path)) != 0

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Queue("smile"))
        await keys(pilot, "enter", "v")
        assert "no certificate yet" in text(console)
        await keys(pilot, "x")
        await typed(pilot, "smile")
        assert "Erasure, done, at smile" in text(console)

    console = new_console()
    drive(script, console=console)


def test_who_may_not_erase_sees_all_of_it_and_changes_nothing(
    tenant: Tenant, session: Session, login: Login, home: Home, admin: Connection
) -> None:
    from dataclasses import replace

    from luactl.config import save_profile

    kept = keep(session, tenant, "1")
    auditor = login("lua_auditor")
    save_profile(home.paths, replace(home.profile, dsn=auditor.profile.dsn))

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Queue())
        assert "1 planned" in text(console)
        await keys(pilot, "enter")
        assert "ticket 4711" in text(console)
        await keys(pilot, "w")
        await typed(pilot, "yes")
        assert "may not withdraw plans" in text(console)
        await keys(pilot, "escape", "p")
        assert "may not put plans" in text(console)
        await keys(pilot, "escape", "x")
        await typed(pilot, "smile")
        assert isinstance(pilot.app.screen, Notice)

    console = new_console()
    drive(script, console=console)
    assert erased(admin) == 0
    assert erasure.kept(session, kept.plan_id) == kept


def test_states_one_after_the_other_and_the_command_of_each(
    tenant: Tenant, session: Session, tmp_path: Path
) -> None:
    keep(session, tenant, "1")
    erasure.run(
        at_noon(session), erasure.plan(session, tenant, person(session, tenant, "2"), "T-2"), tmp_path
    )

    async def script(pilot: Pilot[None]) -> None:
        screen = Queue()
        await go(pilot, screen)
        table = screen.query_one(Table)
        assert [row.cells[0] for row in table.rows] == ["done", "planned"]
        for state in ("planned", "done"):
            await keys(pilot, "t")
            assert [row.cells[0] for row in table.rows] == [state]
            assert screen.command_line() == f"erasure queue --state {state}"
        await keys(pilot, "t")
        assert len(table.rows) == 2

    drive(script)


@pytest.fixture
def short(home: Home, admin: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same home by a path that is always equally long, since screens fold long ones."""
    with TemporaryDirectory(prefix="lua-", dir="/tmp") as folder:
        link = Path(folder) / "home"
        link.symlink_to(home.path)
        config = home.paths.config_file
        config.write_text(config.read_text().replace(str(home.path), str(link)))
        admin.execute("UPDATE vault.place SET name = replace(name, %s, %s)", (str(home.path), str(link)))
        monkeypatch.setenv("LUACTL_HOME", str(link))
        yield


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_the_screens_look_as_they_should(
    size: tuple[int, int], tenant: Tenant, session: Session, anna: Approver, home: Home
) -> None:
    noon = at_noon(session)
    one = erasure.plan(session, tenant, person(session, tenant, "2"), "order of 2026-12-20")
    asked = erasure.ask(noon, one)
    assert asked is not None
    anna.grant(asked.approval_id)
    done = erasure.run(noon, one, home.paths.certificates)
    kept = keep(session, tenant, "1", "3")
    erasure.ask(noon, erasure.plan(session, tenant, kept.subjects, "ticket 4711"))
    integrate(noon)  # what is of today would wait for other days tomorrow

    async def script(pilot: Pilot[None]) -> None:
        for name, screen in (("erasure-queue", Queue()), ("erasure-plan-kept", OnePlan(kept.plan_id)),
                             ("erasure-one", OneErasure(done.erasure_id))):  # fmt: skip
            await go(pilot, screen)
            compare(console, name)
        await keys(pilot, "v")
        compare(console, "certificate")

    console = new_console()
    console.actor = "nele"
    drive(script, size, console)
