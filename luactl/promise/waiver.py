"""Waivers: somebody's word that a promise may be broken or not observable for a time, and no longer.

Owns the register `lua.waiver`. A waiver changes no probe: what it finds is shown all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from ..db import Session, queries, transaction
from ..errors import BusyError, LuactlError, NotFoundError, UsageError
from .page import Clause, Page

LONGEST = 500


@dataclass(frozen=True)
class Waiver:
    """One waiver."""

    waiver_id: UUID
    """UUIDv7."""
    promise: str
    """Id of the clause."""
    reason: str
    """Why."""
    waived_by: str
    """The login that waived it."""
    waived_at: datetime
    """When."""
    valid_until: datetime
    """When it ends; the instant itself no longer counts."""

    def __str__(self) -> str:
        """Say who, why and until when."""
        return f"by {self.waived_by} until {self.valid_until:%Y-%m-%d}: {self.reason}"


def in_force(session: Session, page: Page) -> dict[str, Waiver]:
    """Return the waivers that hold now, by the id of their promise."""
    now = session.clock.now()
    with transaction(session):
        return {one.promise: one for one in _open(session, page) if one.valid_until > now}


def _open(session: Session, page: Page) -> list[Waiver]:
    return [Waiver(*row) for row in queries("promise").open_waivers(session.conn, page=page.name)]


def waive(
    session: Session, page: Page, clause: Clause, reason: str, until: datetime, *, dry_run: bool = False
) -> Waiver:
    """Record a waiver of a promise, in force from now on.

    Raises UsageError for an empty reason or an end that is past, LuactlError when one is in force already.
    """
    from ..ledger import Entry, append, new_id

    now, text = session.clock.now(), reason.strip()
    if not text or len(text) > LONGEST or not text.isprintable():
        raise UsageError(f"the reason must be one line of 1 to {LONGEST} characters")
    if until <= now:
        raise UsageError(
            f"the waiver would end on {until:%Y-%m-%d}, which is past", hint="give a day to come"
        )
    new = Waiver(new_id(now), clause.id, text, session.actor, now, until)
    with _one_at_a_time(clause), transaction(session) as conn:
        for old in _open(session, page):
            if old.promise == clause.id and old.valid_until > now:
                raise LuactlError(
                    f"{clause.id} is waived already {old}",
                    hint=f"`luactl promise unwaive {clause.id}` ends it",
                )
            if old.promise == clause.id and not dry_run:
                queries("promise").end_waiver(conn, waiver_id=old.waiver_id, at=now)
        if not dry_run:
            detail = {"page": page.name, "reason": text, "until": until.isoformat()}
            entry_id = append(session, Entry("promise.waive", object=f"promise:{clause.id}", detail=detail))
            queries("promise").insert_waiver(
                conn,
                waiver_id=new.waiver_id,
                page=page.name,
                promise=clause.id,
                reason=text,
                at=now,
                until=until,
                entry_id=entry_id,
            )
    return new


@contextmanager
def _one_at_a_time(clause: Clause) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.UniqueViolation:
        raise BusyError(f"somebody else is waiving {clause.id}", hint="run it again") from None


def unwaive(session: Session, page: Page, clause: Clause, *, dry_run: bool = False) -> Waiver:
    """End the waiver of a promise and return it. Raises NotFoundError when none is in force."""
    from ..ledger import Entry, append

    now = session.clock.now()
    with transaction(session) as conn:
        for one in _open(session, page):
            if one.promise != clause.id or one.valid_until <= now:
                continue
            if not dry_run:
                if not queries("promise").end_waiver(conn, waiver_id=one.waiver_id, at=now):
                    break
                detail = {"page": page.name}
                append(session, Entry("promise.unwaive", object=f"promise:{clause.id}", detail=detail))
            return one
    raise NotFoundError(f"no waiver of {clause.id} is in force", hint="`luactl promise prove` shows waivers")
