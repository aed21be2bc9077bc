"""What happens to a request: recorded, identified, extended, closed. Each is one transaction with its entry.

No entry names the person: a request leads to them until they are erased, the ledger must not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from ..clock import instant
from ..db import Session, queries, transaction
from ..errors import BusyError, LuactlError, NotFoundError, RefusedError, UsageError
from ..line import checked
from .record import CHANNELS, CLOSED, RECEIVERS, RIGHTS, Request, of_reference, read
from .term import EXTENDED, day_of, end, over_at

if TYPE_CHECKING:
    from ..tenant import Tenant


@dataclass(frozen=True)
class NewRequest:
    """A request before it is recorded."""

    request_id: UUID
    """UUIDv7."""
    right: str
    """One of RIGHTS."""
    reference: str
    """Where the request is found at the tenant; no personal data."""
    channel: str
    """One of CHANNELS."""
    received_by: str
    """tenant, or processor: it reached Lua CRM."""
    received_at: datetime
    handed_on_at: datetime | None
    """When it was handed on to the tenant, of what reached Lua CRM."""
    due_on: date
    """Last day of the month that it starts."""


def prepare(
    session: Session,
    right: str,
    reference: str,
    *,
    channel: str = "letter",
    received_at: datetime | None = None,
    handed_on_at: datetime | None = None,
) -> NewRequest:
    """Return a request that was received now, or at `received_at`; nothing is recorded yet.

    With `handed_on_at` it reached Lua CRM, which handed it on to the tenant then. Raises UsageError for
    unknown words, texts that are no line, and times that cannot be.
    """
    from uuid_utils.compat import uuid7

    now = session.clock.now()
    received = received_at or now
    _past("received", received, now)
    if handed_on_at is not None:
        _past("handed on", handed_on_at, now)
        if handed_on_at < received:
            raise UsageError("it was handed on before it was received", hint="compare the two times")
    return NewRequest(
        uuid7(),
        _one_of("right", right, RIGHTS),
        checked("reference", reference),
        _one_of("channel", channel, CHANNELS),
        RECEIVERS[handed_on_at is not None],
        received,
        handed_on_at,
        end(day_of(received)),
    )


def _one_of(what: str, word: str, known: tuple[str, ...]) -> str:
    if word not in known:
        raise UsageError(f"there is no {what} {word[:40]!r}", hint=f"one of {', '.join(known)}")
    return word


def _past(what: str, at: datetime, now: datetime) -> None:
    if at > now:
        raise UsageError(
            f"it cannot have been {what} at {instant(at)}, which is still to come", hint="days are in UTC"
        )


def add(session: Session, tenant: Tenant, new: NewRequest, *, dry_run: bool = False) -> Request | NewRequest:
    """Record a request, whose clock runs from its receipt; a dry run returns what it was given.

    One that is there already, in every word, stays the one it is. Raises LuactlError when its reference and
    right stand for another, RefusedError for a tenant that has ended.
    """
    with transaction(session, tenant.tenant_id) as conn, _told():
        there = of_reference(session, tenant.tenant_id, new.reference, new.right)
        if there is not None:
            return _same(there, new)
        detail = {
            "right": new.right,
            "channel": new.channel,
            "received_by": new.received_by,
            "received_at": instant(new.received_at),
            "due_on": new.due_on.isoformat(),
        }
        entry_id = _append(session, tenant.tenant_id, new.request_id, "add", detail)
        queries("request").add(
            conn, tenant_id=tenant.tenant_id, **vars(new), at=session.clock.now(), entry_id=entry_id
        )
        recorded = read(session, tenant.tenant_id, new.request_id)
        if dry_run:
            raise psycopg.Rollback
    return new if dry_run or recorded is None else recorded


def _same(there: Request, new: NewRequest) -> Request:
    if (there.channel, day_of(there.received_at), there.received_by) == (
        new.channel,
        day_of(new.received_at),
        new.received_by,
    ):
        return there
    raise LuactlError(
        f"there is a request for {new.right} under {new.reference!r} already, of another day or channel",
        hint=f"`luactl request show {there.request_id}`; give this one a reference of its own",
    )


def identify(
    session: Session,
    found: Request,
    subject_id: UUID,
    how: str,
    *,
    at: datetime | None = None,
    note: str | None = None,
    dry_run: bool = False,
) -> Request:
    """Say whose request it is, and how that was made sure (Art. 12(6)); again as long as it is open.

    `note` is personal and is sealed under the person's key; an earlier one goes. Raises NotFoundError for an
    unknown person, RefusedError for an erased one, for a request that is not open, and off a key host.
    """
    from .. import subject

    when, text = at or session.clock.now(), checked("way of identification", how)
    _past("identified", when, session.clock.now())
    sealer = None
    if note is not None:
        from .note import sealer_of

        sealer = sealer_of(session, found, subject_id, note)

    def change(conn: Any) -> None:
        subject.lock(session, found.tenant_id, [subject_id])
        personal = None if sealer is None else sealer()
        queries("request").identify(
            conn, **_key(found), subject_id=subject_id, how=text, at=when, personal=personal
        )

    return _change(session, found, "identify", {"how": text, "note": note is not None}, change, dry_run)


def extend(
    session: Session, found: Request, reason: str, *, told_at: datetime | None = None, dry_run: bool = False
) -> Request:
    """Extend the clock by two further months, once (Art. 12(3)); within the first the person was told why.

    Raises RefusedError when it is too late for that, when it was extended before, or is not open.
    """
    now, text = session.clock.now(), checked("reason", reason)
    told = told_at or now
    _past("told", told, now)
    if told < found.received_at:
        raise UsageError("nobody can have been told before the request came in", hint="give a later --told")
    if told >= over_at(found.first_due_on):
        raise RefusedError(
            f"the first month ended on {found.first_due_on}: it can no longer be extended",
            hint="answer it as soon as you can; `request close` records what the person was told",
        )
    until = end(day_of(found.received_at), EXTENDED)
    detail = {"reason": text, "told_at": instant(told), "due_on": until.isoformat()}

    def change(conn: Any) -> None:
        queries("request").extend(conn, **_key(found), until=until, reason=text, told_at=told)

    return _change(session, found, "extend", detail, change, dry_run)


def close(
    session: Session,
    found: Request,
    state: str,
    outcome: str,
    *,
    at: datetime | None = None,
    dry_run: bool = False,
) -> Request:
    """Close a request for good: answered (where?), refused (on which ground?) or withdrawn (how?).

    Raises UsageError for another state or a time that cannot be, RefusedError for a request that is not open.
    """
    when, text = at or session.clock.now(), checked("reason", outcome)
    _one_of("outcome", state, CLOSED)
    _past("closed", when, session.clock.now())
    if when < found.received_at:
        raise UsageError("it cannot have been closed before it came in", hint="give a later --at")
    detail = {"outcome": state, "reason": text, "at": instant(when)}

    def change(conn: Any) -> None:
        queries("request").close(conn, **_key(found), state=state, outcome=text, at=when)

    return _change(session, found, "close", detail, change, dry_run)


def _change(
    session: Session,
    found: Request,
    verb: str,
    detail: Mapping[str, Any],
    change: Callable[[Any], None],
    dry_run: bool,
) -> Request:
    """Make a change with its entry, and return the request as it is then; a dry run takes it back."""
    with transaction(session, found.tenant_id) as conn, _told():
        _append(session, found.tenant_id, found.request_id, verb, detail)
        change(conn)
        changed = read(session, found.tenant_id, found.request_id)
        if dry_run:
            raise psycopg.Rollback
    if changed is None:
        raise NotFoundError(f"request {found.request_id} is gone", hint="has its tenant ended?")
    return changed


@contextmanager
def _told() -> Iterator[None]:
    """Say in our words what the database refuses."""
    try:
        yield
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        raise RefusedError(
            f"nothing was changed: {error.diag.message_primary}",
            hint="`luactl request show ID` says what became of it",
        ) from error
    except psycopg.errors.UniqueViolation as error:
        raise BusyError("somebody has just recorded the same request", hint="run it again") from error


def _append(session: Session, tenant_id: int, request_id: UUID, verb: str, detail: Mapping[str, Any]) -> UUID:
    from ..ledger import Entry, append

    return append(session, Entry(f"request.{verb}", tenant_id, f"request:{request_id}", detail=dict(detail)))


def _key(found: Request) -> dict[str, Any]:
    return {"tenant_id": found.tenant_id, "request_id": found.request_id}
