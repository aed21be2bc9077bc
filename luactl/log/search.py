"""What to look for, and pages of what was found, newest first. Row security decides what a login sees."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ..db import Session, queries
from ..errors import NotFoundError, UsageError
from ..ledger import record_read, references
from .line import Line, line

_ACTION = re.compile(r"[a-z][a-z.-]*\*?|\*")


@dataclass(frozen=True)
class Filter:
    """What to look for; None asks for anything."""

    tenant_id: int | None = None
    actor: str | None = None
    action: str | None = None
    """A whole action, or its beginning and `*`."""
    reference: UUID | None = None
    """A ledger reference: entries about this person, and reads that opened their data."""
    since: datetime | None = None
    until: datetime | None = None
    """Up to but not including."""


@dataclass(frozen=True)
class Page:
    """Lines, newest first."""

    lines: tuple[Line, ...]
    more: bool
    """Whether there are older ones."""


def find_tenant(session: Session, slug: str) -> int:
    """Return the id of a tenant. Raises NotFoundError."""
    found: int | None = queries("log").tenant_id(session.conn, slug=slug)
    if found is None:
        raise NotFoundError(f"there is no tenant {slug!r}", hint="`luactl tenant list` shows them")
    return found


def reference_of(session: Session, tenant: int, subject_id: UUID, purpose: str) -> UUID:
    """Return the ledger reference of a subject: opened on a key host, and recorded as a read.

    Raises RefusedError off a key host, NotFoundError for an unknown or erased subject.
    """
    from ..key import open_tenant

    found = references(session, open_tenant(session, tenant), tenant, [subject_id])
    if subject_id not in found:
        raise NotFoundError(
            f"subject {subject_id} is not there, or erased",
            hint="erasure cuts the way from a person to their entries for ever",
        )
    record_read(session, tenant, [found[subject_id]], purpose, "table:crm.subject")
    return found[subject_id]


def rows(session: Session, wanted: Filter, limit: int | None, seen: frozenset[UUID]) -> list[Line]:
    """Return what fits, newest first, but for what was seen. Raises UsageError for a malformed action."""
    action, prefix = wanted.action, ""
    if action is not None and not _ACTION.fullmatch(action):
        raise UsageError(
            f"not an action: {action}", hint="such as tenant.create, or crm.* for all that begin so"
        )
    if action is not None and action.endswith("*"):
        prefix = action[:-1]
        action = None
    found = queries("log").search(
        session.conn,
        tenant_id=wanted.tenant_id,
        actor=wanted.actor,
        action=action,
        prefix=prefix,
        reference=wanted.reference,
        since=wanted.since,
        until=wanted.until,
        seen=list(seen),
        limit=limit,
    )
    return [line(*row) for row in found]


def search(session: Session, wanted: Filter, limit: int = 100) -> Page:
    """Return the newest `limit` entries that fit (0: all). Raises UsageError for a malformed action."""
    lines = rows(session, wanted, limit + 1 if limit else None, frozenset())
    return Page(tuple(lines[:limit] if limit else lines), bool(limit) and len(lines) > limit)
