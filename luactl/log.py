"""The log as people ask it: who did what, to whom, when; and what happens right now.

Owns filters, their times, and following without missing what commits late. Row security decides what a login
sees.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from .db import Session, queries
from .errors import NotFoundError, UsageError
from .ledger import record_read, references
from .ledger.entry import time_of

SLACK = timedelta(seconds=60)
"""How far the clocks of two hosts, or an entry and its statement, may lie apart."""
IN_FLIGHT = timedelta(minutes=15)
"""How old an entry may be that is not yet committed when somebody begins to follow."""
_SPAN = re.compile(r"-([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
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
class Line:
    """One entry, as the log shows it."""

    at: datetime
    id: UUID
    actor: str
    on_behalf: str | None
    tenant: str | None
    """Slug; the number of a tenant that has none any more."""
    subject: UUID | None
    """Ledger reference."""
    action: str
    object: str | None
    purpose: str | None
    outcome: str
    session: str | None
    """As in the server's own log (log_line_prefix %c)."""
    address: str | None
    detail: dict[str, Any] | None


@dataclass(frozen=True)
class Page:
    """Lines, newest first."""

    lines: tuple[Line, ...]
    more: bool
    """Whether there are older ones."""


@dataclass(frozen=True)
class Position:
    """How far somebody who follows has read."""

    since: datetime
    """Nothing older is still to come."""
    seen: frozenset[UUID] = frozenset()
    """What was shown, as far back as `since`."""
    polls: tuple[tuple[int, datetime], ...] = ()
    """The first transaction that had not begun, and the time, of earlier looks; oldest first."""


def parse_time(text: str, now: datetime) -> datetime:
    """Read an RFC 3339 time, a date (midnight UTC) or a span back from now: -90s, -30m, -2h, -3d, -1w.

    Raises UsageError.
    """
    try:
        if span := _SPAN.fullmatch(text):
            return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise UsageError(
            f"not a time: {text}",
            hint="write 2026-03-01T12:00:00Z, 2026-03-01, or a span back such as -2h or -3d",
        )
    return parsed.astimezone(UTC)


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
    from .key import open_tenant

    found = references(session, open_tenant(session, tenant), tenant, [subject_id])
    if subject_id not in found:
        raise NotFoundError(
            f"subject {subject_id} is not there, or erased",
            hint="erasure cuts the way from a person to their entries for ever",
        )
    record_read(session, tenant, [found[subject_id]], purpose, "table:crm.subject")
    return found[subject_id]


def _rows(session: Session, wanted: Filter, limit: int | None, seen: frozenset[UUID]) -> list[Line]:
    action, prefix = wanted.action, ""
    if action is not None and not _ACTION.fullmatch(action):
        raise UsageError(
            f"not an action: {action}", hint="such as tenant.create, or crm.* for all that begin so"
        )
    if action is not None and action.endswith("*"):
        prefix = action[:-1]
        action = None
    rows = queries("log").search(
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
    return [_line(*row) for row in rows]


def _line(id_: UUID, at: datetime, body: bytes, tenant: int, slug: str | None) -> Line:
    entry = json.loads(body)
    return Line(
        at=at.astimezone(UTC),
        id=id_,
        actor=entry["actor"],
        on_behalf=entry["on_behalf"],
        tenant=slug or (str(tenant) if tenant else None),
        subject=UUID(entry["subject"]) if entry["subject"] else None,
        action=entry["action"],
        object=entry["object"],
        purpose=entry["purpose"],
        outcome=entry["outcome"],
        session=entry["session"],
        address=entry["address"],
        detail=entry["detail"],
    )


def search(session: Session, wanted: Filter, limit: int = 100) -> Page:
    """Return the newest `limit` entries that fit (0: all). Raises UsageError for a malformed action."""
    lines = _rows(session, wanted, limit + 1 if limit else None, frozenset())
    return Page(tuple(lines[:limit] if limit else lines), bool(limit) and len(lines) > limit)


def _look(session: Session, wanted: Filter, position: Position) -> tuple[list[Line], Position]:
    """Return what is new since a position, newest first, and the position after it.

    An entry gets its time before its transaction commits. So a look goes back as far as anything unseen can
    lie: to the latest look since which every transaction that ran then has ended.
    """
    now = session.clock.now()
    settled, ahead = queries("log").snapshot(session.conn)
    since = max(position.since, wanted.since or position.since)
    lines = _rows(session, replace(wanted, since=since), None, position.seen)
    earlier = position.polls[:-1] if position.polls and position.polls[-1][0] == ahead else position.polls
    polls = (*earlier, (ahead, now))
    over = [n for n, (end, _at) in enumerate(polls) if end <= settled]
    back = position.since
    if over:
        polls = polls[over[-1] :]
        back = max(back, polls[0][1] - SLACK)
    seen = position.seen | {line.id for line in lines}
    return lines, Position(back, frozenset(id_ for id_ in seen if time_of(id_) >= back), polls)


def start(session: Session, wanted: Filter, count: int) -> tuple[tuple[Line, ...], Position]:
    """Return the last `count` entries, oldest first, and the position to follow from."""
    _known, position = _look(session, wanted, Position(session.clock.now() - IN_FLIGHT))
    lines = _rows(session, wanted, count, frozenset()) if count else []
    return tuple(reversed(lines)), replace(position, seen=position.seen | {line.id for line in lines})


def follow(session: Session, wanted: Filter, position: Position) -> tuple[tuple[Line, ...], Position]:
    """Return what was committed since the position, oldest first, and the next position."""
    lines, position = _look(session, wanted, position)
    return tuple(reversed(lines)), position


def tail(session: Session, wanted: Filter, count: int, wait: Callable[[], object] | None) -> Iterator[Line]:
    """Yield the last `count` entries, oldest first; with `wait` go on for ever, calling it between looks."""
    lines, position = start(session, wanted, count)
    yield from lines
    while wait is not None:
        wait()
        lines, position = follow(session, wanted, position)
        yield from lines
