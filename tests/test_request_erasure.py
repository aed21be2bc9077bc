"""An erasure that carries out a person's own request: what it needs, what it certifies, what is left."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Connection
from hypothesis import given
from hypothesis import strategies as st
from support_erasure import KILLED, person, practice, run_killed
from support_hold import put
from support_whole import luactl

from luactl import erasure, hold, request
from luactl.certificate import canonical
from luactl.clock import instant
from luactl.db import Session
from luactl.errors import BusyError, NotFoundError, RefusedError, UsageError
from luactl.request.stating import problems
from luactl.request.term import EXTENDED, MONTHS, day_of, end, over_at
from luactl.tenant import Tenant
from luactl.verify import verify_folder

HOW = "wrote from the address on record"


@pytest.fixture
def smile(session: Session) -> Tenant:
    return practice(session)


def asked(
    session: Session, smile: Tenant, number: str | None = "1", right: str = "erasure", **options: Any
) -> request.Request:
    """Record a request of yesterday, and say whose it is."""
    options = {"received_at": session.clock.now() - timedelta(days=1), **options}
    made = request.add(session, smile, request.prepare(session, right, f"T-{number}", **options))
    assert isinstance(made, request.Request)
    if number is None:
        return made
    return request.identify(session, made, person(session, smile, number), HOW, note="asks to be forgotten")


def run(session: Session, smile: Tenant, found: request.Request, base: Path) -> erasure.ErasureResult:
    return erasure.run(session, erasure.plan_request(session, smile, found.request_id), base)


def certificate(done: erasure.ErasureResult) -> dict[str, Any]:
    stated: dict[str, Any] = json.loads((Path(done.certificate) / "certificate.json").read_text())
    return stated


def test_it_is_answered_with_the_outcome_and_names_the_certificate(
    session: Session, smile: Tenant, admin: Connection, tmp_path: Path
) -> None:
    found = asked(session, smile)
    done = run(session, smile, found, tmp_path)
    now = request.find(session, found.request_id)
    assert (now.state, now.erasure_id, now.closed_by) == ("answered", done.erasure_id, session.actor)
    assert (now.subject_id, now.has_note, now.overdue) == (None, False, False)
    stated = certificate(done)
    assert stated["request"] == {
        "id": str(found.request_id),
        "right": "erasure",
        "article": "Art. 17 GDPR",
        "received_at": instant(found.received_at),
        "received_by": "tenant",
        "handed_on_at": None,
        "extended": False,
        "due_on": end(day_of(found.received_at)).isoformat(),
        "answered_at": stated["completed_at"],
        "in_time": True,
    }
    assert stated["instruction"] == f"request {found.request_id}"
    digest = ledger_detail(admin, "erasure.run")["certificate"]
    assert now.outcome == f"certificate of erasure {done.erasure_id}, SHA-256 {digest}"
    assert ledger_detail(admin, "request.close") == {
        "outcome": "answered", "erasure": str(done.erasure_id), "certificate": digest
    }  # fmt: skip
    assert verify_folder(Path(done.certificate)).ok
    assert erasure.verify(session, done.erasure_id).ok


def ledger_detail(admin: Connection, action: str) -> dict[str, Any]:
    rows = admin.execute("SELECT body FROM ledger.entry WHERE action = %s", (action,)).fetchall()
    [body] = [body for row in rows if (body := json.loads(row[0]))["outcome"] == "done"]
    detail: dict[str, Any] = body["detail"]
    return detail


def test_nothing_that_is_left_leads_from_the_request_to_the_person(
    session: Session, smile: Tenant, admin: Connection, tmp_path: Path
) -> None:
    found, who = asked(session, smile), person(session, smile)
    run(session, smile, found, tmp_path)
    row = admin.execute("SELECT to_jsonb(r)::text FROM lua.request r").fetchone()
    assert row is not None
    assert str(who) not in row[0]
    assert json.loads(row[0])["personal"] is None
    bodies = [bytes(one[0]) for one in admin.execute("SELECT body FROM ledger.entry")]
    assert not [body for body in bodies if str(who).encode() in body]


def test_document_and_pdf_print_request_and_clock(session: Session, smile: Tenant, tmp_path: Path) -> None:
    found = request.extend(session, asked(session, smile), "many files")
    done = run(session, smile, found, tmp_path / "certificates")
    text = (Path(done.certificate) / "certificate.md").read_text()
    assert f"| Request of the person | {found.request_id}, right of erasure (Art. 17 GDPR) |" in text
    assert f"| Received | {instant(found.received_at)} by the tenant |" in text
    assert f"one month, extended until {found.due_on}; answered " in text
    pdf = erasure.write_pdf(erasure.find(session, done.erasure_id), tmp_path / "c.pdf")
    assert pdf.read_bytes().startswith(b"%PDF")


def test_again_it_is_certified_anew_and_answered_once(
    session: Session, smile: Tenant, admin: Connection, tmp_path: Path
) -> None:
    found = asked(session, smile)
    first = run(session, smile, found, tmp_path)
    again = run(session, smile, found, tmp_path)
    assert (again.outcome, again.erasure_id) == ("already erased", first.erasure_id)
    assert ledger_detail(admin, "request.close")["erasure"] == str(first.erasure_id)
    assert verify_folder(Path(again.certificate)).ok


@pytest.mark.parametrize("step", ["epoch committed", "read back", "outcome written"])
def test_cut_short_it_is_finished_and_nobody_else_changes_the_request_meanwhile(
    session: Session, smile: Tenant, tmp_path: Path, step: str
) -> None:
    found = asked(session, smile)
    assert run_killed(step, "erase-request", "smile", str(found.request_id), str(tmp_path)) == KILLED
    between = request.find(session, found.request_id)
    assert between.erasure_id is not None
    assert not between.has_note
    with pytest.raises(RefusedError, match="is not open" if step == "outcome written" else "is carrying out"):
        request.close(session, between, "withdrawn", "by phone")
    done = run(session, smile, found, tmp_path)
    now = request.find(session, found.request_id)
    assert (now.state, now.erasure_id, now.subject_id) == ("answered", done.erasure_id, None)
    assert certificate(done)["request"]["id"] == str(found.request_id)


def test_what_was_cut_short_is_answered_by_resume_too(
    session: Session, smile: Tenant, tmp_path: Path
) -> None:
    found = asked(session, smile)
    assert (
        run_killed("epoch committed", "erase-request", "smile", str(found.request_id), str(tmp_path))
        == KILLED
    )
    [begun] = erasure.begun(session, smile)
    erasure.resume(session, "smile", begun, tmp_path)
    assert request.find(session, found.request_id).state == "answered"


def test_what_it_needs(session: Session, smile: Tenant) -> None:
    other = practice(session, "other")
    found = asked(session, smile)
    for tenant, one, what in (
        (other, found, "is another tenant's"),
        (smile, asked(session, smile, "2", "access"), "asks for access"),
        (smile, asked(session, smile, None), "nobody knows yet whose"),
        (
            smile,
            request.close(session, asked(session, smile, "3"), "withdrawn", "by phone"),
            "is closed: withdrawn",
        ),
    ):
        with pytest.raises(RefusedError, match=what):
            erasure.plan_request(session, tenant, one.request_id)
    with pytest.raises(UsageError, match="another person's"):
        erasure.plan_request(session, smile, found.request_id, subject_id=person(session, smile, "2"))
    with pytest.raises(NotFoundError):
        erasure.plan_request(session, smile, person(session, smile))


def test_what_reached_the_processor_needs_the_tenants_word(
    session: Session, smile: Tenant, tmp_path: Path
) -> None:
    now = session.clock.now()
    found = asked(session, smile, received_at=now - timedelta(hours=3), handed_on_at=now - timedelta(hours=2))
    with pytest.raises(RefusedError, match="the tenant says"):
        erasure.plan_request(session, smile, found.request_id)
    plan = erasure.plan_request(session, smile, found.request_id, instruction="mail of today")
    stated = certificate(erasure.run(session, plan, tmp_path))
    assert (stated["instruction"], stated["request"]["received_by"]) == ("mail of today", "processor")
    assert stated["request"]["handed_on_at"] == instant(now - timedelta(hours=2))


def test_who_was_erased_on_another_order_is_said_so(session: Session, smile: Tenant, tmp_path: Path) -> None:
    found = asked(session, smile)
    done = erasure.run(session, erasure.plan(session, smile, person(session, smile), "ticket 4711"), tmp_path)
    assert certificate(done)["request"] is None
    with pytest.raises(RefusedError, match=f"by erasure {done.erasure_id}") as error:
        erasure.plan_request(session, smile, found.request_id)
    assert "request close" in str(error.value.hint)


def test_a_held_person_stays_and_so_does_the_request(session: Session, smile: Tenant, tmp_path: Path) -> None:
    found = asked(session, smile)
    placed = put(session, smile, person(session, smile))
    with pytest.raises(RefusedError, match="held") as error:
        run(session, smile, found, tmp_path)
    assert f"request {found.request_id} stays open" in str(error.value.hint)
    waits = request.find(session, found.request_id)
    assert (waits.state, waits.held, waits.erasure_id) == ("open", (placed.hold_id,), None)
    hold.release(session, smile, [placed], "settled")
    run(session, smile, found, tmp_path)
    assert request.find(session, found.request_id).state == "answered"


def test_a_request_that_changes_after_the_plan_erases_nobody(
    session: Session, smile: Tenant, tmp_path: Path
) -> None:
    found = asked(session, smile)
    plan = erasure.plan_request(session, smile, found.request_id)
    request.identify(session, found, person(session, smile, "2"), HOW)
    with pytest.raises(BusyError, match="nobody was erased"):
        erasure.run(session, plan, tmp_path)
    request.close(session, found, "withdrawn", "by phone")
    with pytest.raises(BusyError, match="nobody was erased"):
        erasure.run(session, plan, tmp_path)
    assert erasure.list_(session, smile) == ()
    assert len(erasure.everybody(session, smile)) == 3


def test_a_plan_on_record_keeps_its_request(session: Session, smile: Tenant, tmp_path: Path) -> None:
    found = asked(session, smile)
    kept = erasure.keep(session, erasure.plan_request(session, smile, found.request_id))
    again = erasure.kept(session, kept.plan_id)
    assert (kept.request, again.saved.request) == (found.request_id, found.request_id)
    seen = erasure.preview(session, kept.plan_id)
    assert (seen.problem, seen.drift) == (None, ())
    assert seen.now is not None
    erasure.run(session, seen.now, tmp_path)
    assert request.find(session, found.request_id).state == "answered"


def test_the_plan_tells_of_others_that_are_open(session: Session, smile: Tenant) -> None:
    found = asked(session, smile)
    assert erasure.plan_request(session, smile, found.request_id).other_requests == 0
    other = asked(session, smile, "1", "access")
    plan = erasure.plan_request(session, smile, found.request_id)
    assert plan.other_requests == 1
    assert erasure.plan(session, smile, person(session, smile), "ticket 1").other_requests == 2
    request.close(session, other, "answered", "letter")
    assert erasure.plan_request(session, smile, found.request_id) == replace(plan, other_requests=0)


def test_the_plan_is_bound_to_the_request(session: Session, smile: Tenant) -> None:
    found = asked(session, smile)
    by_request = erasure.plan_request(session, smile, found.request_id)
    by_word = erasure.plan(session, smile, person(session, smile), by_request.instruction)
    assert by_request.request == found.request_id
    assert by_request.digest != by_word.digest


def test_the_database_binds_and_answers_no_other_request(
    session: Session, smile: Tenant, admin: Connection, tmp_path: Path
) -> None:
    found, other = asked(session, smile), asked(session, smile, "2")
    done = run(session, smile, found, tmp_path)
    for call in ("bind_request(%s, %s, %s)", "answer_request(%s, %s, 'x', now())"):
        arguments = [smile.tenant_id, other.request_id, done.erasure_id][: call.count("%s")]
        if "bind" in call:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="does not ask for"):
                admin.execute(f"SELECT lua.{call}", arguments)
        else:
            assert admin.execute(f"SELECT lua.{call}", arguments).fetchone() == (None,)
    assert request.find(session, other.request_id).state == "open"


def test_the_commands(session: Session, smile: Tenant, tmp_path: Path) -> None:
    found = str(asked(session, smile).request_id)
    T = ("--tenant", "smile", "--request", found)
    plan = luactl("erasure", "plan", *T, "-o", "json")
    assert (plan.code, json.loads(plan.out)["data"]["request"]) == (0, found)
    (tmp_path / "plan.json").write_text(plan.out)
    assert f"answers request {found}" in luactl("erasure", "plan", *T).err
    for wrong in (("--all",), ("--category", "interaction"), ("--class", "special"), ("--file", "-")):
        assert luactl("erasure", "run", *T, *wrong, "--yes").code == 2
    assert luactl("erasure", "plan", "--tenant", "smile", "--all").code == 2
    saved = ("--tenant", "smile", "--plan", str(tmp_path / "plan.json"))
    assert luactl("erasure", "run", *saved, "--request", found, "--yes").code == 2
    done = luactl("erasure", "run", *saved, "--yes", "-o", "json")
    assert done.code == 0, done.err
    assert luactl("verify", done.data["certificate"]).code == 0
    assert json.loads(luactl("request", "show", found, "-o", "json").out)["data"]["state"] == "answered"


GOOD = {
    "id": "0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55", "right": "erasure", "article": "Art. 17 GDPR",
    "received_at": "2026-11-20T09:00:00Z", "received_by": "tenant", "handed_on_at": None, "extended": False,
    "due_on": "2026-12-21", "answered_at": "2026-12-21T23:59:59Z", "in_time": True,
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"due_on": "2026-12-18"},
        {"due_on": "2027-01-21"},
        {"extended": True},
        {"in_time": False},
        {"answered_at": "2026-12-22T00:00:00Z"},
        {"answered_at": "2026-11-19T00:00:00Z"},
        {"right": "access"},
        {"received_by": "somebody"},
        {"received_at": "2026-11-20"},
        {"received_at": 7},
        {"id": "T-12"},
        {"due_on": None},
    ],
)
def test_facts_that_cannot_be_true_are_found(change: dict[str, Any]) -> None:
    assert problems(GOOD, GOOD["answered_at"]) == []
    stated = {**GOOD, **change}
    assert problems(stated, stated["answered_at"]) != []
    assert problems({key: one for key, one in GOOD.items() if key != next(iter(change))}, GOOD["answered_at"])


def test_an_answer_at_another_time_than_the_act_is_found() -> None:
    assert problems(GOOD, "2026-12-20T00:00:00Z") != []
    assert problems("a request", GOOD["answered_at"]) != []


@given(st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1)), st.booleans(), st.integers(0, 200 * 86400))
def test_facts_of_any_request_agree_with_themselves(received: datetime, extended: bool, after: int) -> None:
    from datetime import UTC

    start = received.replace(tzinfo=UTC, microsecond=0)
    due, answered = end(day_of(start), EXTENDED if extended else MONTHS), start + timedelta(seconds=after)
    stated = GOOD | {
        "received_at": instant(start), "extended": extended, "due_on": due.isoformat(),
        "answered_at": instant(answered), "in_time": answered < over_at(due),
    }  # fmt: skip
    assert problems(json.loads(canonical(stated)), instant(answered)) == []
