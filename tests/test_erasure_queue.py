"""The queue of erasures: plans on record, their approval, holds, what was cut short, what is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from conftest import Connection, Home
from support_approval import Approver, approver
from support_erasure import PEOPLE, erase, person, practice, run_killed
from support_staff import vouch

from luactl import approval, crm, erasure, hold, ledger, retention
from luactl.connect import open_session
from luactl.db import Session, transaction
from luactl.erasure import ErasurePlan, KeptPlan
from luactl.errors import NotFoundError, RefusedError
from luactl.tenant import NewTenant, Tenant, create, find

Login = Callable[..., Session]


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return practice(session)


@pytest.fixture
def anna(session: Session, login: Login, tmp_path: Path) -> Approver:
    """Somebody who approves what one person's erasure needs from now on."""
    approval.set_rule(session, "erasure.run", from_subjects=1)
    return approver(session, login, tmp_path, "lua_dpo")


def planned(session: Session, tenant: Tenant, *numbers: str, instruction: str = "T-1") -> ErasurePlan:
    people = [person(session, tenant, number) for number in numbers]
    return erasure.plan(session, tenant, people, instruction)


def states(session: Session, **options: Any) -> list[str]:
    return [one.state for one in erasure.queue(session, **options).items]


def entries(admin: Connection, action: str) -> int:
    return len(admin.execute("SELECT FROM ledger.entry WHERE action = %s", [action]).fetchall())


def test_a_plan_is_kept_once_and_taken_by_its_erasure(
    session: Session, tenant: Tenant, admin: Connection, tmp_path: Path
) -> None:
    plan = planned(session, tenant, "1", "2")
    kept = erasure.keep(session, plan)
    assert erasure.keep(session, plan) == kept == erasure.kept(session, kept.plan_id)
    assert (kept.subjects, kept.digest, kept.people) == (plan.subjects, plan.digest, 2)
    assert kept.going == {one.table: one.rows for one in plan.going}
    assert kept.staying == plan.staying
    assert entries(admin, "erasure.plan") == 1
    (one,) = erasure.queue(session).items
    assert (one.state, one.kind, one.id, one.people, one.held) == ("planned", "plan", kept.plan_id, 2, 0)
    erasure.run(session, plan, tmp_path)
    (one,) = erasure.queue(session).items
    assert (one.state, one.kind, one.people) == ("done", "erasure", 2)
    with pytest.raises(NotFoundError):
        erasure.kept(session, kept.plan_id)


def test_kept_twice_at_the_same_moment_it_is_one_plan(
    session: Session, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a cron job and a person of one login may do it."""
    plan, first = planned(session, tenant, "1"), []

    def meanwhile(at: datetime) -> UUID:
        patch.undo()
        first.append(erasure.keep(session, plan))
        return ledger.new_id(at)

    with open_session("test", command="test") as other, monkeypatch.context() as patch:
        patch.setattr(ledger, "new_id", meanwhile)  # asked for once the other is seen not to be there
        kept = erasure.keep(other, plan)
    assert [kept.plan_id] == [one.plan_id for one in first]
    assert states(session) == ["planned"]


def test_another_instruction_for_the_same_people_replaces_the_plan(session: Session, tenant: Tenant) -> None:
    first = erasure.keep(session, planned(session, tenant, "1"))
    second = erasure.keep(session, planned(session, tenant, "1", instruction="T-2"))
    erasure.keep(session, planned(session, tenant, "2"))
    assert second.plan_id == first.plan_id
    assert [one.instruction for one in erasure.queue(session).items] == ["T-1", "T-2"]


def test_a_dry_run_and_a_withdrawn_plan_leave_nothing(
    session: Session, tenant: Tenant, admin: Connection
) -> None:
    erasure.keep(session, planned(session, tenant, "1"), dry_run=True)
    assert states(session) == []
    kept = erasure.keep(session, planned(session, tenant, "1"))
    assert erasure.withdraw(session, kept.plan_id, dry_run=True) == kept
    assert states(session) == ["planned"]
    assert erasure.withdraw(session, kept.plan_id) == kept
    assert states(session) == []
    assert (entries(admin, "erasure.plan"), entries(admin, "erasure.withdraw")) == (1, 1)


def test_running_what_needs_approval_puts_the_plan_on_record_for_the_approver(
    session: Session, tenant: Tenant, anna: Approver, tmp_path: Path
) -> None:
    plan = planned(session, tenant, "1", "2")
    with pytest.raises(approval.ApprovalNeededError) as needed:
        erasure.run(session, plan, tmp_path)
    (one,) = erasure.queue(anna.session).items
    assert (one.state, one.approval_id) == ("waiting", needed.value.approval_id)
    seen = erasure.preview(anna.session, one.id)
    assert (seen.problem, seen.drift, seen.needed) == (None, (), 1)
    assert [(request.requested_by, request.state) for request in seen.requests] == [
        (session.actor, "waiting")
    ]
    anna.grant(needed.value.approval_id)
    assert states(session) == ["approved"]
    erasure.run(session, plan, tmp_path)
    assert states(session) == ["done"]


def test_asking_twice_is_asking_once(
    session: Session, tenant: Tenant, anna: Approver, tmp_path: Path
) -> None:
    plan = planned(session, tenant, "1")
    asked = erasure.ask(session, plan)
    assert asked is not None
    assert erasure.ask(session, plan) == asked
    anna.deny(asked.approval_id)
    assert states(session) == ["denied"]
    with pytest.raises(RefusedError, match="denied"):
        erasure.ask(session, plan)
    approval.set_rule(session, "erasure.run", from_subjects=10)
    assert erasure.ask(session, planned(session, tenant, "2")) is None


def test_drift_is_told_and_new_rules_need_a_new_plan(session: Session, tenant: Tenant) -> None:
    kept = erasure.keep(session, planned(session, tenant, "1", "3"))
    assert erasure.preview(session, kept.plan_id).drift == ()
    visit = b"CustomerId,Date,Type,Text\n3,2026-11-05T09:00:00Z,note,hello\n"
    crm.import_interactions(session, tenant, BytesIO(visit), crm.Options())
    (drift,) = erasure.preview(session, kept.plan_id).drift
    assert (drift.what, drift.planned, drift.now) == ("crm.interaction", 2, 3)
    retention.set_rule(session, tenant, "invoice", 144)
    assert "rules changed" in str(erasure.preview(session, kept.plan_id).problem)


def test_holds_hold_back_what_is_planned_and_what_was_left_out(
    session: Session, tenant: Tenant, tmp_path: Path
) -> None:
    erasure.keep(session, planned(session, tenant, "1", "2"))
    new = hold.prepare("21 O 17/26", subject_id=person(session, tenant, "1"))
    placed = hold.place(session, tenant, new)
    (one,) = erasure.queue(session).items
    assert (one.state, one.held) == ("held", 1)
    erasure.run(session, planned(session, tenant, "1", "2"), tmp_path, except_held=True)
    (one,) = erasure.queue(session).items
    assert (one.state, one.kind, one.held) == ("held", "erasure", 1)
    hold.release(session, tenant, [placed], "over")
    assert states(session) == ["released"]
    for plan in erasure.waiting(session, tenant):
        erasure.run(session, plan, tmp_path)
    assert states(session) == ["done", "done"]


def test_what_was_cut_short_is_unfinished(session: Session, tenant: Tenant, home: Home) -> None:
    who = person(session, tenant)
    assert run_killed("epoch committed", "erase", tenant.slug, str(who), str(home.path)) != 0
    assert states(session) == ["unfinished"]


def test_the_queue_is_filtered_cut_and_newest_first(session: Session, tenant: Tenant, tmp_path: Path) -> None:
    other = practice(session, "other")
    erase(session, tenant, person(session, tenant), tmp_path)
    kept = [erasure.keep(session, planned(session, where, "2")) for where in (tenant, other)]
    assert [one.tenant for one in erasure.queue(session).items] == ["other", "smile", "smile"]
    assert states(session, tenant="smile") == ["planned", "done"]
    assert states(session, states=("done",)) == ["done"]
    first = erasure.queue(session, limit=1)
    assert ([one.id for one in first.items], first.cut) == ([kept[1].plan_id], True)
    assert not erasure.queue(session, limit=3).cut
    with pytest.raises(NotFoundError, match="no tenant 'smiel'") as told:
        erasure.queue(session, "smiel")
    assert "smile" in str(told.value.hint)


@pytest.mark.parametrize("role", ["lua_admin", "lua_auditor", "lua_responder"])
def test_who_may_not_erase_looks_and_changes_nothing(
    session: Session, tenant: Tenant, login: Login, role: str
) -> None:
    kept: KeptPlan = erasure.keep(session, planned(session, tenant, "1"))
    theirs = login(role)
    assert states(theirs) == ["planned"]
    assert erasure.preview(theirs, kept.plan_id).problem is None
    with pytest.raises(RefusedError, match="may not put plans"):
        erasure.keep(theirs, planned(session, tenant, "2"))
    with pytest.raises(RefusedError, match="may not withdraw"):
        erasure.withdraw(theirs, kept.plan_id)


def test_a_colleague_plans_in_their_own_name_alone(
    session: Session, tenant: Tenant, login: Login, admin: Connection
) -> None:
    erasure.keep(session, planned(session, tenant, "1"))
    theirs = login("lua_operator")
    mine = erasure.keep(theirs, planned(theirs, tenant, "1"))
    assert mine.made_by == theirs.actor
    assert states(session) == ["planned", "planned"]
    columns = "tenant_id, plan_id, target, digest, scope, subjects, instruction, plan, made_by, made_at"
    forged = f"INSERT INTO lua.erasure_plan ({columns}) SELECT tenant_id, gen_random_uuid(), digest, digest,"
    forged += " scope, subjects, instruction, plan, 'somebody', made_at FROM lua.erasure_plan LIMIT 1"
    with pytest.raises(psycopg.errors.InsufficientPrivilege), transaction(theirs, tenant.tenant_id) as conn:
        conn.execute(forged)  # type: ignore[arg-type]


def test_a_dedicated_tenants_queue_is_its_staffs_alone(session: Session, login: Login) -> None:
    vouch(session)
    create(session, NewTenant("castle", "Castle", "DE", "x@castle.example", "dedicated"))
    castle = find(session, "castle")
    crm.import_customers(session, castle, BytesIO(PEOPLE.encode()), crm.Options())
    kept = erasure.keep(session, planned(session, castle, "1"))
    assert states(session) == ["planned"]
    stranger = login("lua_operator", "lua_dpo", "lua_admin")
    assert states(stranger) == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        erasure.kept(stranger, kept.plan_id)


def test_requests_that_wait_for_me(session: Session, tenant: Tenant, anna: Approver, login: Login) -> None:
    asked = erasure.ask(session, planned(session, tenant, "1"))
    assert asked is not None
    for role, waits in (("lua_dpo", True), ("lua_admin", True), ("lua_auditor", False)):
        theirs = login(role)
        assert bool(approval.mine(theirs, approval.list_(theirs))) is waits
    assert [one.approval_id for one in approval.mine(anna.session, approval.list_(anna.session))] == [
        asked.approval_id
    ]
    assert approval.mine(session, approval.list_(session)) == ()
    anna.grant(asked.approval_id)
    assert approval.mine(anna.session, approval.list_(anna.session)) == ()


def test_two_logins_of_one_person_wait_for_neither(
    session: Session, tenant: Tenant, anna: Approver, login: Login, tmp_path: Path
) -> None:
    other = login("lua_dpo", "lua_operator")
    made = approval.make(tmp_path / "bea.key", "bea")
    approval.register(session, made.vkey, "bea", [other.actor, session.actor])
    erasure.ask(other, planned(other, tenant, "1"))
    assert approval.mine(session, approval.list_(session)) == ()
    assert len(approval.mine(anna.session, approval.list_(anna.session))) == 1


def test_the_command_line_proposes_lists_runs_and_withdraws(
    session: Session, tenant: Tenant, cli: Callable[..., Any], anna: Approver
) -> None:
    who = ("--tenant", "smile", "--subject", str(person(session, tenant)), "--instruction", "T-1")
    assert (
        json.loads(cli("erasure", "propose", *who, "--dry-run", "-o", "json").stdout)["data"]["people"] == 1
    )
    assert states(session) == []
    plan_id = json.loads(cli("erasure", "propose", *who, "-o", "json").stdout)["data"]["plan_id"]
    run = ("erasure", "run", "--tenant", "smile", "--plan", plan_id, "--yes")
    refused = cli(*run)
    assert refused.returncode == 5
    assert "needs 1 approval" in refused.stderr
    listed = json.loads(cli("erasure", "queue", "--open", "-o", "json").stdout)["data"]
    assert [(one["id"], one["state"]) for one in listed] == [(plan_id, "waiting")]
    assert json.loads(cli("approval", "list", "--mine", "-o", "json").stdout)["data"] == []
    (asked,) = approval.list_(session)
    anna.grant(asked.approval_id)
    assert cli(*run).returncode == 0
    assert cli("erasure", "queue", "--state", "odd").returncode == 2
    listed = json.loads(cli("erasure", "queue", "-o", "json").stdout)["data"]
    assert [one["state"] for one in listed] == ["done"]
    gone = cli("erasure", "withdraw", plan_id, "--yes")
    assert (gone.returncode, "no plan" in gone.stderr) == (1, True)
