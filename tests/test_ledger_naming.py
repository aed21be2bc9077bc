"""Anchors come and go; what takes checkpoints or entries away waits for approval where a rule says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import Connection, Home
from support_approval import approver
from support_ledger import write

from luactl import approval, ledger
from luactl.approval import ApprovalNeededError
from luactl.config import load_profile
from luactl.connect import open_session
from luactl.db import Session
from luactl.errors import NotFoundError, RefusedError, UsageError
from luactl.ledger.anchor import AnchorError
from luactl.ledger.naming import AnchorChange, Verb, carry_out, plan_change
from luactl.ledger.prune import plan_prune, prune


def change(session: Session, verb: Verb, name: str) -> AnchorChange:
    return carry_out(session, plan_change(session, verb, name))


def named(home: Home) -> tuple[str, ...]:
    return load_profile(None, home.environ).anchors


def told(admin: Connection, action: str) -> list[str]:
    rows = admin.execute("SELECT outcome FROM ledger.entry WHERE action = %s ORDER BY id", [action])
    return [outcome for (outcome,) in rows]


def test_a_new_anchor_has_the_checkpoint_before_the_profile_names_it(
    session: Session, home: Home, admin: Connection
) -> None:
    ledger.integrate(session)
    file, before = home.path / "elsewhere/anchor", named(home)
    plan = plan_change(session, "add", f"file:{file}")
    size = ledger.status(session).size
    assert plan.steps == ("make it: it is not there", f"hand over the checkpoint of {size} entries")
    assert not file.exists()
    seen: list[tuple[str, tuple[str, ...]]] = []

    def step(name: str) -> None:
        if name == "anchor 1 written":
            seen.append((file.read_text(), named(home)))

    done = carry_out(replace(session, step=step), plan)
    assert seen == [(ledger.newest_checkpoint(session).note + "\n", before)]
    assert named(home) == done.anchors == (*before, f"file:{file}")
    assert told(admin, "ledger.anchor.add") == ["intent", "done"]
    with open_session("test", command="test") as anew:
        ledger.integrate(anew)
        assert [one.current for one in ledger.status(anew).anchors] == [True, True]
        assert ledger.verify(anew).ok
        with pytest.raises(RefusedError, match="already"):
            plan_change(anew, "add", f"file:{file}")


def test_an_anchor_that_goes_leaves_one_that_knows(session: Session, home: Home, admin: Connection) -> None:
    ledger.integrate(session)
    (first,) = named(home)
    with pytest.raises(RefusedError, match="last anchor"):
        plan_change(session, "remove", first)
    second = f"file:{home.path}/second"
    change(session, "add", second)
    with open_session("test", command="test") as anew:
        write(anew, "a")
        Path(second.removeprefix("file:")).unlink()
        ledger.integrate(replace(anew, profile=replace(anew.profile, anchors=(first,))))
        with pytest.raises(AnchorError, match="the profile stays as it is"):
            change(anew, "remove", first)
        assert named(home) == (first, second)
        change(anew, "remove", second)  # which is out of reach
    assert named(home) == (first,)
    assert told(admin, "ledger.anchor.remove") == ["intent", "intent", "done"]
    with pytest.raises(NotFoundError):
        plan_change(session, "remove", second)


def test_what_is_no_anchor_for_this_log(session: Session, home: Home) -> None:
    with pytest.raises(UsageError, match="no such kind"):
        plan_change(session, "add", "mail:me")
    ledger.integrate(session)
    other = replace(session, profile=replace(session.profile, signing_key=home.path / "no.key"))
    with pytest.raises(RefusedError):
        plan_change(other, "add", f"file:{home.path}/second")
    folder = home.path / "folder"
    folder.mkdir()
    with pytest.raises(AnchorError):
        change(session, "add", f"file:{folder}")
    assert len(named(home)) == 1


def test_an_anchor_of_a_longer_history_is_refused(session: Session, home: Home, admin: Connection) -> None:
    ledger.integrate(session)
    write(session, "a")
    ledger.integrate(session)
    file = home.path / "kept"
    file.write_text(ledger.newest_checkpoint(session).note + "\n")
    admin.execute("DELETE FROM ledger.checkpoint WHERE size = (SELECT max(size) FROM ledger.checkpoint)")
    with pytest.raises(RefusedError, match="not in this database"):
        change(session, "add", f"file:{file}")


def test_removing_and_pruning_can_wait_for_somebody_else(
    session: Session, home: Home, login: Callable[..., Session], tmp_path: Path
) -> None:
    anna = approver(session, login, tmp_path, "lua_dpo")
    ledger.integrate(session)
    second = f"file:{home.path}/second"
    change(session, "add", second)
    for action in ("ledger.anchor.remove", "ledger.prune"):
        approval.set_rule(session, action, approvals=1)
    with open_session("test", command="test") as anew:
        ledger.integrate(anew)
        with pytest.raises(ApprovalNeededError) as refusal:
            change(anew, "remove", second)
        assert len(named(home)) == 2
        anna.grant(refusal.value.approval_id)
        change(anew, "remove", second)
        assert approval.find(anew, refusal.value.approval_id).state == "finished"

    with open_session("test", command="test") as anew:
        ledger.integrate(anew)
        before = plan_prune(anew, anew.clock.now())
        with pytest.raises(ApprovalNeededError, match=r"ledger\.prune needs 1 approval") as first:
            prune(anew, before)
        assert ledger.status(anew).minimum == 0
        anna.grant(first.value.approval_id)
        write(anew, "a")
        ledger.integrate(anew)
        later = plan_prune(anew, anew.clock.now() - timedelta(0))
        assert later.minimum > before.minimum
        with pytest.raises(ApprovalNeededError, match="minimum") as second_request:
            prune(anew, later)
        anna.grant(second_request.value.approval_id)
        prune(anew, later)
        assert ledger.status(anew).minimum == later.minimum
        assert ledger.verify(anew).ok
