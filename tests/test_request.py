"""The register of requests in a real database: clocks, states, notes, and who may do what."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from conftest import Connection
from support_erasure import erase, person, practice
from support_hold import put
from support_whole import luactl

from luactl import erasure, request, subject, tenant
from luactl.clock import FixedClock
from luactl.db import Session, transaction
from luactl.errors import LuactlError, NotFoundError, RefusedError, UsageError
from luactl.request.note import sealer_of
from luactl.request.term import day_of, end
from luactl.tenant import Tenant

RECEIVED = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
HOW = "wrote from the address on record"
NOTE = "Nele Ångström asks by mail: nele@praxis.example"


@pytest.fixture
def smile(session: Session) -> Tenant:
    return practice(session)


@pytest.fixture
def then(session: Session) -> Session:
    """The session on the day after a request came in."""
    return at(session, RECEIVED + timedelta(days=1))


def at(session: Session, moment: datetime) -> Session:
    return replace(session, clock=FixedClock(moment))


def add(
    session: Session, smile: Tenant, right: str = "erasure", reference: str = "T-12", **options: Any
) -> request.Request:
    new = request.prepare(session, right, reference, **{"received_at": RECEIVED, **options})
    made = request.add(session, smile, new)
    assert isinstance(made, request.Request)
    return made


def again(session: Session, found: request.Request) -> request.Request:
    return request.find(session, found.request_id)


def entries(admin: Connection) -> list[dict[str, Any]]:
    rows = admin.execute("SELECT body FROM ledger.entry WHERE action LIKE 'request.%' ORDER BY id").fetchall()
    return [json.loads(row[0]) for row in rows]


def test_a_request_has_a_clock_from_its_receipt(then: Session, smile: Tenant, admin: Connection) -> None:
    made = add(then, smile)
    assert (made.state, made.due_on, made.first_due_on) == ("open", date(2026, 12, 21), date(2026, 12, 21))
    assert (made.overdue, made.days_left, made.recorded_by) == (False, 30, then.actor)
    [entry] = entries(admin)
    assert (entry["action"], entry["object"]) == ("request.add", f"request:{made.request_id}")
    assert entry["detail"]["due_on"] == "2026-12-21"


@pytest.mark.parametrize(
    ("moment", "overdue", "days"),
    [
        (datetime(2026, 12, 21, 23, 59, 59, tzinfo=UTC), False, 0),
        (datetime(2026, 12, 22, tzinfo=UTC), True, -1),
    ],
)
def test_it_is_overdue_when_its_last_day_is_over(
    then: Session, smile: Tenant, moment: datetime, overdue: bool, days: int
) -> None:
    made = add(then, smile)
    now = again(at(then, moment), made)
    assert (now.overdue, now.days_left) == (overdue, days)
    assert tenant.show(at(then, moment), "smile").overdue_requests == overdue
    assert tenant.show(at(then, moment), "smile").open_requests == 1


def test_the_same_again_stays_the_one_it_is(then: Session, smile: Tenant, admin: Connection) -> None:
    made = add(then, smile)
    assert add(then, smile) == made
    assert len(entries(admin)) == 1
    assert add(then, smile, "access").request_id != made.request_id
    with pytest.raises(LuactlError, match="of another day or channel"):
        add(then, smile, channel="phone")


def test_what_reached_the_processor_was_handed_on(then: Session, smile: Tenant) -> None:
    made = add(then, smile, channel="email", handed_on_at=RECEIVED + timedelta(hours=2))
    assert (made.received_by, made.due_on) == ("processor", date(2026, 12, 21))
    with pytest.raises(UsageError, match="before it was received"):
        add(then, smile, "access", handed_on_at=RECEIVED - timedelta(hours=2))


def test_times_to_come_are_none(then: Session, smile: Tenant) -> None:
    with pytest.raises(UsageError, match="still to come"):
        add(then, smile, received_at=RECEIVED + timedelta(days=2))
    made = add(then, smile)
    with pytest.raises(UsageError, match="still to come"):
        request.close(then, made, "answered", "letter", at=RECEIVED + timedelta(days=2))
    with pytest.raises(UsageError, match="before it came in"):
        request.close(then, made, "answered", "letter", at=RECEIVED - timedelta(days=2))
    for words in ({"right": "oblivion"}, {"channel": "pigeon"}):
        with pytest.raises(UsageError, match="there is no"):
            add(then, smile, **words)


def test_an_extension_is_told_within_the_first_month_and_only_once(
    then: Session, smile: Tenant, admin: Connection
) -> None:
    made = add(then, smile)
    late = at(then, datetime(2026, 12, 22, tzinfo=UTC))
    with pytest.raises(RefusedError, match="can no longer be extended"):
        request.extend(late, made, "many files")
    done = request.extend(late, made, "many files", told_at=datetime(2026, 12, 21, 23, 59, tzinfo=UTC))
    assert (done.state, done.due_on, done.first_due_on) == ("extended", date(2027, 2, 22), date(2026, 12, 21))
    assert (done.overdue, done.days_left) == (False, 62)
    with pytest.raises(RefusedError, match="was extended before"):
        request.extend(then, again(then, made), "even more files")
    assert sorted(one["action"] for one in entries(admin)) == ["request.add", "request.extend"]


def test_the_database_itself_holds_the_clock(then: Session, smile: Tenant, admin: Connection) -> None:
    made = add(then, smile)
    for change in (
        "due_on = due_on + 30",
        "due_on = due_on - 3",
        "due_on = '2026-12-26'",  # a Saturday
        "state = 'extended'",
        "state = 'answered'",
        "state = 'extended', extended_on = '2027-02-22', extension_reason = 'x', extended_by = 'x',"
        " told_at = '2026-12-22T00:00Z'",
        "handed_on_at = received_at",
        "closed_at = received_at",
        "erasure_id = gen_random_uuid()",
    ):
        with pytest.raises(psycopg.errors.IntegrityError):
            admin.execute(f"UPDATE lua.request SET {change}")
    assert again(then, made) == made


@pytest.mark.parametrize("state", ["answered", "refused", "withdrawn"])
def test_what_is_closed_stays_closed(then: Session, smile: Tenant, admin: Connection, state: str) -> None:
    made = add(then, smile)
    done = request.close(then, made, state, "letter of today")
    assert (done.state, done.closed_by, done.outcome) == (state, then.actor, "letter of today")
    assert (done.overdue, done.days_left) == (False, None)
    changes: list[Callable[[], Any]] = [
        lambda: request.close(then, made, "answered", "another letter"),
        lambda: request.extend(then, made, "many files"),
        lambda: request.identify(then, made, person(then, smile), HOW),
    ]
    for change in changes:
        with pytest.raises(RefusedError, match="is not open"):
            change()
    assert again(then, made) == done
    assert sorted(one["action"] for one in entries(admin)) == ["request.add", "request.close"]


def test_what_was_closed_late_says_so_for_ever(then: Session, smile: Tenant) -> None:
    made, late = add(then, smile), at(then, datetime(2026, 12, 22, tzinfo=UTC))
    assert request.close(late, made, "answered", "letter", dry_run=True).overdue
    assert not request.close(late, made, "answered", "letter", at=RECEIVED + timedelta(days=3)).overdue


def test_a_dry_run_shows_what_would_be_and_changes_nothing(
    then: Session, smile: Tenant, admin: Connection
) -> None:
    planned = request.add(
        then, smile, request.prepare(then, "access", "T-1", received_at=RECEIVED), dry_run=True
    )
    assert isinstance(planned, request.NewRequest)
    made, who = add(then, smile), person(then, smile)
    seen = [
        request.identify(then, made, who, HOW, note=NOTE, dry_run=True),
        request.extend(then, made, "many files", dry_run=True),
        request.close(then, made, "withdrawn", "by phone", dry_run=True),
    ]
    assert [one.state for one in seen] == ["open", "extended", "withdrawn"]
    assert again(then, made) == made
    assert len(entries(admin)) == 1


def test_overdue_ones_head_the_list_of_all_tenants(then: Session, smile: Tenant) -> None:
    other = practice(then, "other")
    late = add(then, other, reference="O-1", received_at=RECEIVED - timedelta(days=60))
    soon, closed = add(then, smile), add(then, smile, "access")
    request.close(then, closed, "answered", "letter")
    assert [one.request_id for one in request.open_(then)] == [late.request_id, soon.request_id]
    assert [(one.tenant, one.overdue) for one in request.open_(then)] == [("other", True), ("smile", False)]
    assert [one.request_id for one in request.list_(then, smile)] == [soon.request_id]
    every = request.list_(then, smile, closed=True)
    assert [one.request_id for one in every] == [soon.request_id, closed.request_id]


def test_a_note_is_sealed_and_its_reading_is_on_record(
    then: Session, smile: Tenant, admin: Connection
) -> None:
    made, who = add(then, smile), person(then, smile)
    done = request.identify(then, made, who, HOW, note=NOTE)
    assert (done.subject_id, done.identified_how, done.has_note, done.note) == (who, HOW, True, None)
    stored = admin.execute("SELECT personal FROM lua.request").fetchone()
    assert stored is not None
    assert b"Nele" not in stored[0]
    whole = admin.execute("SELECT r::text FROM lua.request r").fetchone()
    assert "Nele" not in str(whole)
    assert "Nele" not in str(entries(admin))
    with pytest.raises(UsageError, match="a purpose is needed"):
        request.opened(then, done, " ")
    assert request.opened(then, done, "answering").note == NOTE
    read = [
        json.loads(row[0]) for row in admin.execute("SELECT body FROM ledger.entry WHERE action = 'read'")
    ]
    [one] = [one for one in read if one["object"] == "table:lua.request"]
    assert (one["purpose"], one["tenant"]) == ("answering", smile.tenant_id)


def test_a_note_follows_its_person_under_a_newer_key(then: Session, smile: Tenant) -> None:
    made, who = add(then, smile), person(then, smile)
    done = request.identify(then, made, who, HOW, note=NOTE)
    rekeyed = subject.rekey(then, smile, who, purpose="test")
    assert rekeyed.rows["lua.request"] == 1
    assert request.opened(then, done, "answering").note == NOTE


def test_somebody_else_may_turn_out_to_be_meant(then: Session, smile: Tenant) -> None:
    made = add(then, smile)
    request.identify(then, made, person(then, smile, "1"), HOW, note=NOTE)
    done = request.identify(then, made, person(then, smile, "2"), "identity card")
    assert (done.subject_id, done.has_note) == (person(then, smile, "2"), False)
    with pytest.raises(NotFoundError):
        request.identify(then, made, made.request_id, HOW)


def test_whoever_is_erased_is_cut_from_every_closed_request(
    then: Session, smile: Tenant, admin: Connection, tmp_path: Path
) -> None:
    who = person(then, smile)
    closed, left = add(then, smile, "access"), add(then, smile, "objection")
    for one in (closed, left):
        request.identify(then, one, who, HOW, note=NOTE)
    request.close(then, closed, "answered", "letter")
    assert again(then, closed).subject_id == who
    done = erase(then, smile, who, tmp_path)
    now = again(then, closed)
    assert (now.subject_id, now.has_note, now.outcome) == (None, False, "letter")
    assert (now.identified_how, now.state) == (HOW, "answered")
    assert (again(then, left).subject_id, again(then, left).has_note) == (who, False)
    assert request.close(then, again(then, left), "refused", "nothing is there").subject_id is None
    with pytest.raises(RefusedError, match="is erased"):
        request.identify(then, add(then, smile, "restriction"), who, HOW)
    assert erasure.verify(then, done.erasure_id).ok
    admin.execute("UPDATE lua.request SET subject_id = %s WHERE request_id = %s", (who, closed.request_id))
    broken = erasure.verify(then, done.erasure_id)
    assert [one.check for one in broken.checks if one.state == "broken"] == ["its rows are gone"]


def test_a_note_that_was_sealed_for_somebody_erased_meanwhile_is_not_written(
    then: Session, smile: Tenant, tmp_path: Path
) -> None:
    made, who = add(then, smile), person(then, smile)
    sealed = sealer_of(then, made, who, NOTE)
    erase(then, smile, who, tmp_path)
    with transaction(then, smile.tenant_id), pytest.raises(RefusedError, match="has no key any more"):
        sealed()


def test_a_hold_is_told_by_the_request_that_waits_for_it(then: Session, smile: Tenant) -> None:
    made, who = add(then, smile), person(then, smile)
    request.identify(then, made, who, HOW)
    placed = put(then, smile, who)
    assert again(then, made).held == (placed.hold_id,)
    assert [one.held for one in request.open_(then)] == [True]
    assert [one.held for one in request.list_(then, smile)] == [True]


@pytest.mark.parametrize("role", ["lua_operator", "lua_dpo"])
def test_who_may_keep_the_register(
    then: Session, smile: Tenant, login: Callable[..., Session], role: str
) -> None:
    who, theirs = person(then, smile), replace(login(role), clock=then.clock)
    made = add(theirs, smile)
    assert request.identify(theirs, made, who, HOW, note=NOTE).identified_by == theirs.actor
    assert request.opened(theirs, again(theirs, made), "answering").note == NOTE
    assert request.extend(theirs, made, "many files").extended_by == theirs.actor
    assert request.close(theirs, made, "answered", "letter").closed_by == theirs.actor


@pytest.mark.parametrize("role", ["lua_admin", "lua_responder", "lua_auditor"])
def test_who_may_only_read_it(then: Session, smile: Tenant, login: Callable[..., Session], role: str) -> None:
    made = request.identify(then, add(then, smile), person(then, smile), HOW, note=NOTE)
    theirs = replace(login(role), clock=then.clock)
    assert again(theirs, made) == made
    assert len(request.open_(theirs)) == len(request.list_(theirs, smile, closed=True)) == 1
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        request.close(theirs, made, "answered", "letter")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), transaction(theirs, smile.tenant_id) as conn:
        conn.execute("SELECT personal FROM lua.request")


def test_nobody_writes_past_the_functions(
    then: Session, smile: Tenant, login: Callable[..., Session]
) -> None:
    add(then, smile)
    for role in ("lua_operator", "lua_dpo"):
        theirs = login(role)
        for attempt in (
            "UPDATE lua.request SET closed_at = now()",
            "UPDATE lua.request SET due_on = due_on + 1",
            "DELETE FROM lua.request",
            "INSERT INTO lua.request (tenant_id, request_id) SELECT tenant_id, request_id FROM lua.request",
        ):
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                transaction(theirs, smile.tenant_id) as conn,
            ):
                conn.execute(attempt)


def test_the_commands_tell_the_clock(then: Session, smile: Tenant) -> None:
    made = luactl("request", "add", "--tenant", "smile", "--right", "erasure", "--reference", "T-12",
                  "--received", "-3d", "-o", "json")  # fmt: skip
    assert made.code == 0
    day = day_of(datetime.fromisoformat(made.data["received_at"]))
    assert made.data["due_on"] == end(day).isoformat()
    assert json.loads(made.out)["notes"] == [request.calendar_note(day)]
    found = str(UUID(made.data["request_id"]))
    who = str(person(then, smile))
    done = luactl("request", "identify", found, "--subject", who, "--how", HOW, "--note", "-", "-o", "json",
                  stdin=NOTE.encode())  # fmt: skip
    assert (done.code, done.data["has_note"], done.data["note"]) == (0, True, None)
    shown = luactl("request", "show", found, "--purpose", "answering", "-o", "json")
    assert shown.data["note"] == NOTE
    listed = luactl("request", "list", "-o", "json")
    assert [one["request_id"] for one in listed.data] == [found]
    assert luactl("request", "list", "--closed").code == 2
    assert luactl("request", "close", found, "--outcome", "answered", "--reason", "letter").code == 2
    assert luactl("request", "close", found, "--outcome", "answered", "--reason", "x", "--yes").code == 0
    assert luactl("request", "close", found, "--outcome", "answered", "--reason", "x", "--yes").code == 5
