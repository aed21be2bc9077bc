"""What was done with an elevation, out of the ledger, and that another person has looked at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from ...db import Session, queries, transaction
from ...errors import BusyError, RefusedError
from ...line import checked
from .record import Elevation, find


@dataclass(frozen=True)
class Act:
    """One kind of thing that the login did."""

    action: str
    outcome: str
    tenant: str | None
    """Slug; None: of no tenant."""
    entries: int
    people: int
    """Different people that it touched."""
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Review:
    """Everything that the ledger has of an elevated login."""

    elevation: Elevation
    entries: int
    acts: tuple[Act, ...]
    people: tuple[UUID, ...]
    """Ledger references of everybody whose data it opened or changed."""
    lines: int
    """Lines of servers that name the login: what was done past luactl, where such lines are brought in."""


@dataclass(frozen=True)
class Reviewed:
    """What signing off writes down, or wrote."""

    elevation_id: UUID
    login: str
    person: str
    entries: int
    """So many entries were looked at: all there are."""
    people: int
    reason: str


def review(session: Session, elevation_id: UUID) -> Review:
    """Return what was done. Raises NotFoundError, RefusedError for a login that sees only its own entries."""
    from ...ledger import sees_all

    one = find(session, elevation_id)
    if not sees_all(session):
        raise RefusedError(
            "this login does not see all of the ledger, and would see nothing of somebody else's",
            hint="look at it as lua_admin, lua_responder, lua_auditor or lua_dpo",
        )
    who = {"login": one.login, "since": one.begun_at}
    noun = queries("access_elevation")
    with transaction(session, snapshot=True) as conn:
        entries, lines = noun.sums(conn, **who)
        acts = tuple(_act(*row) for row in noun.acts(conn, **who))
        people = tuple(row[0] for row in noun.people(conn, **who))
    return Review(one, entries, acts, people, lines)


def _act(action: str, outcome: str, tenant: str | None, entries: int, people: int, *at: Any) -> Act:
    first, last = (one.astimezone(UTC) for one in at)
    return Act(action, outcome, tenant, entries, people, first, last)


def sign_off(session: Session, seen: Review, reason: str, *, dry_run: bool = False) -> Reviewed:
    """Write down that this person looked at all of it: another than whose it was, once it has ended.

    Raises RefusedError, and BusyError when entries came since.
    """
    from ...ledger import Entry, append, new_id

    one, text, now = seen.elevation, checked("reason", reason), session.clock.now()
    entry_id = new_id(now)
    try:
        with transaction(session) as conn:
            queries("access_elevation").sign_off(
                conn,
                elevation_id=one.elevation_id,
                reason=text,
                entries=seen.entries,
                at=now,
                entry_id=entry_id,
            )
            detail = {"login": one.login, "entries": seen.entries, "people": len(seen.people), "reason": text}
            about = f"elevation:{one.elevation_id}"
            append(
                session, Entry("access.elevation.sign-off", one.tenant_id, about, detail=detail, id=entry_id)
            )
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.CheckViolation as error:
        raise BusyError(
            "the login has entries that were not looked at; nothing was signed off",
            hint=f"`luactl access elevation review {one.elevation_id}`, then run it again",
        ) from error
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState) as error:
        raise RefusedError(
            f"nothing was signed off: {error.diag.message_primary}",
            hint="it must have ended, and somebody else than whose it was signs it off",
        ) from error
    return Reviewed(one.elevation_id, one.login, one.person, seen.entries, len(seen.people), text)
