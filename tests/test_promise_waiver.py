"""Waivers, and the command line of promises as a person or a cron job meets it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from conftest import Connection
from support_erasure import practice
from support_whole import changes, snapshot

from luactl import promise
from luactl.clock import FixedClock
from luactl.db import Session
from luactl.errors import LuactlError, NotFoundError, UsageError

PAGE = promise.load()
RETENTION = PAGE.clause("10.1")
Cli = Callable[..., subprocess.CompletedProcess[str]]
VERDICT = {
    "id", "promise", "state", "why", "probe", "attempts", "broken", "unseen", "evidence", "waiver",
}  # fmt: skip


def state(session: Session, clause: promise.Clause = RETENTION) -> promise.Verdict:
    (verdict,) = promise.prove(session, PAGE, [clause]).promises
    return verdict


def soon(session: Session, days: float = 30) -> datetime:
    return session.clock.now() + timedelta(days=days)


def test_a_waiver_excuses_what_is_broken_and_hides_nothing(session: Session) -> None:
    practice(session)
    before = state(session)
    made = promise.waive(session, PAGE, RETENTION, " purge is being mended ", soon(session))
    after = state(session)
    assert (before.state, after.state) == ("broken", "waived")
    assert after.broken == before.broken
    assert after.waiver == made
    assert after.why.startswith(
        f"by {session.actor} until {soon(session):%Y-%m-%d}: purge is being mended; broken: "
    )


def test_a_waiver_excuses_what_nobody_looks_at_and_leaves_what_is_kept(session: Session) -> None:
    practice(session)
    kept, silent = PAGE.clause("1.6"), PAGE.clause("8.1")
    for clause in (kept, silent):
        promise.waive(session, PAGE, clause, "audit of May", soon(session))
    assert (state(session, kept).state, state(session, silent).state) == ("kept", "waived")


def test_a_waiver_ends_by_itself_and_can_be_given_anew(session: Session, admin: Connection) -> None:
    practice(session)
    made = promise.waive(session, PAGE, RETENTION, "mending", soon(session))
    with pytest.raises(LuactlError, match=r"10\.1 is waived already by"):
        promise.waive(session, PAGE, RETENTION, "again", soon(session, 60))
    at_end = replace(session, clock=FixedClock(made.valid_until))
    assert state(at_end).state == "broken"
    with pytest.raises(NotFoundError):
        promise.unwaive(at_end, PAGE, RETENTION)
    promise.waive(at_end, PAGE, RETENTION, "again", made.valid_until + timedelta(days=1))
    assert state(at_end).state == "waived"
    rows = admin.execute("SELECT reason, ended_at IS NULL FROM lua.waiver ORDER BY waived_at").fetchall()
    assert rows == [("mending", False), ("again", True)]


def test_a_waiver_can_be_taken_back(session: Session) -> None:
    practice(session)
    made = promise.waive(session, PAGE, RETENTION, "mending", soon(session))
    assert promise.unwaive(session, PAGE, RETENTION, dry_run=True) == made
    assert state(session).state == "waived"
    assert promise.unwaive(session, PAGE, RETENTION) == made
    assert state(session).state == "broken"
    with pytest.raises(NotFoundError, match=r"no waiver of 10\.1 is in force"):
        promise.unwaive(session, PAGE, RETENTION)


def test_a_waiver_belongs_to_one_page(session: Session) -> None:
    promise.waive(session, PAGE, RETENTION, "mending", soon(session))
    other = replace(PAGE, name="Kolibri")
    (verdict,) = promise.prove(session, other, [RETENTION]).promises
    assert (verdict.state, verdict.waiver) == ("not observable", None)


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 501])
def test_a_waiver_needs_a_reason(session: Session, reason: str) -> None:
    with pytest.raises(UsageError, match="the reason must be one line"):
        promise.waive(session, PAGE, RETENTION, reason, soon(session))


def test_a_waiver_needs_an_end_to_come(session: Session) -> None:
    with pytest.raises(UsageError, match="which is past"):
        promise.waive(session, PAGE, RETENTION, "mending", session.clock.now())


@pytest.mark.parametrize(
    "role", ["lua_admin", "lua_operator", "lua_responder", "lua_auditor", "lua_accounting"]
)
def test_who_runs_the_systems_excuses_nothing(login: Callable[..., Session], role: str) -> None:
    person = login(role)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        promise.waive(person, PAGE, RETENTION, "mending", soon(person))


def test_nobody_waives_in_anothers_name(login: Callable[..., Session]) -> None:
    officer = login("lua_dpo")
    promise.waive(officer, PAGE, RETENTION, "mending", soon(officer))
    for attempt in ("UPDATE lua.waiver SET waived_by = 'x'", "UPDATE lua.waiver SET valid_until = 'infinity'",
                    "DELETE FROM lua.waiver", "INSERT INTO lua.waiver (waived_by) VALUES ('x')"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            officer.conn.execute(attempt.encode())


def test_change_and_record_are_one(session: Session, admin: Connection) -> None:
    before = snapshot(admin)
    promise.waive(session, PAGE, RETENTION, "mending", soon(session), dry_run=True)
    assert changes(before, snapshot(admin)) == []
    promise.waive(session, PAGE, RETENTION, "mending", soon(session))
    found = {(one.table, one.how): one.fields for one in changes(before, snapshot(admin))}
    assert set(found) == {("lua.waiver", "insert"), ("ledger.entry", "insert"), ("ledger.pending", "insert")}
    entry = found["ledger.entry", "insert"]
    assert (entry["action"], entry["object"]) == ("promise.waive", "promise:10.1")
    assert found["lua.waiver", "insert"]["entry_id"] == entry["id"]


def test_prove_on_the_command_line(cli: Cli, session: Session) -> None:
    practice(session)
    fine = cli("promise", "prove", "1.6", "1.1", "-o", "json")
    assert fine.returncode == 0, fine.stderr
    said = json.loads(fine.stdout)
    assert set(said["data"]) == {"page", "at", "entry_id", "counts", "promises"}
    assert [set(one) for one in said["data"]["promises"]] == [VERDICT, VERDICT]
    assert [(one["id"], one["state"]) for one in said["data"]["promises"]] == [
        ("1.1", "kept"),
        ("1.6", "kept"),
    ]
    assert said["notes"] == ["2 kept"]
    broken = cli("promise", "prove", "--all")
    assert broken.returncode == 6
    assert "10.1" in broken.stdout
    assert " broken" in broken.stderr
    assert cli("promise", "prove", "99").returncode == 1


def test_waive_on_the_command_line(cli: Cli, session: Session) -> None:
    practice(session)
    day = f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}"
    waive = ("promise", "waive", "10.1", "--reason", "mending", "--until", day)
    assert cli(*waive).returncode == 2, "without a terminal nobody is asked"
    assert "nothing was changed" in cli(*waive, "--dry-run").stderr
    assert cli("promise", "prove", "10.1").returncode == 6
    assert cli(*waive, "--yes").returncode == 0
    assert cli("promise", "prove", "10.1").returncode == 0
    assert cli("promise", "unwaive", "10.1", "--yes").returncode == 0
    assert cli("promise", "prove", "10.1").returncode == 6
    assert cli("promise", "waive", "10.1", "--reason", "x", "--until", "soon", "--yes").returncode == 2


REVOKE_APPEND = """DO $$ BEGIN EXECUTE format(
    'REVOKE EXECUTE ON FUNCTION %s FROM lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo,'
    ' lua_accounting',
    'ledger.append'::regproc::oid::regprocedure); END $$"""


def test_a_ledger_that_cannot_be_written_proves_nothing(session: Session, admin: Connection) -> None:
    admin.execute(REVOKE_APPEND)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        state(session)
    row = admin.execute("SELECT count(*) FROM ledger.entry WHERE action = 'promise.prove'").fetchone()
    assert row == (0,)
