"""Erasures, releases of holds and purges that wait for approval, and certificates that show it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support_approval import Approver, approver, key
from support_erasure import counts, erase, person, practice
from support_hold import put

from luactl import approval, erasure, hold, ledger, retention, termination
from luactl.approval import ApprovalNeededError
from luactl.approval.checking import problems
from luactl.db import Session
from luactl.errors import RefusedError
from luactl.tenant import Tenant
from luactl.verify import verify_folder


@pytest.fixture
def tenant(session: Session) -> Tenant:
    approval.set_rule(session, "erasure.run", from_subjects=1)
    return practice(session)


@pytest.fixture
def anna(session: Session, login: Callable[..., Session], tmp_path: Path) -> Approver:
    return approver(session, login, tmp_path, "lua_dpo")


def test_an_erasure_waits_runs_and_says_who_approved(
    session: Session, tenant: Tenant, anna: Approver, admin: psycopg.Connection[Any], tmp_path: Path
) -> None:
    who, before = person(session, tenant), counts(admin)
    with pytest.raises(ApprovalNeededError, match=r"erasure\.run needs 1 approval") as refusal:
        erase(session, tenant, who, tmp_path)
    after = counts(admin)
    assert {name: after[name] for name in before if name != "ledger.entry"} == {
        name: before[name] for name in before if name != "ledger.entry"
    }
    assert anna.grant(refusal.value.approval_id).state == "granted"
    done = erase(session, tenant, who, tmp_path)
    assert approval.find(session, refusal.value.approval_id).state == "finished"
    facts = json.loads((Path(done.certificate) / "certificate.json").read_text())
    assert [one["person"] for one in facts["approval"]["answers"]] == ["anna.berg"]
    assert "| Approved by | anna.berg" in (Path(done.certificate) / "certificate.md").read_text()
    assert erase(session, tenant, who, tmp_path).outcome == "already erased"

    vkey, folder = ledger.status(session).vkey, Path(done.certificate)
    assert verify_folder(folder, vkey, [str(anna.signer.verifier)]).findings == ()
    stranger, _file = key(tmp_path, "stranger")
    (finding,) = verify_folder(folder, vkey, [str(stranger.verifier)]).findings[:1]
    assert "a key that you do not trust" in finding.what


def test_a_certificate_without_approval_is_found_by_who_expects_one(
    session: Session, tenant: Tenant, anna: Approver, tmp_path: Path
) -> None:
    approval.set_rule(session, "erasure.run", approvals=0)
    done = erase(session, tenant, person(session, tenant), tmp_path)
    assert verify_folder(Path(done.certificate)).ok
    found = verify_folder(Path(done.certificate), None, [str(anna.signer.verifier)])
    assert [one.what for one in found.findings] == ["states no approval, although approvers' keys were given"]


def test_a_superuser_who_forges_a_grant_is_found_at_verify(
    session: Session, tenant: Tenant, anna: Approver, admin: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """Rows are changed after the act, and the certificate is made anew from them."""
    who = person(session, tenant)
    with pytest.raises(ApprovalNeededError) as refusal:
        erase(session, tenant, who, tmp_path)
    anna.grant(refusal.value.approval_id)
    done = erase(session, tenant, who, tmp_path)
    folder = tmp_path / "forged"
    shutil.copytree(done.certificate, folder)
    facts = json.loads((folder / "certificate.json").read_text())
    stated = facts["approval"]
    act = {"action": "erasure.run", "plan": facts["plan"], "tenant": "smile", "requested_by": session.actor}
    assert list(problems(stated, act)) == []
    for forged, wrong in (
        ({**stated, "answers": []}, "lacks good approvals: 0 of 1"),
        (
            {**stated, "request": stated["request"].replace('"crm.contact":1', '"crm.contact":9')},
            "not what their key signed",
        ),
        ({**stated, "answers": [{**stated["answers"][0], "note": "x"}]}, "not what their key signed"),
        ({"id": "x"}, "malformed"),
        ("yes", "malformed"),
    ):
        assert any(wrong in one for one in problems(forged, act)), wrong
    other = {**act, "plan": "0" * 64}
    assert any("another act: plan is" in one for one in problems(stated, other))
    facts["approval"] = {**stated, "answers": []}
    (folder / "certificate.json").write_text(json.dumps(facts))
    assert any("lacks good approvals" in one.what for one in verify_folder(folder).findings)


def test_an_erasure_whose_plan_changed_asks_anew(
    session: Session, tenant: Tenant, anna: Approver, tmp_path: Path
) -> None:
    who = person(session, tenant)
    with pytest.raises(ApprovalNeededError) as first:
        erase(session, tenant, who, tmp_path)
    anna.grant(first.value.approval_id)
    retention.set_rule(session, tenant, "interaction", 40)
    with pytest.raises(ApprovalNeededError, match="plan changed") as second:
        erase(session, tenant, who, tmp_path)
    assert approval.find(session, first.value.approval_id).state == "void"
    anna.grant(second.value.approval_id)
    assert erase(session, tenant, who, tmp_path).outcome == "erased"


def test_few_people_need_none_as_delivered(session: Session, tmp_path: Path) -> None:
    tenant = practice(session, "grin")
    assert erase(session, tenant, person(session, tenant), tmp_path).outcome == "erased"
    assert approval.list_(session) == ()


def test_releasing_what_somebody_else_placed(
    session: Session, tenant: Tenant, anna: Approver, login: Callable[..., Session]
) -> None:
    placer, releaser = login("lua_responder"), login("lua_responder")
    placed = put(placer, tenant)
    own = put(releaser, tenant, case="own")
    with pytest.raises(ApprovalNeededError, match=r"hold\.release needs 1 approval") as refusal:
        hold.release(releaser, tenant, [placed], "settled")
    assert hold.find(session, placed.hold_id).released_at is None
    anna.deny(refusal.value.approval_id)
    with pytest.raises(RefusedError, match="was denied"):
        hold.release(releaser, tenant, [placed], "settled")
    hold.release(releaser, tenant, [own], "mine")
    hold.release(placer, tenant, [placed], "my own, after all")
    assert hold.list_(session, tenant) == ()


def test_a_purge_that_needs_approval(
    session: Session, tenant: Tenant, anna: Approver, admin: psycopg.Connection[Any]
) -> None:
    approval.set_rule(session, "retention.purge", approvals=1)
    before = counts(admin)
    with pytest.raises(ApprovalNeededError, match=r"retention\.purge needs 1 approval") as refusal:
        retention.purge(session, retention.plan(session, [tenant]))
    assert counts(admin)["crm.interaction"] == before["crm.interaction"]
    anna.grant(refusal.value.approval_id)
    assert retention.purge(session, retention.plan(session, [tenant])).keys == 2
    assert approval.find(session, refusal.value.approval_id).state == "finished"
    assert retention.purge(session, retention.plan(session, [tenant])).keys == 0


def test_the_end_of_a_tenant_needs_approval_as_delivered(
    session: Session, tenant: Tenant, anna: Approver, tmp_path: Path
) -> None:
    termination.announce(session, tenant, "letter", timedelta(0))
    plan = termination.plan(session, tenant, unwanted="they said so")
    with pytest.raises(ApprovalNeededError, match=r"tenant\.terminate needs 1 approval") as refusal:
        termination.run(session, tenant, plan, tmp_path)
    anna.grant(refusal.value.approval_id)
    done = termination.run(session, tenant, plan, tmp_path)
    assert done.outcome == "ended"
    assert "| Approved by | anna.berg" in (Path(done.certificate) / "certificate.md").read_text()
    assert verify_folder(Path(done.certificate), None, [str(anna.signer.verifier)]).findings == ()


def test_the_command_line_says_the_id_and_ends_with_5(
    session: Session, tenant: Tenant, anna: Approver, cli: Any
) -> None:
    who = str(person(session, tenant))
    arguments = ("erasure", "run", "--tenant", "smile", "--subject", who, "--instruction", "T-1", "--yes")
    refused = cli(*arguments)
    (request,) = approval.list_(session)
    assert (refused.returncode, str(request.approval_id) in refused.stderr) == (5, True)
    assert (
        f"hint: somebody else (dpo or admin or outside) runs `luactl approval grant {request.approval_id}`"
        in (refused.stderr)
    )
    assert who not in request.document
    anna.grant(request.approval_id)
    assert cli(*arguments).returncode == 0
    assert erasure.list_(session, tenant)[0].state == "done"
