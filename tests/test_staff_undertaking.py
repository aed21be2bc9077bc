"""Undertakings: who is bound, from when to when, on which bases; a job by whoever answers for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from conftest import Connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_key import add_subjects, add_tenant
from support_staff import hire, sign
from support_whole import luactl

from luactl import promise, staff
from luactl.db import Session
from luactl.errors import NotFoundError, UsageError
from luactl.key import KeyClass
from luactl.promise.proving import look
from luactl.tenant import NewTenant, create

DAY = timedelta(days=1)
DAYS = st.integers(min_value=-3, max_value=3)


def is_bound(session: Session, person: staff.Person, at: object = None) -> bool:
    row = session.conn.execute(
        "SELECT lua.is_bound(%s, %s)", [person.person_id, at or session.clock.now()]
    ).fetchone()
    return row == (True,)


def test_nobody_is_bound_before_they_sign(session: Session, admin: Connection) -> None:
    anna = hire(session, "anna", bound=False)
    nightly = hire(session, "nightly", kind="job", manager="anna")
    assert (is_bound(session, anna), is_bound(session, nightly)) == (False, False)
    new = staff.prepare(session, "gdpr-28-3-b", "2026-02")
    assert staff.record(session, anna, new, dry_run=True).in_force
    assert not is_bound(session, anna)
    first = staff.record(session, anna, new)
    assert staff.record(session, anna, new) == first, "the same once more changes nothing"
    assert (is_bound(session, anna), is_bound(session, nightly)) == (True, True)
    assert staff.gather(session, nightly).undertakings == (first,)
    withdrawn = staff.withdraw(session, first.undertaking_id, "wrong text")
    assert (withdrawn.in_force, is_bound(session, anna), is_bound(session, nightly)) == (False, False, False)
    assert staff.withdraw(session, first.undertaking_id, "again") == withdrawn
    told = admin.execute(
        "SELECT action, object FROM ledger.entry WHERE action LIKE 'staff.undertaking%' ORDER BY at, id"
    )
    assert told.fetchall() == [
        ("staff.undertaking.add", anna.object),
        ("staff.undertaking.withdraw", anna.object),
    ]


def test_that_it_is_missing_is_said_where_somebody_looks(session: Session, admin: Connection) -> None:
    """Once a tenant has keys or permissions for medical data, whoever lists undertakings hears of it."""

    def heard() -> str:
        return luactl("staff", "undertaking", "list").err

    keys = add_tenant(session, admin, 70)
    add_subjects(keys, session, 2, KeyClass.ACCOUNTING)
    create(session, NewTenant("smile", "Smile", "DE", "office"))
    assert (staff.advice(session), heard()) == (None, "")
    add_subjects(keys, session, 1, KeyClass.MEDICAL_RECORD)
    assert heard() == f"{staff.advice(session)}\n"
    assert str(staff.advice(session)).startswith("1 tenants have keys")
    admin.execute("UPDATE crm.role SET permissions = '{special.read}' WHERE role = 'reader'")
    assert str(staff.advice(session)).startswith("2 tenants have keys")
    found = look(session, promise.load(), "undertakings")
    assert staff.advice(session) in found.broken
    staff.require(session, "stgb-203", True)
    assert (staff.advice(session), heard()) == (None, "")


def test_medical_secrets_need_a_second_undertaking(session: Session) -> None:
    anna, bert = hire(session, "anna"), hire(session, "bert")
    plan = staff.require(session, "stgb-203", True, dry_run=True)
    assert (plan.before, plan.after, plan.unbound) == (False, True, ("anna", "bert"))
    assert is_bound(session, anna)
    sign(session, anna, "stgb-203")
    assert is_bound(session, bert)
    assert staff.require(session, "stgb-203", True).unbound == ("bert",)
    assert (is_bound(session, anna), is_bound(session, bert)) == (True, False)
    assert staff.find(session, "bert").bound is False
    staff.require(session, "stgb-203", False)
    assert is_bound(session, bert)
    with pytest.raises(UsageError, match="binds everybody"):
        staff.require(session, "gdpr-28-3-b", False)
    with pytest.raises(psycopg.errors.CheckViolation):
        session.conn.execute("SELECT lua.require_undertaking('gdpr-28-3-b', false, now(), %s)", [uuid4()])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(spans=st.lists(st.tuples(DAYS, st.none() | DAYS, st.none() | DAYS), max_size=3), at=DAYS)
def test_it_binds_from_its_day_to_its_last_day(
    session: Session, admin: Connection, spans: list[tuple[int, int | None, int | None]], at: int
) -> None:
    """A model of three lines, compared with the database's word at noon of a day."""
    noon = session.clock.now().replace(hour=12, minute=0, second=0, microsecond=0)
    today = noon.date()
    admin.execute("DELETE FROM lua.undertaking; DELETE FROM lua.person")
    who = uuid4()
    admin.execute(
        "INSERT INTO lua.person VALUES (%s, 'anna', 'Anna', 'employee', NULL, '2020-01-01', NULL, %s)",
        [who, uuid4()],
    )
    kept = [one for one in spans if one[1] is None or one[1] >= one[0]]
    for signed, last, withdrawn in kept:
        admin.execute(
            "INSERT INTO lua.undertaking VALUES (%s, %s, 'gdpr-28-3-b', 'x', %s, %s, %s, %s)",
            [
                uuid4(), who, today + signed * DAY, None if last is None else today + last * DAY,
                None if withdrawn is None else noon + withdrawn * DAY, uuid4(),
            ],
        )  # fmt: skip
    binds = any(
        signed <= at and (last is None or at <= last) and (withdrawn is None or at < withdrawn)
        for signed, last, withdrawn in kept
    )
    row = admin.execute("SELECT lua.is_bound(%s, %s)", [who, noon + at * DAY]).fetchone()
    assert row == (binds,)


def test_what_cannot_have_been_signed_is_refused(session: Session) -> None:
    today = session.clock.now().date()
    anna = hire(session, "anna")
    nightly = hire(session, "nightly", kind="job", manager="anna")
    for basis, signed, expires in (
        ("by-heart", None, None),
        ("stgb-203", today + DAY, None),
        ("stgb-203", today, today - DAY),
    ):
        with pytest.raises(UsageError):
            staff.prepare(session, basis, "1", signed, expires)
    with pytest.raises(UsageError, match="1 to 200 characters"):
        staff.prepare(session, "stgb-203", " ")
    with pytest.raises(UsageError, match="a job signs nothing"):
        staff.record(session, nightly, staff.prepare(session, "stgb-203", "1"))
    with pytest.raises(NotFoundError):
        staff.find_undertaking(session, UUID(int=1))
    for who, signed in ((nightly, today), (anna, today + DAY)):
        with pytest.raises(psycopg.errors.CheckViolation):
            session.conn.execute(
                "SELECT lua.add_undertaking(%s, %s, 'stgb-203', '1', %s, NULL, now(), %s)",
                [uuid4(), who.person_id, signed, uuid4()],
            )


def test_administrators_and_the_data_protection_officer_record(login: Callable[..., Session]) -> None:
    anna = hire(login("lua_admin"), "anna", bound=False)
    for role in ("lua_operator", "lua_responder", "lua_auditor", "lua_accounting"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sign(login(role), anna)
    signed = sign(login("lua_dpo"), anna, expires_on=date(2999, 1, 1))
    assert signed.days_left(date(2998, 12, 31)) == 1
    assert is_bound(login("lua_auditor"), anna)
