"""Four eyes in a real database: who may ask, who may answer, what an answer is good for, and once only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from support_approval import WANT, Approver, approver, ask, changed, granted, key, outsider

from luactl import approval
from luactl.approval import ApprovalNeededError
from luactl.clock import ShiftedClock
from luactl.db import Session, transaction
from luactl.errors import BusyError, LuactlError, NotFoundError, RefusedError

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def operator(login: Callable[..., Session]) -> Session:
    return login("lua_operator")


@pytest.fixture
def anna(session: Session, login: Callable[..., Session], tmp_path: Path) -> Approver:
    return approver(session, login, tmp_path, "lua_dpo")


def entries(admin: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    rows = admin.execute("SELECT action, actor FROM ledger.entry WHERE action LIKE 'approval.%' ORDER BY id")
    return [(row[0], row[1]) for row in rows]


def use(session: Session, found: approval.Granted, *, finish: bool = True) -> None:
    with transaction(session):
        approval.use(session, found, finish=finish)


def test_the_whole_path(
    session: Session, operator: Session, anna: Approver, admin: psycopg.Connection[Any]
) -> None:
    request = ask(operator)
    assert ask(operator) == request  # the very same command asks for the very same
    assert anna.grant(request).state == "granted"
    found = granted(operator)
    assert (found.approval_id, found.requested_by, found.approved_by) == (
        request,
        operator.actor,
        ("anna.berg",),
    )
    use(operator, found)
    assert approval.find(operator, request).state == "finished"
    assert entries(admin) == [
        ("approval.key-add", session.actor),
        ("approval.request", operator.actor),
        ("approval.grant", anna.session.actor),
        ("approval.use", operator.actor),
    ]
    assert ask(operator) != request  # single use


def test_what_the_rule_does_not_ask_for_goes_without(operator: Session) -> None:
    assert approval.demand(operator, changed(subjects=9)) is None
    assert approval.demand(operator, changed(action="retention.purge")) is None
    with transaction(operator):
        approval.use(operator, None)
    with pytest.raises(NotFoundError, match="no rule for"):
        approval.demand(operator, changed(action="tea.make"))


def test_nobody_approves_their_own_request(
    session: Session, login: Callable[..., Session], tmp_path: Path
) -> None:
    both = approver(session, login, tmp_path, "lua_operator", "lua_dpo")
    request = ask(both.session)
    with pytest.raises(RefusedError, match="nobody answers their own request"):
        both.grant(request)
    assert approval.find(session, request).answers == ()


def test_nor_through_another_login_of_theirs(
    session: Session, login: Callable[..., Session], tmp_path: Path
) -> None:
    first, second = login("lua_operator"), login("lua_dpo")
    signer, _file = key(tmp_path, "eve")
    approval.register(session, str(signer.verifier), "Eve", [first.actor, second.actor])
    request = ask(first)
    with pytest.raises(RefusedError, match="nobody answers their own request"):
        approval.answer(second, request, signer, granted=True)


@pytest.mark.parametrize("role", ["lua_operator", "lua_responder", "lua_auditor", "lua_accounting"])
def test_an_approver_has_the_role_that_the_rule_wants(
    session: Session, operator: Session, login: Callable[..., Session], tmp_path: Path, role: str
) -> None:
    request = ask(operator)
    with pytest.raises(RefusedError, match="the rule wants an approver who is one of"):
        approver(session, login, tmp_path, role).grant(request)


def test_a_key_must_be_registered_in_force_and_ones_own(
    session: Session, operator: Session, anna: Approver, login: Callable[..., Session], tmp_path: Path
) -> None:
    request, other = ask(operator), login("lua_dpo")
    stranger, _file = key(tmp_path, "stranger")
    with pytest.raises(RefusedError, match="no such key is registered"):
        approval.answer(other, request, stranger, granted=True)
    with pytest.raises(RefusedError, match="the key belongs to another login"):
        approval.answer(other, request, anna.signer, granted=True)
    approval.revoke(session, str(anna.signer.verifier))
    with pytest.raises(RefusedError, match="or it was revoked"):
        anna.grant(request)
    with pytest.raises(RefusedError, match="was revoked before"):
        approval.revoke(session, str(anna.signer.verifier))


def test_two_approvals_are_of_two_people(
    session: Session, operator: Session, anna: Approver, login: Callable[..., Session], tmp_path: Path
) -> None:
    approval.set_rule(session, "erasure.run", approvals=2)
    request = ask(operator)
    assert anna.grant(request).state == "waiting"
    with pytest.raises(RefusedError, match="this person has answered already"):
        anna.grant(request)
    spare, _file = key(tmp_path, "spare")
    approval.register(session, str(spare.verifier), "anna.berg", [anna.session.actor])
    with pytest.raises(RefusedError, match="this person has answered already"):
        approval.answer(anna.session, request, spare, granted=True)
    with pytest.raises(ApprovalNeededError, match="waits for 1 more approval"):
        approval.demand(operator, WANT)
    bert = approver(session, login, tmp_path, "lua_admin", name="bert")
    assert bert.grant(request).state == "granted"
    assert granted(operator).approved_by == ("anna.berg", "bert")


def test_two_grants_at_once_are_one(
    session: Session, operator: Session, anna: Approver, login: Callable[..., Session], tmp_path: Path
) -> None:
    bert, request = approver(session, login, tmp_path, "lua_admin", name="bert"), ask(operator)
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def grant(by: Approver) -> None:
        start.wait()
        try:
            outcomes.append(by.grant(request).state)
        except RefusedError as refusal:
            outcomes.append(refusal.what.partition(": ")[2])

    threads = [threading.Thread(target=grant, args=(by,)) for by in (anna, bert)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(outcomes) == ["granted", "the request is not waiting for an answer"]
    assert len(approval.find(session, request).answers) == 1


def test_what_was_denied_stays_denied(session: Session, operator: Session, anna: Approver) -> None:
    request = ask(operator)
    assert anna.deny(request).state == "denied"
    with pytest.raises(RefusedError, match="was denied"):
        approval.demand(operator, WANT)
    with pytest.raises(RefusedError, match="not waiting for an answer"):
        anna.grant(request)


def test_time_runs_out(session: Session, operator: Session, anna: Approver) -> None:
    request = ask(operator)
    tomorrow = replace(operator, clock=ShiftedClock(timedelta(hours=73)))
    late = replace(anna, session=replace(anna.session, clock=ShiftedClock(timedelta(hours=73))))
    assert approval.find(tomorrow, request).state == "expired"
    with pytest.raises(RefusedError, match="not waiting for an answer"):
        late.grant(request)
    anna.grant(request)
    assert ask(tomorrow) != request
    found = granted(operator)
    with pytest.raises(BusyError, match="not there to be used"):
        use(tomorrow, found)


def test_counts_may_drift_within_the_bound_and_no_further(operator: Session, anna: Approver) -> None:
    request = ask(operator)  # 20 rows or 5 per cent
    anna.grant(request)
    assert (
        granted(operator, changed(counts={"crm.contact": 32, "crm.interaction": 950})).approval_id == request
    )
    with pytest.raises(ApprovalNeededError, match=r"crm\.interaction: 1,000 then, 1,051 now") as refusal:
        approval.demand(operator, changed(counts={"crm.contact": 12, "crm.interaction": 1_051}))
    assert refusal.value.approval_id != request
    gone = approval.find(operator, request)
    assert (gone.state, gone.void_reason) == ("void", "plan changed: crm.interaction: 1,000 then, 1,051 now")
    with pytest.raises(RefusedError, match="not waiting for an answer"):
        anna.deny(request)


def test_what_must_not_change_voids_it(operator: Session, anna: Approver) -> None:
    request = ask(operator)
    anna.grant(request)
    with pytest.raises(ApprovalNeededError, match="instruction changed"):
        approval.demand(operator, changed(exact={**WANT.exact, "instruction": "ticket 4712"}))
    assert approval.find(operator, request).state == "void"


def test_another_target_is_another_request(operator: Session, anna: Approver) -> None:
    first = ask(operator)
    second = ask(operator, changed(target="erasure smile 77aa"))
    anna.grant(first)
    assert granted(operator).approval_id == first
    assert approval.find(operator, second).state == "waiting"


def test_only_who_asked_uses_it(operator: Session, anna: Approver, login: Callable[..., Session]) -> None:
    request, other = ask(operator), login("lua_operator")
    anna.grant(request)
    assert ask(other) != request
    with pytest.raises(BusyError, match="another's"):
        use(other, granted(operator))


def test_it_is_used_with_the_change_or_not_at_all(operator: Session, anna: Approver) -> None:
    request = ask(operator)
    anna.grant(request)
    with transaction(operator):
        approval.use(operator, granted_outside := _granted(operator, request))
        raise psycopg.Rollback
    assert approval.find(operator, request).state == "granted"
    use(operator, granted_outside)
    with pytest.raises(BusyError, match="not there to be used"):
        use(operator, granted_outside)


def _granted(session: Session, request: UUID) -> approval.Granted:
    return approval.Granted(request, session.actor, (), {})


def test_work_of_several_transactions_goes_on_after_a_kill(
    session: Session, operator: Session, anna: Approver
) -> None:
    """Between its first and its last transaction the counts shrink, and the time may run out."""
    request = ask(operator)
    anna.grant(request)
    use(operator, granted(operator), finish=False)
    assert approval.find(operator, request).state == "used"
    half = changed(counts={"crm.contact": 0, "crm.interaction": 10})
    tomorrow = replace(operator, clock=ShiftedClock(timedelta(hours=100)))
    week = replace(operator, clock=ShiftedClock(timedelta(days=8)))
    with pytest.raises(BusyError, match="not there to be used"):
        use(week, granted(tomorrow, half))
    again = granted(tomorrow, half)
    assert again.approval_id == request
    use(tomorrow, again)
    assert ask(tomorrow, half) != request


STEPS = ("asked", "granted", "used")


@pytest.mark.parametrize("step", STEPS)
def test_killed_between_steps_it_goes_on(
    session: Session, anna: Approver, home: Any, tmp_path: Path, step: str
) -> None:
    """The process that asks dies hard; the next one finds what is on record and needs nothing anew."""
    done = run_killed(step, str(anna.file), anna.session.actor)
    assert done == -signal.SIGKILL
    state = {"asked": "waiting", "granted": "granted", "used": "granted"}[step]  # the use was not committed
    (found,) = approval.list_(session)
    assert found.state == state
    if step == "asked":
        assert ask(session) == found.approval_id
    else:
        use(session, granted(session))


def run_killed(step: str, key_file: str, approver_login: str) -> int:
    command = [sys.executable, __file__, step, key_file, approver_login]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.run(command, env=environ, check=False, timeout=60).returncode


def test_an_altered_answer_is_worth_nothing(
    session: Session, operator: Session, anna: Approver, admin: psycopg.Connection[Any]
) -> None:
    """A superuser may change every row: what luactl goes by is the signature."""
    denied = ask(operator)
    anna.deny(denied)
    admin.execute("UPDATE lua.approval_answer SET granted = true")
    assert approval.find(session, denied).state == "broken"
    with pytest.raises(RefusedError, match="somebody changed the row"):
        approval.demand(operator, WANT)


def test_an_answer_to_one_request_is_none_to_another(
    session: Session, operator: Session, anna: Approver, admin: psycopg.Connection[Any]
) -> None:
    first = ask(operator)
    anna.grant(first)
    second = ask(operator, changed(target="erasure smile 77aa"))
    admin.execute("UPDATE lua.approval_answer SET approval_id = %s", (second,))
    assert approval.find(session, second).state == "broken"


def test_a_request_whose_bytes_were_changed_is_not_the_one_that_was_signed(
    session: Session, operator: Session, anna: Approver, admin: psycopg.Connection[Any]
) -> None:
    request = ask(operator)
    anna.grant(request)
    admin.execute(
        "UPDATE lua.approval SET request ="
        " convert_to(replace(convert_from(request, 'UTF8'), '1000', '9999'), 'UTF8')"
    )
    assert approval.find(session, request).state == "broken"


def test_a_grant_without_a_signature_is_found(
    session: Session, operator: Session, anna: Approver, admin: psycopg.Connection[Any]
) -> None:
    request = ask(operator)
    admin.execute(
        "INSERT INTO lua.approval_answer VALUES (%s, %s, true, 'x', 'postgres', now(), gen_random_uuid())",
        (request, str(anna.signer.verifier)),
    )
    with pytest.raises(RefusedError, match="somebody changed the row"):
        approval.demand(operator, WANT)


def test_an_outside_approver_signs_a_file(session: Session, operator: Session, tmp_path: Path) -> None:
    signer, request = outsider(session, tmp_path), ask(operator)
    approval.export(operator, request, tmp_path / "request.json")
    said = approval.sign_file(tmp_path / "request.json", signer, tmp_path / "answer", granted=True)
    assert (said.id, said.summary) == (request, WANT.summary)
    assert approval.import_(operator, tmp_path / "answer").state == "granted"
    assert granted(operator).approved_by == ("kanzlei.hell",)
    with pytest.raises(RefusedError, match="not waiting for an answer"):
        approval.import_(operator, tmp_path / "answer")
    with pytest.raises(RefusedError, match="is there already"):
        approval.export(operator, request, tmp_path / "request.json")


def test_a_file_that_was_altered_or_is_of_a_stranger_is_refused(
    session: Session, operator: Session, tmp_path: Path
) -> None:
    signer, request = outsider(session, tmp_path), ask(operator)
    stranger, _file = key(tmp_path, "stranger")
    approval.export(operator, request, tmp_path / "request.json")
    approval.sign_file(tmp_path / "request.json", stranger, tmp_path / "strange", granted=True)
    with pytest.raises(RefusedError, match="of no registered key"):
        approval.import_(operator, tmp_path / "strange")
    approval.sign_file(tmp_path / "request.json", signer, tmp_path / "denied", granted=False)
    text = (tmp_path / "denied").read_text()
    (tmp_path / "altered").write_text(text.replace("\ndenied\n", "\ngranted\n"))
    with pytest.raises(RefusedError, match="or does not verify"):
        approval.import_(operator, tmp_path / "altered")
    forged = text.replace('"rows":20', '"rows":99')
    (tmp_path / "forged").write_text(forged)
    with pytest.raises(RefusedError, match="another request than the one on record"):
        approval.import_(operator, tmp_path / "forged")
    (tmp_path / "nonsense").write_text("hello\n")
    with pytest.raises(LuactlError):
        approval.import_(operator, tmp_path / "nonsense")
    assert approval.find(operator, request).answers == ()


def test_an_outside_key_counts_only_where_the_rule_says_so(
    session: Session, operator: Session, tmp_path: Path
) -> None:
    approval.set_rule(session, "erasure.run", roles=["lua_dpo"])
    signer, request = outsider(session, tmp_path), ask(operator)
    approval.export(operator, request, tmp_path / "request.json")
    approval.sign_file(tmp_path / "request.json", signer, tmp_path / "answer", granted=True)
    with pytest.raises(RefusedError, match="is one of lua_dpo"):
        approval.import_(operator, tmp_path / "answer")


def test_a_rule_that_is_lowered_changes_nothing_that_is_out(
    session: Session, operator: Session, anna: Approver
) -> None:
    approval.set_rule(session, "erasure.run", approvals=2)
    request = ask(operator)
    approval.set_rule(session, "erasure.run", approvals=1)
    assert anna.grant(request).state == "waiting"


ATTACKS = (
    "UPDATE lua.approval SET finished_at = NULL",
    "DELETE FROM lua.approval_answer",
    "INSERT INTO lua.approver_key VALUES ('x', 'x', '{}', 'x', now(), gen_random_uuid())",
    "UPDATE lua.approval_rule SET approvals = 0",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_raw_sql_writes_no_row(session: Session, attack: str) -> None:
    """Even with every group role at once: rows are written by functions alone."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege), transaction(session) as conn:
        conn.execute(attack)


def test_a_request_is_what_it_says(operator: Session, admin: psycopg.Connection[Any]) -> None:
    """Nobody asks in another's name, nor beyond the rule, nor shows one thing and has another signed."""
    request = ask(operator)
    row = admin.execute("SELECT request, requested_at, expires_at FROM lua.approval").fetchone()
    assert row is not None
    forgeries = (
        (f'"requested_by":"{operator.actor}"', '"requested_by":"anna"'),
        ('"rows":20', '"rows":99999'),
        ('"action":"erasure.run"', '"action":"retention.purge"'),
    )
    for old, new in forgeries:
        forged = bytes(row[0]).decode().replace(old, new).replace(str(request), f"{request}"[:-4] + "0000")
        assert new in forged
        with pytest.raises(psycopg.errors.CheckViolation), transaction(operator) as conn:
            conn.execute(
                "SELECT lua.request_approval(%s, %s, %s, %s, gen_random_uuid())",
                (f"{request}"[:-4] + "0000", forged.encode(), row[1], row[2]),
            )


def test_the_command_line(session: Session, operator: Session, cli: Any, home: Any, tmp_path: Path) -> None:
    made = json.loads(cli("approval", "key", "init", "--name", "hell", "-o", "json").stdout)["data"]
    assert Path(made["file"]) == home.paths.keys / "approver.key"
    added = cli("approval", "key", "add", made["vkey"], "--person", "Kanzlei Hell", "--outside", "-o", "json")
    assert added.returncode == 0, added.stderr
    assert cli("approval", "key", "add", made["vkey"], "--person", "Kanzlei Hell").returncode == 2
    request = str(ask(operator))
    listed = json.loads(cli("approval", "list", "--open", "-o", "json").stdout)["data"]
    assert [one["approval_id"] for one in listed] == [request]
    file = str(tmp_path / "request.json")
    assert cli("approval", "export", request, file).returncode == 0
    assert cli("approval", "sign", file).returncode == 2
    signed = cli("approval", "sign", file, "--yes")
    assert signed.returncode == 0, signed.stderr
    imported = cli("approval", "import", f"{file}.signed", "-o", "json")
    assert json.loads(imported.stdout)["data"]["state"] == "granted"
    shown = cli("approval", "show", request)
    assert "Kanzlei Hell granted it" in shown.stderr
    assert cli("approval", "grant", request, "--yes").returncode == 5
    rules = json.loads(cli("approval", "rule", "list", "-o", "json").stdout)["data"]
    assert {one["action"] for one in rules} >= {"erasure.run", "hold.release", "tenant.terminate"}
    lowered = ("approval", "rule", "set", "erasure.run", "--approvals", "0")
    assert cli(*lowered).returncode == 2
    assert cli(*lowered, "--yes").returncode == 0
    assert cli("approval", "key", "revoke", made["vkey"], "--yes").returncode == 0


def main(step: str, key_file: str, approver_login: str) -> None:
    """The process that `run_killed` starts."""
    from luactl.config import load_profile
    from luactl.connect import dial, open_session
    from luactl.db import Session as Opened

    def die(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_session("test", command="test") as session:
        request = ask(session)
        die("asked")
        profile = load_profile("test", dict(os.environ))
        dsn = profile.dsn.replace(session.actor, approver_login)
        conn = dial(dsn, passfile=profile.passfile, profile="test", command="test")
        officer = Opened(conn, approver_login, session.clock, profile, "test")
        approval.answer(officer, request, approval.load(Path(key_file)), granted=True)
        die("granted")
        with transaction(session):
            approval.use(session, _granted(session, request))
            die("used")


if __name__ == "__main__":
    main(*sys.argv[1:])
