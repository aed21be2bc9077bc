"""Asking for an elevation, and beginning it once somebody else approved: the same command both times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from ... import approval
from ...approval import Granted
from ...db import Session, queries, transaction
from ...errors import LuactlError, NoConnectionError, RefusedError, UsageError
from ...passfile import new_password, verifier_of
from .order import ACTION, BROKEN_GLASS, Order, want
from .profile import has_password, passfile_of, profile_name, write_password, write_profile
from .record import Elevation, find, list_, tenant_of


@dataclass(frozen=True)
class Begun:
    """What beginning an elevation does, or did."""

    elevation_id: UUID | None
    """None: it would begin."""
    login: str | None
    """The fresh login; its password is nowhere but in the file."""
    role: str
    tenant: str
    minutes: int
    ends_at: datetime | None
    reason: str
    breaks_glass: bool
    profile: str
    """`luactl --profile` with this name works as the fresh login, on this machine."""
    passfile: str
    """The password file that has its password."""


def elevate(session: Session, order: Order, *, dry_run: bool = False) -> Begun:
    """Begin what somebody else approved, or what breaks glass; ask for the approval if there is none yet.

    The database checks whose login it is, their undertaking, the role's longest time and the approval. A
    dry run asks it the same, and takes and asks for nothing. Cut short after the commit, the same order again
    goes on with what was begun. Raises ApprovalNeededError, NotFoundError, RefusedError, UsageError.
    """
    tenant_id = tenant_of(session, order.tenant)
    going_on = _going_on(session, order)
    if going_on is not None:
        return _entered(session, order, going_on)
    with _explained(), transaction(session) as conn:
        queries("access_elevation").require(
            conn, role=order.role, of_tenant=tenant_id, minutes=order.minutes, is_alarm=order.breaks_glass
        )
    if dry_run:
        return _begun(session, order, None)
    granted = None if order.breaks_glass else approval.demand(session, want(order, session.actor))
    return _entered(session, order, _begin(session, order, tenant_id, granted))


def _going_on(session: Session, order: Order) -> Elevation | None:
    """Return the elevation that this very order began, if this machine can go on with it."""
    for one in list_(session, open_only=True, mine=True):
        same = (one.role, one.tenant, one.reason, one.breaks_glass)
        if same == (order.role, order.tenant, order.reason, order.breaks_glass) and has_password(
            session.profile, one.login
        ):
            return one
    return None


def _begin(session: Session, order: Order, tenant_id: int, granted: Granted | None) -> Elevation:
    from uuid_utils.compat import uuid7

    elevation_id, written = uuid7(), False
    try:
        with _explained(), transaction(session) as conn:
            approval.use(session, granted)
            login = _record(session, order, tenant_id, elevation_id, granted)
            password = new_password()
            queries("access_elevation").make_login(
                conn, elevation_id=elevation_id, verifier=verifier_of(conn, login, password)
            )
            write_password(session.profile, login, password)
            written = True
            session.step("password file written")
    except psycopg.OperationalError as error:
        if not written:
            raise
        raise NoConnectionError(
            "nobody knows whether it has begun: the connection was lost at the end",
            hint="run the same again: it goes on with what was begun",
        ) from error
    return find(session, elevation_id)


def _record(
    session: Session, order: Order, tenant_id: int, elevation_id: UUID, granted: Granted | None
) -> str:
    """Write elevation and ledger entry in the running transaction; returns the name of its login."""
    from ...ledger import Entry, append, new_id

    now = session.clock.now()
    entry_id, noun = new_id(now), queries("access_elevation")
    login, _begun_at, ends_at = noun.begin(
        session.conn, elevation_id=elevation_id, role=order.role, of_tenant=tenant_id, minutes=order.minutes,
        reason=order.reason, approval_id=granted and granted.approval_id, at=now, entry_id=entry_id,
    )  # fmt: skip
    detail = {
        "login": login, "person": str(noun.person(session.conn, elevation_id=elevation_id)),
        "role": order.role, "minutes": order.minutes, "until": ends_at.astimezone(UTC).isoformat(),
        "reason": order.reason, "approval": None if granted is None else str(granted.approval_id),
    }  # fmt: skip
    action = BROKEN_GLASS if order.breaks_glass else ACTION
    append(session, Entry(action, tenant_id, f"elevation:{elevation_id}", detail=detail, id=entry_id))
    return str(login)


def _entered(session: Session, order: Order, elevation: Elevation) -> Begun:
    write_profile(session.profile, elevation.login)
    return _begun(session, order, elevation)


def _begun(session: Session, order: Order, one: Elevation | None) -> Begun:
    return Begun(
        None if one is None else one.elevation_id, None if one is None else one.login, order.role,
        order.tenant, order.minutes, None if one is None else one.ends_at, order.reason, order.breaks_glass,
        profile_name(session.profile), str(passfile_of(session.profile)),
    )  # fmt: skip


@contextmanager
def _explained() -> Iterator[None]:
    """Say in words what the database refused."""
    try:
        yield
    except psycopg.Error as error:
        told = _told(error)
        if told is None:
            raise
        raise told from error


def _told(error: psycopg.Error) -> LuactlError | None:
    said = error.diag.message_primary or ""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return RefusedError(
            said, hint="an administrator looks at `luactl staff show`: person, login and undertaking in force"
        )
    if isinstance(error, psycopg.errors.UniqueViolation):
        return RefusedError(
            "one at a time: you have an open elevation",
            hint="`luactl access elevation list --mine` shows it, `access elevation end ID` ends it",
        )
    if isinstance(error, psycopg.errors.CheckViolation):
        return UsageError(said, hint="`luactl access elevation rules` shows roles and times")
    return None
