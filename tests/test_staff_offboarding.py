"""Offboarding: everything somebody has ends at once, what is open goes on, a second run ends the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from conftest import Connection, Home, TestServer, new_login, test_profile
from support_erasure import practice
from support_staff import hire, vouch

from luactl import approval, secret, staff
from luactl.access import login as logins
from luactl.access import review
from luactl.connect import dial
from luactl.db import Session
from luactl.errors import RefusedError, UsageError
from luactl.key import person as key_person
from luactl.key import release
from luactl.tenant import NewTenant, admit, create, dismiss, find

PASSWORD = "correct horse battery"
WITHIN = ["reports", "reports", "approvals", "approver keys", "logins", "person"]
AFTER = ["sessions", "releases", "tokens"]


@dataclass
class House:
    """Somebody who leaves: with reports, a login, an open session, a request, a key, a release, a token."""

    session: Session
    """The administrator's who sees them out."""
    conn: Connection
    """Their open session."""
    dsn: str

    @property
    def anna(self) -> staff.Person:
        return staff.find(self.session, "anna")

    def leaving(self, **said: object) -> staff.Leaving:
        return staff.prepare_leaving(self.session, self.anna, "contract ended", **said)  # type: ignore[arg-type]


@pytest.fixture
def house(
    session: Session, home: Home, server: TestServer, database: str, admin: Connection, tmp_path: Path
) -> Iterator[House]:
    tenant = practice(session)
    hire(session, "boss")
    hire(session, "anna", manager="boss")
    hire(session, "bert", manager="anna")
    hire(session, "nightly", kind="job", manager="anna")
    name, passfile = f"anna_{database}", tmp_path / "passfile"
    wanted = logins.Wanted(name, "anna", ("lua_operator",), -1, None, logins.Password(PASSWORD))
    logins.add(session, wanted)
    passfile.write_text(f"*:*:*:{name}:{PASSWORD}\n")
    passfile.chmod(0o600)
    dsn = test_profile(home.path, server, database, name, passfile).dsn
    with closing(dial(dsn, passfile=passfile, profile="test", command="test")) as conn:
        own = replace(session, conn=conn, actor=name)
        want = approval.Want("erasure.run", "erasure of all", "Erase 12 people", {}, {}, "smile", 12)
        with suppress(approval.ApprovalNeededError):
            approval.demand(own, want)
        made = approval.make(tmp_path / "anna.key", "anna")
        admin.execute(
            "INSERT INTO lua.approver_key VALUES (%s, 'Anna', %s, 'x', now(), gen_random_uuid())",
            (made.vkey, [name]),
        )
        public = key_person.make(tmp_path / "anna.x25519").public
        release.give(
            session, release.NewRelease(tenant.tenant_id, name, public, timedelta(hours=1), "ticket")
        )
        secret.issue(session, tenant, secret.plan_issue(session, tenant, "api", ["contact.read"]))
        admin.execute("UPDATE lua.secret SET created_by = %s", (name,))
        yield House(session, conn, dsn)
    admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


def parts(found: staff.Offboarding) -> list[str]:
    return [one.part for one in found.steps]


def test_everything_ends_at_once_and_what_is_open_goes_on(house: House, admin: Connection) -> None:
    leaving = house.leaving()
    plan = staff.plan_offboarding(house.session, leaving)
    assert parts(plan) == [*WITHIN, *AFTER]
    assert {one.state for one in plan.steps} == {"planned"}
    assert house.anna.ended_at is None
    assert house.conn.execute("SELECT 1").fetchone() == (1,), "a plan ends nothing"
    done = staff.offboard(house.session, leaving)
    assert [(one.part, one.what) for one in done.steps] == [(one.part, one.what) for one in plan.steps]
    assert ({one.state for one in done.steps}, done.left) == ({"done"}, ())
    login = plan.steps[4].what
    gone = house.anna
    assert (gone.ended_at is not None, gone.logins, gone.bound) == (True, (), False)
    assert {one.manager for one in staff.list_(house.session) if one.handle != "boss"} == {"boss"}
    with pytest.raises(psycopg.OperationalError):
        house.conn.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(house.dsn)
    held = admin.execute(
        "SELECT rolcanlogin, rolpassword IS NULL, EXISTS (SELECT FROM pg_auth_members WHERE member = a.oid)"
        " FROM pg_authid a WHERE rolname = %s",
        (login,),
    ).fetchone()
    assert held == (False, True, False)
    assert [one.state for one in release.list_(house.session)] == ["ended"]
    left = admin.execute(
        "SELECT (SELECT count(*) FROM lua.approval WHERE void_at IS NULL),"
        " (SELECT count(*) FROM lua.approver_key WHERE revoked_at IS NULL),"
        " (SELECT count(*) FROM lua.secret WHERE revoked_at IS NULL)"
    ).fetchone()
    assert left == (0, 0, 0)
    entries = admin.execute(
        "SELECT object, convert_from(body, 'UTF8')::jsonb #> '{detail,parts}' FROM ledger.entry"
        " WHERE action = 'staff.offboard'"
    ).fetchall()
    assert entries == [(gone.object, {name: WITHIN.count(name) for name in WITHIN})]
    again = staff.offboard(house.session, house.leaving())
    assert again.steps == (), "there is nothing left to do"


def test_a_run_that_was_cut_short_is_finished_by_another(house: House) -> None:
    def stop(step: str) -> None:
        if step == "offboarding committed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        staff.offboard(replace(house.session, step=stop), house.leaving())
    assert house.anna.ended_at is not None
    assert house.conn.execute("SELECT 1").fetchone() == (1,), "the session is still open"
    assert parts(staff.plan_offboarding(house.session, house.leaving())) == AFTER
    done = staff.offboard(house.session, house.leaving())
    assert (parts(done), {one.state for one in done.steps}) == (AFTER, {"done"})


def test_what_fails_undoes_all_of_it(house: House, admin: Connection) -> None:
    admin.execute("REVOKE EXECUTE ON FUNCTION lua.end_person(uuid, timestamptz, uuid) FROM lua_admin")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        staff.offboard(house.session, house.leaving())
    assert parts(staff.plan_offboarding(house.session, house.leaving())) == [*WITHIN, *AFTER]


def test_what_others_granted_a_superuser_takes(house: House, admin: Connection) -> None:
    login = house.anna.logins[0]
    admin.execute(f"GRANT lua_auditor TO {login}".encode())
    done = staff.offboard(house.session, house.leaving())
    assert [(one.part, one.state) for one in done.left] == [("superuser", "left")]
    admin.execute(done.left[0].what.encode())
    assert staff.offboard(house.session, house.leaving()).steps == ()


def test_off_a_key_host_the_releases_are_left(house: House) -> None:
    away = replace(house.session, profile=replace(house.session.profile, holders=(), books=()))
    leaving = house.leaving(keep_tokens=True)
    done = staff.offboard(away, leaving)
    assert [one.part for one in done.left] == ["releases"]
    assert "not done: " in done.left[0].then
    assert "tokens" not in parts(done)
    again = staff.offboard(house.session, house.leaving(keep_tokens=True))
    assert [one.part for one in again.steps] == ["releases"]


def test_who_is_not_admitted_to_a_tenant_ends_what_is_theirs_there_unseen(
    house: House, admin: Connection, tmp_path: Path
) -> None:
    """A dedicated tenant that the administrator does not reach keeps nothing open, but its names."""
    session, anna = house.session, house.anna
    vouch(session)
    create(session, NewTenant("castle", "Castle", "DE", "office", "dedicated"))
    castle, login = find(session, "castle"), anna.logins[0]
    admit(session, "castle", login)
    public = key_person.make(tmp_path / "more.x25519").public
    order = release.NewRelease(castle.tenant_id, login, public, timedelta(hours=1), "ticket")
    given = release.give(session, order).release_id
    for name in ("drawbridge", "moat"):
        secret.issue(session, castle, secret.plan_issue(session, castle, name, ["contact.read"]))
    admin.execute("UPDATE lua.secret SET created_by = %s WHERE name <> 'moat'", (login,))
    dismiss(session, "castle", session.actor)
    assert secret.list_(session, castle) == []
    leaving = house.leaving()
    found = [one for one in staff.plan_offboarding(session, leaving).steps if one.part == "tokens"]
    assert [one.what for one in found] == ["castle", "smile/api"]
    assert found[0].then.startswith("1 that they issued there are revoked")
    with pytest.raises(psycopg.errors.CheckViolation, match="somebody who has left"):
        session.conn.execute("SELECT lua.revoke_issued_tokens(%s, 'castle', now())", (anna.person_id,))
    done = staff.offboard(session, leaving)
    assert (done.left, "drawbridge" in str(done)) == ((), False)
    works = admin.execute("SELECT name FROM lua.secret WHERE revoked_at IS NULL").fetchall()
    assert works == [("moat",)]
    told = admin.execute(
        "SELECT object FROM ledger.entry WHERE tenant_id = %s AND action ~ '[.]revoke$' ORDER BY object",
        (castle.tenant_id,),
    ).fetchall()
    assert told == [(f"release:{given}",), (f"release:{given}",), ("tenant:castle",)]
    staffed = admin.execute(
        "SELECT pg_has_role(%s, %s, 'MEMBER')", (login, f"lua_t{castle.tenant_id}_staff")
    ).fetchone()
    assert staffed == (False,)
    assert staff.offboard(session, house.leaving()).steps == ()


def test_what_they_had_to_review_goes_on(
    house: House, admin: Connection, server: TestServer, tmp_path: Path
) -> None:
    session, crew = house.session, f"crew_{house.session.conn.info.dbname}"
    zed, bossy = (new_login(server, tmp_path / name, ()) for name in ("zed", "bossy"))
    admin.execute(f"CREATE ROLE {crew}; GRANT {crew} TO {zed}".encode())
    hire(session, "zed", manager="anna", logins=(zed,))
    opened = review.open_(session, review.Ask("crew", (crew,)))

    def reviewers() -> list[str]:
        rows = admin.execute(
            "SELECT p.handle FROM lua.review_item i JOIN lua.person p ON p.person_id = i.reviewer"
            " WHERE i.review_id = %s",
            (opened.review_id,),
        )
        return [row[0] for row in rows]

    try:
        assert set(reviewers()) == {"anna"}
        boss = staff.find(session, "boss")
        staff.change(session, boss, replace(boss, logins=(bossy,)))
        done = staff.offboard(session, house.leaving())
        assert [(one.what, one.state) for one in done.steps if one.part == "reviews"] == [
            (str(opened.review_id), "done")
        ]
        assert set(reviewers()) == {"boss"}
    finally:
        admin.execute(f"DROP OWNED BY {crew}; DROP ROLE {crew}".encode())


def test_nobody_sees_themselves_out_and_somebody_takes_over(house: House) -> None:
    session = house.session
    boss = staff.change(
        session, staff.find(session, "boss"), replace(staff.find(session, "boss"), logins=(session.actor,))
    ).after
    with pytest.raises(RefusedError, match="themselves"):
        staff.prepare_leaving(session, boss, "tired")
    for nobody in ("nightly", "anna"):
        with pytest.raises(UsageError, match="cannot take over"):
            house.leaving(to=nobody)
    hire(session, "cleo", manager="bert")
    with pytest.raises(UsageError, match="cleo reports to bert"):
        house.leaving(to="cleo")
    with pytest.raises(UsageError, match="1 to 200"):
        staff.prepare_leaving(session, house.anna, " ")
    staff.offboard(session, house.leaving(to="bert"))
    people = {one.handle: one.manager for one in staff.list_(session)}
    assert (people["bert"], people["nightly"]) == ("boss", "bert")


def test_only_an_administrator_sees_somebody_out(house: House, login: Callable[..., Session]) -> None:
    for role in ("lua_operator", "lua_dpo"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            staff.offboard(login(role), house.leaving())
    assert house.anna.ended_at is None
