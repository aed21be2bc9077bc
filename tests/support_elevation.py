"""What the tests of elevations share: people who are bound, an approver, and an elevation that has begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from conftest import Connection, Home
from support_approval import Approver, approver
from uuid_utils.compat import uuid7

from luactl.access import elevation
from luactl.access.elevation import Begun, Order
from luactl.approval import ApprovalNeededError
from luactl.clock import FixedClock
from luactl.config import load_profile
from luactl.connect import connect
from luactl.db import Session
from luactl.tenant import NewTenant, create, find

ORDER = elevation.prepare("operator", "smile", 120, "ticket 4711")
ALARM = replace(ORDER, minutes=60, breaks_glass=True)
TENANTS = ("smile", "other")


@dataclass(frozen=True)
class Cast:
    """Somebody who is elevated, and somebody else who approves."""

    mara: Session
    """Sees nothing of customers by herself: lua_accounting."""
    person: UUID
    approver: Approver
    tenants: dict[str, int]


def add_person(
    session: Session, handle: str, login: str, *, kind: str = "employee", bound: bool = True
) -> UUID:
    """Write down a person, their login, and what they signed."""
    person, entry, now = uuid7(), uuid7(), session.clock.now()
    conn = session.conn
    conn.execute(
        "SELECT lua.put_person(%s, %s, %s, %s, NULL, %s, '{}', %s, %s)",
        (person, handle, handle.title(), kind, now.date(), now, entry),
    )
    conn.execute("SELECT lua.add_person_login(%s, %s, %s, %s)", (login, person, now, entry))
    if bound:
        bind(session, person)
    return person


def bind(session: Session, person: UUID) -> None:
    now = session.clock.now()
    session.conn.execute(
        "SELECT lua.add_undertaking(%s, %s, 'gdpr-28-3-b', '2026-01', %s, NULL, %s, %s)",
        (uuid7(), person, now.date(), now, uuid7()),
    )


def cast(session: Session, login: Callable[..., Session], folder: Path) -> Cast:
    """Make two tenants, somebody to be elevated and somebody who approves."""
    for slug in TENANTS:
        create(session, NewTenant(slug, slug.title(), "DE", f"office@{slug}.example"))
    mara = login("lua_accounting")
    person = add_person(session, "mara.holt", mara.actor)
    somebody = approver(session, login, folder, "lua_dpo")
    add_person(session, "anna.berg", somebody.session.actor)
    return Cast(mara, person, somebody, {slug: find(session, slug).tenant_id for slug in TENANTS})


def approved(who: Cast, order: Order = ORDER, *, moved: bool = False) -> Begun:
    """Ask, have it granted, begin; `moved`: with hardly two seconds left."""
    try:
        return elevation.elevate(who.mara, order)
    except ApprovalNeededError as needed:
        who.approver.grant(needed.approval_id)
    return elevation.elevate(ends_at(who.mara, order) if moved else who.mara, order)


@contextmanager
def entered(home: Home) -> Iterator[Connection]:
    """Log in as the fresh login, by the profile that was written."""
    with closing(connect(load_profile("test-elevated", home.environ), command="test")) as conn:
        yield conn


def value(conn: Connection, query: str, *values: object) -> Any:
    """Return the one value of a query."""
    row = conn.execute(query.encode(), values or None).fetchone()
    assert row is not None
    return row[0]


def in_tenant(conn: psycopg.Connection[Any], tenant_id: int, query: str) -> list[Any]:
    """Ask in the context of a tenant."""
    with conn.transaction():
        conn.execute(f"SET LOCAL lua.tenant_id = {tenant_id}".encode())
        return conn.execute(query.encode()).fetchall()


def ends_at(session: Session, order: Order = ORDER) -> Session:
    """Return a session by whose clock an elevation that begins now ends within one to two seconds."""
    now: datetime = value(session.conn, "SELECT date_trunc('second', clock_timestamp())")
    return replace(session, clock=FixedClock(now + timedelta(seconds=2) - timedelta(minutes=order.minutes)))
