"""After an elevation: the sweep, broken glass and its alarm, and somebody else who looks at what was done."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from conftest import Connection, Home
from psycopg import sql
from support_elevation import ALARM, ORDER, Cast, add_person, approved, cast, entered, value
from support_key import add_subjects

from luactl import key
from luactl.access import elevation
from luactl.clock import ShiftedClock, SystemClock
from luactl.config import load_profile, load_profiles
from luactl.connect import enter
from luactl.db import Session
from luactl.errors import BusyError, RefusedError
from luactl.key import KeyClass
from luactl.key.rotate import plan_rotation, rotate
from luactl.log import detect
from luactl.promise import load, reviewing
from luactl.promise.look import Look
from luactl.staff import find, offboard, prepare_leaving
from luactl.tenant import show

Login = Callable[..., Session]
LOGINS = "SELECT count(*) FROM pg_roles WHERE rolname ~ ('^lua_e.*_' || left(md5(current_database()), 6))"


@pytest.fixture
def who(session: Session, login: Login, tmp_path: Path) -> Cast:
    return cast(session, login, tmp_path)


def begun(who: Cast, order: elevation.Order = ORDER) -> tuple[UUID, str]:
    made = approved(who, order) if not order.breaks_glass else elevation.elevate(who.mara, order)
    assert made.elevation_id is not None
    assert made.login is not None
    return made.elevation_id, made.login


def let_end(admin: Connection) -> None:
    """Let the time of every elevation be over, as a superuser who moves beginning and end."""
    for login, until in admin.execute(
        "SELECT login, ends_at - interval '1 day' FROM lua.elevation"
    ).fetchall():
        over = f"{login.rsplit('_', 2)[0]}_{int(until.timestamp())}_{login[-14:]}"
        admin.execute(
            "UPDATE lua.elevation SET login = %s, begun_at = begun_at - interval '1 day',"
            " ends_at = ends_at - interval '1 day' WHERE login = %s",
            (over, login),
        )
        admin.execute(
            "UPDATE lua.person_login SET login = %s, since = since - interval '1 day',"
            " ended_at = ended_at - interval '1 day' WHERE login = %s",
            (over, login),
        )
        rename = sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(login), sql.Identifier(over))
        admin.execute(rename)


def test_the_sweep_takes_sessions_and_login_of_what_is_over(
    who: Cast, session: Session, login: Login, home: Home, admin: Connection
) -> None:
    one, _name = begun(who)
    anybody = login("lua_accounting")
    assert elevation.sweep(anybody) == ()
    with entered(home) as conn:
        let_end(admin)
        assert [row.state for row in elevation.list_(session)] == ["over"]
        (plan,) = elevation.sweep(anybody, dry_run=True)
        assert (plan.elevation_id, plan.ended, plan.cleared) == (one, True, False)
        assert [row.state for row in elevation.list_(session)] == ["over"]
        (done,) = elevation.sweep(anybody)
        assert (done.elevation_id, done.ended, done.cleared) == (one, True, True)
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 1")
    assert value(admin, "SELECT to_regrole(%s) IS NULL", done.login)
    assert elevation.sweep(anybody) == ()
    after = elevation.find(session, one)
    assert (after.state, after.ended_by) == ("ended", anybody.actor)
    assert after.ended_at == after.ends_at


def test_who_has_left_has_nothing_for_a_time_either(who: Cast, session: Session, admin: Connection) -> None:
    one, name = begun(who)
    session.conn.execute("SELECT lua.end_person(%s, %s, %s)", (who.person, session.clock.now(), one))
    assert value(admin, "SELECT lua.person_of(%s) IS NULL", name)
    (done,) = elevation.sweep(session)
    assert (done.elevation_id, done.ended, done.cleared) == (one, True, True)


def test_an_offboarding_ends_it_at_once(who: Cast, session: Session, home: Home, admin: Connection) -> None:
    add_person(session, "nele.kurz", session.actor)
    one, name = begun(who)
    leaving = prepare_leaving(session, find(session, "mara.holt"), "new work", "anna.berg")
    with entered(home) as conn:
        done = offboard(session, leaving)
        assert [step.state for step in done.steps if step.part == "elevations"] == ["done"]
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 1")
    assert value(admin, "SELECT NOT rolcanlogin FROM pg_roles WHERE rolname = %s", name)
    assert [(row.elevation_id, row.cleared) for row in elevation.sweep(session)] == [(one, True)]


@pytest.mark.parametrize("step", [pytest.param(0, marks=pytest.mark.long), 1])
def test_a_sweep_that_was_cut_short_is_finished(
    step: int, who: Cast, session: Session, admin: Connection
) -> None:
    """Killed before each of its commits: the next one does the rest, and the end is recorded once."""
    one, _name = begun(who)
    let_end(admin)
    commits = iter(range(9))

    def strike(name: str) -> None:
        if name == "about to commit" and next(commits) == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        elevation.sweep(replace(session, step=strike))
    assert [row.cleared for row in elevation.sweep(session)] == [True]
    assert elevation.find(session, one).state == "ended"
    assert value(admin, "SELECT count(*) FROM ledger.entry WHERE action = 'access.elevation.end'") == 1
    assert value(admin, LOGINS) == 0


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("password file written", marks=pytest.mark.long),
        pytest.param("about to commit", marks=pytest.mark.long),
        "committed",
    ],
)
def test_a_beginning_that_was_cut_short_is_done_again(
    name: str, who: Cast, session: Session, home: Home, admin: Connection
) -> None:
    def strike(step: str) -> None:
        if step == name and home.paths.passfile("test-elevated").exists():
            raise KeyboardInterrupt

    approved_first = replace(who, mara=replace(who.mara, step=strike))
    with pytest.raises(KeyboardInterrupt):
        approved(approved_first)
    assert "test-elevated" not in load_profiles(home.paths, home.environ)
    made = elevation.elevate(who.mara, ORDER)
    with entered(home) as conn:
        assert value(conn, "SELECT session_user") == made.login
    assert len(elevation.list_(session)) == 1
    assert value(admin, LOGINS) == 1


def test_what_the_login_made_of_its_own_keeps_it_without_rights(
    who: Cast, session: Session, home: Home, admin: Connection
) -> None:
    one, name = begun(who)
    with entered(home) as conn:
        large = value(conn, "SELECT lo_create(0)")
    done = elevation.end(session, one)
    assert (done.ended, done.cleared) == (True, False)
    assert value(admin, "SELECT NOT rolcanlogin FROM pg_roles WHERE rolname = %s", name)
    assert value(admin, "SELECT NOT pg_has_role(%s, 'lua_operator', 'MEMBER')", name)
    (fault,) = elevation.faults(session)
    assert fault.name == name
    assert "DROP OWNED" in fault.what
    admin.execute("SELECT lo_unlink(%s)", (large,))
    assert [row.cleared for row in elevation.sweep(session)] == [True]
    assert elevation.faults(session) == ()


LIES = (
    ("CREATE ROLE {other} LOGIN", "no elevation on record", "DROP ROLE {other}"),
    ("ALTER ROLE {name} BYPASSRLS", "attributes", "ALTER ROLE {name} NOBYPASSRLS"),
    ("ALTER ROLE {name} VALID UNTIL 'infinity'", "outlives its end", ""),
    ("GRANT lua_dpo TO {name}", "lua_dpo, which it was not given", "REVOKE lua_dpo FROM {name}"),
    ("DROP POLICY elevation ON lua.log_note", "lacks the policies", ""),
    ("ALTER POLICY elevation ON lua.log_query USING (true)", "lacks the policies", ""),
    ("ALTER POLICY elevated ON lua.hold USING (true)", "lacks the policies", ""),
)
"""What a superuser can do, what shows then, and what takes it back, of what belongs to the whole server."""


def test_what_a_superuser_changes_shows(who: Cast, session: Session, admin: Connection) -> None:
    one, name = begun(who)
    assert elevation.faults(session) == ()
    names = {"name": name, "other": f"lua_e1_9999999999_{name[-14:]}"}
    for lie, what, back in LIES:
        before = elevation.faults(session)
        admin.execute(lie.format(**names).encode())
        try:
            (fresh,) = set(elevation.faults(session)) - set(before)
            assert what in fresh.what
        finally:
            if back:
                admin.execute(back.format(**names).encode())
    admin.execute("CREATE OR REPLACE FUNCTION lua.as_itself() RETURNS boolean LANGUAGE sql AS 'SELECT true'")
    assert {"ledger.entry", "lua.log_line"} < {fault.name for fault in elevation.faults(session)}
    elevation.end(session, one)


def told_by(tmp_path: Path) -> tuple[str, Path]:
    """A program that is told of alarms, and the file in which it keeps them."""
    kept, program = tmp_path / "told.jsonl", tmp_path / "tell"
    program.write_text(f"#!/bin/sh\ncat >> {kept}\n")
    program.chmod(0o700)
    return f"command:{program}", kept


def test_broken_glass_begins_at_once_and_somebody_is_told_before_it_returns(
    who: Cast, session: Session, home: Home, admin: Connection, tmp_path: Path
) -> None:
    channel, kept = told_by(tmp_path)
    mara = replace(who.mara, profile=replace(who.mara.profile, detect={"alerts": [channel]}))
    made = elevation.elevate(mara, ALARM)
    assert elevation.list_(session, open_only=True)[0].breaks_glass
    assert [(one.channel, one.outcome) for one in elevation.alarm(mara, made)] == [(channel, "told")]
    said = json.loads(kept.read_text())
    assert (said["rule"], said["level"], said["finding"]) == ("break-glass", "high", str(made.elevation_id))
    assert who.mara.actor in said["about"]
    assert ALARM.reason not in kept.read_text()
    entries = admin.execute(
        "SELECT action, outcome FROM ledger.entry WHERE action ~ '^(access.elevate|log.alert)' ORDER BY at"
    ).fetchall()
    assert entries == [("access.elevate.break-glass", "done"), ("log.alert", "intent"), ("log.alert", "done")]
    rule = next(one for one in detect.shipped() if one.name == "break-glass")
    now = SystemClock().now()
    run = detect.detect(session, [rule], now.replace(year=now.year - 1), now)
    (found,) = (one for one in run.findings if one.rule == "break-glass")
    assert found.group == {"actor": who.mara.actor, "action": "access.elevate.break-glass"}


def test_a_channel_that_cannot_be_reached_keeps_nobody_from_working(who: Cast, tmp_path: Path) -> None:
    missing = f"command:{tmp_path / 'nowhere'}"
    mara = replace(who.mara, profile=replace(who.mara.profile, detect={"alerts": [missing]}))
    (told,) = elevation.alarm(mara, elevation.elevate(mara, ALARM))
    assert (told.outcome, told.channel) == ("not told", missing)


def test_another_person_looks_at_what_was_done_and_signs_it_off(
    who: Cast, session: Session, home: Home, login: Login, admin: Connection
) -> None:
    one, name = begun(who)
    anna = who.approver.session
    with enter(load_profile("test-elevated", home.environ), command="tenant show") as elevated:
        show(elevated, "smile")
        elevated.conn.execute("BEGIN")
        from luactl.ledger import Entry, append

        append(elevated, Entry("hold.place", who.tenants["smile"], "hold:x"))
        append(elevated, Entry("hold.place", who.tenants["smile"], "hold:y", subject=UUID(int=7)))
        elevated.conn.execute("COMMIT")
    seen = elevation.review(anna, one)
    assert [(act.action, act.tenant, act.entries, act.people) for act in seen.acts] == [
        ("hold.place", "smile", 2, 1)
    ]
    assert (seen.entries, seen.people) == (2, (UUID(int=7),))
    with pytest.raises(RefusedError, match="goes on"):
        elevation.sign_off(anna, seen, "too early")
    elevation.end(who.mara, one)
    with pytest.raises(RefusedError, match="does not see all"):
        elevation.review(login("lua_operator"), one)
    with pytest.raises(RefusedError, match="another person in force"):
        elevation.sign_off(session, seen, "by a login that is nobody's")
    with pytest.raises(BusyError, match="not looked at"):
        elevation.sign_off(anna, replace(seen, entries=1), "half of it")
    assert elevation.sign_off(anna, seen, "as asked", dry_run=True).entries == 2
    assert [row.state for row in elevation.list_(session, unsigned=True)] == ["ended"]
    done = elevation.sign_off(anna, seen, "as the ticket asked")
    assert (done.person, done.entries, done.people) == ("mara.holt", 2, 1)
    assert elevation.list_(session, unsigned=True) == ()
    with pytest.raises(RefusedError, match="signed off"):
        elevation.sign_off(anna, seen, "twice")
    assert value(admin, "SELECT count(*) FROM ledger.entry WHERE action = 'access.elevation.sign-off'") == 1
    assert name == done.login


def test_nobody_signs_their_own_off_by_whichever_login(who: Cast, session: Session, login: Login) -> None:
    one, _name = begun(who)
    elevation.end(who.mara, one)
    second = login("lua_auditor")
    session.conn.execute(
        "SELECT lua.add_person_login(%s, %s, %s, %s)", (second.actor, who.person, session.clock.now(), one)
    )
    with pytest.raises(RefusedError, match="another person"):
        elevation.sign_off(second, elevation.review(second, one), "all well")


def test_the_promise_is_broken_while_an_elevation_waits_too_long_to_be_signed_off(
    who: Cast, session: Session
) -> None:
    one, _name = begun(who)

    def broken(days: float) -> list[str]:
        look = Look()
        reviewing.reviews(replace(session, clock=ShiftedClock(timedelta(days=days))), load(), look)
        return look.broken

    elevation.end(who.mara, one)
    assert broken(6.9) == []
    (found,) = broken(7.1)
    assert (f"{one} (lua_operator on smile)" in found, "mara" in found) == (True, False)
    elevation.limit(who.approver.session, "lua_operator", sign_off_days=9)
    assert broken(7.1) == []
    assert len(broken(9.1)) == 1
    anna = who.approver.session
    elevation.sign_off(anna, elevation.review(anna, one), "as the ticket asked")
    assert broken(30) == []


def test_list_ends_with_6_as_long_as_something_is_left(
    who: Cast, session: Session, home: Home, cli: Callable[..., Any]
) -> None:
    begun(who)
    told = cli("access", "elevation", "list", "-o", "json")
    assert told.returncode == 0, told.stderr
    one = json.loads(told.stdout)["data"][0]
    assert (one["state"], one["person"], one["role"], one["tenant"]) == (
        "open",
        "mara.holt",
        "lua_operator",
        "smile",
    )
    ended = cli("access", "elevation", "end", one["elevation_id"], "--yes", "-o", "json")
    assert ended.returncode == 0, ended.stderr
    told = cli("access", "elevation", "list")
    assert told.returncode == 6
    assert "ended and not signed off: 1" in told.stderr


def test_a_rotation_by_an_elevated_login_costs_no_other_tenant_a_key(
    who: Cast, session: Session, home: Home
) -> None:
    """It renews the keys that nobody was given, and has to know of all tenants which these are."""
    other = who.tenants["other"]
    people = add_subjects(key.open_tenant(session, other), session, 3)
    begun(who)
    with enter(load_profile("test-elevated", home.environ), command="key rotate") as elevated:
        assert rotate(elevated, plan_rotation(elevated)).change
    assert key.open_tenant(session, other).subjects(people, KeyClass.MAIN) == people
