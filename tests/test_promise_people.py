"""Promises about people: kept where all are known, bound and informed; broken when somebody breaks them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from conftest import Connection, Home, TestServer, new_login
from support_erasure import later
from support_staff import hire, know_everybody, publish, sign

from luactl import policy, promise, staff
from luactl.db import Session
from luactl.promise import Look
from luactl.promise.look import knock
from luactl.promise.proving import look

Capture = pytest.CaptureFixture[str]
PAGE = promise.load()
SOON = timedelta(days=14)


def run(session: Session, probe: str) -> Look:
    return look(session, PAGE, probe)


@pytest.fixture
def office(session: Session) -> Session:
    """A house in which everybody is known and bound, and knows the one policy that there is."""
    boss = hire(session, "boss", logins=(session.actor,))
    know_everybody(session, "boss")
    publish(session, "desks", (session.clock.now() + SOON).date())
    policy.acknowledge(session, policy.find(session, "desks"), staff.find(session, boss.handle))
    return session


@pytest.fixture
def planted(server: TestServer, home: Home, tmp_path: Path) -> str:
    """A login that a superuser plants behind luactl's back."""
    return new_login(server, tmp_path / "passfile", ["lua_operator"])


def test_every_role_of_the_house_is_knocked_at(office: Session, admin: Connection) -> None:
    """Whoever adds a group role and leaves it out here has a door that nobody tries."""
    found = admin.execute("SELECT rolname::text FROM pg_roles WHERE rolname ~ '^lua_[a-z]+$'")
    assert set(run(office, "staff").evidence["knocked"]) == {"lua_nobody", *(row[0] for row in found)}


@pytest.mark.parametrize("probe", ["staff", "undertakings", "policies"])
def test_a_house_in_order_keeps_its_promises(office: Session, probe: str) -> None:
    found = run(office, probe)
    assert (found.state, found.broken, found.unseen) == ("kept", [], [])
    assert found.attempts


def test_an_attempt_to_log_in_brings_no_password_file_and_says_nothing(
    session: Session, server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    login = new_login(server, tmp_path / ".pgpass", ["lua_auditor"])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / ".pgpass"))
    assert "no password supplied" in (knock(session, login) or "")
    password = (tmp_path / ".pgpass").read_text().strip().rpartition(":")[2]
    assert knock(session, login, password) is None
    assert capfd.readouterr() == ("", "")


def test_a_login_that_a_superuser_plants_is_found(office: Session, admin: Connection, planted: str) -> None:
    assert f"{planted} can log in, and belongs to nobody in force" in run(office, "staff").broken
    said = run(office, "undertakings").broken
    assert [f"{planted}, which is nobody's, holds lua_operator without an undertaking in force"] == said
    boss = staff.find(office, "boss")
    admin.execute(
        "INSERT INTO lua.person_login VALUES (%s, %s, now(), NULL, %s)", [planted, boss.person_id, uuid4()]
    )
    assert run(office, "staff").broken == [
        f"{planted} is said to be boss's, but the ledger knows nothing of that"
    ]


def test_a_login_of_somebody_who_has_left_is_found(office: Session, admin: Connection, planted: str) -> None:
    anna = hire(office, "anna", logins=(planted,))
    assert run(office, "staff").state == "kept"
    admin.execute("SELECT lua.end_person(%s, now(), %s)", [anna.person_id, uuid4()])
    assert run(office, "staff").broken == [
        f"{planted} can log in, and belongs to nobody in force: it was anna's"
    ]


def test_a_door_without_a_lock_is_found(office: Session, admin: Connection) -> None:
    """Whoever lets a group role log in has made a login that is nobody's."""
    admin.execute("ALTER ROLE lua_auditor LOGIN")
    try:
        assert "lua_auditor can log in, and belongs to nobody in force" in run(office, "staff").broken
    finally:
        admin.execute("ALTER ROLE lua_auditor NOLOGIN")


def test_who_is_not_bound_any_more_is_found(office: Session, admin: Connection, planted: str) -> None:
    anna = hire(office, "anna", bound=False, logins=(planted,))
    job = hire(office, "nightly", kind="job", manager="anna")
    said = [f"anna, by {planted}, holds lua_operator without an undertaking in force"]
    assert (run(office, "undertakings").broken, job.bound) == (said, False)
    today = office.clock.now().date()
    signed = sign(office, anna, expires_on=today + timedelta(days=9))
    assert run(office, "undertakings").state == "kept"
    assert run(later(office, 1), "undertakings").broken == said, "it has expired"
    staff.withdraw(office, signed.undertaking_id, "wrong text")
    assert run(office, "undertakings").broken == said
    admin.execute(
        "INSERT INTO lua.undertaking VALUES (%s, %s, 'gdpr-28-3-b', 'x', %s, NULL, NULL, %s)",
        [uuid4(), anna.person_id, today, uuid4()],
    )
    forged = ["anna is said to have signed gdpr-28-3-b, but the ledger knows nothing of that"]
    assert run(office, "undertakings").broken == forged


def test_a_gate_that_lets_everybody_through_is_found(office: Session, admin: Connection) -> None:
    admin.execute(
        "CREATE OR REPLACE FUNCTION lua.is_bound(p_person uuid, p_at timestamptz) RETURNS boolean"
        " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT true'"
    )
    said = "somebody without an undertaking can be granted lua_operator"
    assert run(office, "undertakings").broken == [said]


def test_a_law_that_nobody_signed_for_is_found(office: Session) -> None:
    staff.require(office, "stgb-203", True)
    found = run(office, "undertakings").broken
    assert found
    assert all(one.endswith("without an undertaking in force") for one in found)
    sign(office, staff.find(office, "boss"), "stgb-203")
    assert run(office, "undertakings").state == "kept"


def test_only_an_administrator_can_try_to_grant(office: Session, login: object) -> None:
    assert callable(login)
    auditor: Session = login("lua_auditor")
    hire(office, "audit", logins=(auditor.actor,))
    found = run(auditor, "undertakings")
    assert (found.state, found.broken) == ("not observable", [])
    assert f"{auditor.actor} is no administrator" in found.why


def test_who_does_not_know_a_policy_in_time_is_found(office: Session, admin: Connection) -> None:
    hire(office, "anna")
    found = run(office, "policies")
    assert (found.state, found.evidence["not_yet_due"]) == ("kept", 1)
    late = run(later(office, 1), "policies")
    assert [one for one in late.broken if one.startswith("anna has not acknowledged desks 1, due on ")]
    anna = staff.find(office, "anna")
    admin.execute(
        "INSERT INTO lua.policy_acknowledgement VALUES ('desks', 1, %s, now(), NULL, 'anna', %s)",
        [anna.person_id, uuid4()],
    )
    said = "anna is said to know desks 1, but the ledger has another text or none"
    assert run(office, "policies").broken == [said]


def test_a_text_that_is_changed_afterwards_is_found(office: Session, admin: Connection) -> None:
    admin.execute("UPDATE lua.policy SET body = 'x', digest = sha256('x')")
    assert run(office, "policies").broken == [
        "boss is said to know desks 1, but the ledger has another text or none"
    ]


def test_a_word_that_anybody_can_give_is_found(office: Session, admin: Connection) -> None:
    hire(office, "anna")
    admin.execute(
        "CREATE OR REPLACE FUNCTION lua.acknowledge_policy(p_policy text, p_version integer, p_person uuid,"
        " p_evidence text, p_at timestamptz, p_entry uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true'"
    )
    said = "this login can acknowledge desks 1 in the name of somebody else"
    assert run(office, "policies").broken == [said]


def test_without_a_policy_nothing_is_promised(session: Session) -> None:
    hire(session, "boss", logins=(session.actor,))
    found = run(session, "policies")
    assert (found.state, found.why) == ("not observable", "no policy is in force")
