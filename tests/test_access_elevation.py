"""Elevation: asked for, approved, begun, ended; who may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Connection, Home
from support_approval import approver
from support_elevation import ALARM, ORDER, Cast, add_person, approved, bind, cast, entered, in_tenant, value

from luactl.access import elevation
from luactl.approval import ApprovalNeededError
from luactl.config import load_profiles
from luactl.db import Session
from luactl.errors import NotFoundError, RefusedError, UsageError

Login = Callable[..., Session]


@pytest.fixture
def who(session: Session, login: Login, tmp_path: Path) -> Cast:
    return cast(session, login, tmp_path)


def test_it_is_asked_for_approved_and_begun_by_the_same_command(
    who: Cast, session: Session, home: Home, admin: Connection
) -> None:
    with pytest.raises(ApprovalNeededError) as needed:
        elevation.elevate(who.mara, ORDER)
    who.approver.grant(needed.value.approval_id)
    begun = elevation.elevate(who.mara, ORDER)
    smile = who.tenants["smile"]
    assert begun.login is not None
    assert begun.login.startswith(f"lua_e{smile}_")
    with entered(home) as conn:
        assert value(conn, "SELECT session_user") == begun.login
        assert len(in_tenant(conn, smile, "SELECT * FROM lua.tenant")) == 1
        assert in_tenant(conn, who.tenants["other"], "SELECT * FROM lua.tenant") == []
        assert value(conn, "SELECT lua.person_of(session_user::name)") == who.person
    one = elevation.find(session, begun.elevation_id)  # type: ignore[arg-type]
    assert (one.state, one.person, one.asked_by, one.role) == (
        "open",
        "mara.holt",
        who.mara.actor,
        "lua_operator",
    )
    said = admin.execute(
        "SELECT convert_from(body, 'UTF8')::jsonb FROM ledger.entry WHERE action = 'access.elevate'"
    ).fetchone()
    assert said is not None
    assert (said[0]["actor"], said[0]["tenant"]) == (who.mara.actor, smile)
    assert (said[0]["detail"]["login"], said[0]["detail"]["person"]) == (begun.login, str(who.person))


def test_the_fresh_login_has_one_role_one_mark_and_nothing_else(who: Cast, admin: Connection) -> None:
    login = approved(who).login
    roles = "SELECT array_agg(roleid::regrole::text ORDER BY roleid::regrole::text)"
    roles += " FROM pg_auth_members WHERE member = to_regrole(%s)"
    assert value(admin, roles, login) == ["lua_elevated", "lua_operator"]
    assert value(
        admin,
        "SELECT rolcanlogin AND NOT (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication)"
        " AND NOT rolbypassrls AND rolvaliduntil = (SELECT ends_at FROM lua.elevation)"
        " FROM pg_roles WHERE rolname = %s",
        login,
    )
    assert value(admin, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%%' FROM pg_authid WHERE rolname = %s", login)
    assert not value(
        admin, "SELECT bool_or(m.admin_option) FROM pg_auth_members m WHERE m.member = to_regrole(%s)", login
    )


def test_a_dry_run_asks_and_makes_nothing(who: Cast, session: Session, admin: Connection) -> None:
    before = value(admin, "SELECT count(*) FROM pg_roles")
    plan = elevation.elevate(who.mara, ORDER, dry_run=True)
    assert (plan.elevation_id, plan.role, plan.minutes) == (None, "lua_operator", 120)
    assert value(admin, "SELECT count(*) FROM pg_roles") == before
    assert value(admin, "SELECT count(*) FROM lua.approval") == 0
    assert elevation.list_(session) == ()


def test_who_may_not(who: Cast, session: Session, login: Login) -> None:
    nobody = login("lua_responder")
    with pytest.raises(RefusedError, match="no person in force"):
        elevation.elevate(nobody, ORDER)
    person = add_person(session, "nele.kurz", nobody.actor, bound=False)
    with pytest.raises(RefusedError, match="no undertaking in force"):
        elevation.elevate(nobody, ORDER)
    bind(session, person)
    with pytest.raises(ApprovalNeededError):
        elevation.elevate(nobody, ORDER)
    session.conn.execute("SELECT lua.end_person(%s, %s, %s)", (person, session.clock.now(), person))
    with pytest.raises(RefusedError, match="no person in force"):
        elevation.elevate(nobody, ORDER)


def test_what_cannot_be_had(who: Cast) -> None:
    for order, why in (
        (replace(ORDER, role="lua_admin"), "cannot be had"),
        (replace(ORDER, role="lua_dpo"), "cannot be had"),
        (replace(ORDER, role="lua_owner"), "cannot be had"),
        (replace(ORDER, minutes=481), "at most 480"),
        (replace(ALARM, minutes=61), "at most 60"),
        (replace(ORDER, tenant="nowhere"), "no tenant"),
    ):
        with pytest.raises((UsageError, NotFoundError), match=why):
            elevation.elevate(who.mara, order)


def test_nobody_approves_their_own_with_a_login_that_proves_to_be_theirs(
    who: Cast, session: Session, login: Login, tmp_path: Path
) -> None:
    second = approver(session, login, tmp_path, "lua_dpo", name="second.self")
    order = replace(ORDER, role="lua_responder")
    with pytest.raises(ApprovalNeededError) as needed:
        elevation.elevate(who.mara, order)
    second.grant(needed.value.approval_id)  # nobody knows yet that both are hers
    session.conn.execute(
        "SELECT lua.add_person_login(%s, %s, %s, %s)",
        (second.session.actor, who.person, session.clock.now(), who.person),
    )
    with pytest.raises(RefusedError, match="their own elevation"):
        elevation.elevate(who.mara, order)
    assert elevation.list_(session) == ()


def test_duties_that_a_rule_keeps_apart_are_not_had_for_a_time_either(who: Cast) -> None:
    with pytest.raises(RefusedError, match="auditor-writes forbids it"):
        elevation.elevate(who.mara, replace(ORDER, role="lua_auditor"))


def test_one_at_a_time(who: Cast, session: Session) -> None:
    begun = approved(who)
    with pytest.raises(RefusedError, match="one at a time"):
        elevation.elevate(who.mara, replace(ORDER, tenant="other"))
    assert elevation.elevate(who.mara, ORDER).elevation_id == begun.elevation_id  # the same goes on
    assert len(elevation.list_(session)) == 1


def test_ending_takes_sessions_login_and_profile(
    who: Cast, session: Session, home: Home, admin: Connection
) -> None:
    begun = approved(who)
    assert begun.elevation_id is not None
    with entered(home) as conn:
        done = elevation.end(who.mara, begun.elevation_id)
        assert (done.ended, done.cleared, done.profiles) == (True, True, ("test-elevated",))
        with pytest.raises(Exception, match=r"terminat|closed|lost"):
            conn.execute("SELECT 1")
    assert value(admin, "SELECT to_regrole(%s) IS NULL", begun.login)
    assert "test-elevated" not in load_profiles(home.paths, home.environ)
    assert not home.paths.passfile("test-elevated").exists()
    assert elevation.find(session, begun.elevation_id).state == "ended"
    again = elevation.end(who.mara, begun.elevation_id)
    assert (again.ended, again.cleared) == (False, True)
    assert value(admin, "SELECT lua.person_of(%s) IS NULL", begun.login)


def test_who_may_end_it_early(who: Cast, login: Login) -> None:
    begun = approved(who)
    assert begun.elevation_id is not None
    with pytest.raises(RefusedError, match="before its time"):
        elevation.end(login("lua_operator"), begun.elevation_id)
    assert elevation.end(login("lua_responder"), begun.elevation_id).ended


def rule_of(session: Session, role: str) -> elevation.RoleRule:
    return next(one for one in elevation.rules(session) if one.role == role)


def test_the_data_protection_officer_says_how_long(who: Cast, session: Session, admin: Connection) -> None:
    dpo = who.approver.session
    before = rule_of(session, "lua_operator")
    assert (before.minutes, before.alarm_minutes, before.sign_off_days, before.set_by) == (480, 60, 7, None)
    plan = elevation.limit(dpo, "operator", minutes=90, sign_off_days=3, dry_run=True)
    assert (plan.after.minutes, plan.after.alarm_minutes, plan.after.sign_off_days) == (90, 60, 3)
    assert rule_of(session, "lua_operator") == before
    assert value(admin, "SELECT count(*) FROM ledger.entry WHERE action = 'access.elevation.limit'") == 0
    done = elevation.limit(dpo, "operator", minutes=90, sign_off_days=3)
    after = rule_of(session, "lua_operator")
    assert (after, after.set_by) == (replace(done.after, set_at=after.set_at), dpo.actor)
    with pytest.raises(UsageError, match="at most 90"):
        elevation.elevate(who.mara, ORDER)
    elevation.limit(dpo, "operator", minutes=90, sign_off_days=3)  # is so already: nothing is written
    detail = "SELECT jsonb_agg(convert_from(body, 'UTF8')::jsonb -> 'detail') FROM ledger.entry"
    assert value(admin, f"{detail} WHERE action = 'access.elevation.limit'") == [
        {"minutes": {"before": 480, "after": 90}, "sign_off_days": {"before": 7, "after": 3}}
    ]


def test_an_approval_of_what_is_not_allowed_any_more_begins_nothing(who: Cast) -> None:
    with pytest.raises(ApprovalNeededError) as needed:
        elevation.elevate(who.mara, ORDER)
    who.approver.grant(needed.value.approval_id)
    elevation.limit(who.approver.session, "lua_operator", minutes=60)
    with pytest.raises(UsageError, match="at most 60"):
        elevation.elevate(who.mara, ORDER)


def test_breaking_glass_can_be_forbidden_and_never_lasts_longer(who: Cast) -> None:
    dpo = who.approver.session
    shorter = elevation.limit(dpo, "operator", minutes=30)
    assert (shorter.after.minutes, shorter.after.alarm_minutes, shorter.raises) == (30, 30, False)
    with pytest.raises(UsageError, match="out of bounds"):
        elevation.limit(dpo, "operator", alarm_minutes=31)
    for wrong in ({"minutes": 1441}, {"sign_off_days": 0}):
        with pytest.raises(UsageError, match="out of bounds"):
            elevation.limit(dpo, "operator", **wrong)
    assert elevation.limit(dpo, "operator", minutes=31).raises
    elevation.limit(dpo, "operator", alarm_minutes=elevation.limit_of("0"))
    with pytest.raises(UsageError, match="at most 0"):
        elevation.elevate(who.mara, replace(ALARM, minutes=1))
    for role in ("lua_admin", "nobody"):
        with pytest.raises(NotFoundError, match="cannot be had"):
            elevation.limit(dpo, role, minutes=60)


def test_nobody_else_says_how_long(session: Session, login: Login) -> None:
    others = ("lua_admin", "lua_operator", "lua_responder", "lua_auditor", "lua_accounting")
    with pytest.raises(RefusedError, match="may not set how long"):
        elevation.limit(login(*others), "lua_operator", minutes=1440)
    assert rule_of(session, "lua_operator").minutes == 480
