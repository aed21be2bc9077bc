"""From a login to what it touched, against its usual day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from conftest import Connection
from test_log import logged, other, write  # noqa: F401

from luactl import ledger, log
from luactl.clock import FixedClock
from luactl.db import Session
from luactl.errors import NotFoundError, UsageError

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def person(number: int) -> UUID:
    return UUID(int=number, version=4)


def read(session: Session, days_ago: int, tenant: int, people: range) -> None:
    at = replace(session, clock=FixedClock(NOW - timedelta(days=days_ago)))
    ledger.record_read(at, tenant, [person(n) for n in people], "support", "table:crm.contact")


@pytest.fixture
def curious(logged: Session, admin: Connection) -> Session:  # noqa: F811
    """Two or three people on usual days, forty on the last; somebody else reads four a day."""
    for day in (40, 30, 20):
        read(logged, day, 7, range(2))
    read(logged, 10, 7, range(5))
    for day in (30, 20):
        admin.execute("SET SESSION AUTHORIZATION DEFAULT")
        colleague = replace(logged, conn=admin, actor="postgres")
        read(colleague, day, 8, range(100, 104))
    read(logged, 0, 7, range(10))
    read(logged, 0, 8, range(200, 230))
    write(replace(logged, clock=FixedClock(NOW)), "tenant.suspend", tenant_id=7, subject=person(3))
    return replace(logged, clock=FixedClock(NOW + timedelta(hours=1)))


def test_everything_a_login_touched(curious: Session) -> None:
    found = log.actor(curious, curious.actor, NOW - timedelta(hours=1))
    assert (found.entries, found.reads, found.people, found.new_people) == (3, 2, 40, 35)
    assert (found.busiest_day, found.busiest_people) == (NOW.replace(hour=0), 40)
    assert (found.usual_people, found.peers_people) == (2.0, 4.0)
    assert [(one.name, one.entries, one.people, one.is_new) for one in found.tenants] == [
        ("8", 1, 30, True),
        ("7", 2, 10, False),
    ]
    assert [one.is_new for one in found.addresses] == [False]


def test_a_login_that_did_nothing(curious: Session) -> None:
    with pytest.raises(NotFoundError):
        log.actor(curious, "nobody", NOW - timedelta(hours=1))
    with pytest.raises(UsageError):
        log.actor(curious, curious.actor, NOW, NOW)


def test_without_a_usual_day_there_is_nothing_to_compare_with(curious: Session) -> None:
    found = log.actor(curious, curious.actor, NOW - timedelta(days=41))
    assert (found.usual_people, found.peers_people, found.new_people) == (None, None, 40)
