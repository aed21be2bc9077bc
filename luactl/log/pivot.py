"""From a login to everything it touched, from a person to everything done to them.

A login is compared with its own usual day and that of all others, over the 90 days before. Who was never
touched in those days is new to it; a day counts distinct people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError, UsageError
from .line import Line
from .query import Every, Field, Node, Query, Some, Value
from .question import find_tenant, reference_of
from .search import Gap, gaps, search

USUAL = timedelta(days=90)


@dataclass(frozen=True)
class Touched:
    """A tenant, or an address, and how often it comes up."""

    name: str
    entries: int
    people: int | None
    """Distinct; None for an address."""
    first_at: datetime
    last_at: datetime
    is_new: bool
    """Whether it did not come up in the 90 days before."""


@dataclass(frozen=True)
class Actor:
    """What one login did within a time."""

    actor: str
    since: datetime
    until: datetime
    entries: int
    reads: int
    """Of these, how many opened sealed values."""
    people: int
    """Distinct people whose data it opened or changed."""
    new_people: int
    """Of these, whom it had not touched in the 90 days before."""
    first_at: datetime
    last_at: datetime
    busiest_day: datetime | None
    busiest_people: int
    """Distinct people on that day."""
    usual_people: float | None
    """Median of people on its own days with any, in the 90 days before; None: there were none."""
    peers_people: float | None
    """The same over the days of all other logins."""
    tenants: tuple[Touched, ...]
    addresses: tuple[Touched, ...]


@dataclass(frozen=True)
class Timeline:
    """What was done to one person."""

    lines: tuple[Line, ...]
    """Oldest first."""
    gaps: tuple[Gap, ...]


def actor(session: Session, name: str, since: datetime, until: datetime | None = None) -> Actor:
    """Return what a login did from `since` up to `until` (now). Raises NotFoundError when it did nothing."""
    until = session.clock.now() if until is None else until
    if until <= since:
        raise UsageError("the end lies before the beginning", hint="such as --since -2d --until -1d")
    times = {"actor": name, "since": since, "until": until, "before": since - USUAL}
    noun, conn = queries("log"), session.conn
    entries, reads, people, new, first, last = noun.actor_sum(conn, **times)
    if not entries:
        raise NotFoundError(
            f"{name!r} did nothing in that time", hint="a login's name counts exactly; or take a longer time"
        )
    day, most = noun.busiest_day(conn, **_only(times, "actor", "since", "until")) or (None, 0)
    own, peers = noun.usual_day(conn, **_only(times, "actor", "since", "before"))
    return Actor(
        name, since, until, entries, reads, people, new, first.astimezone(UTC), last.astimezone(UTC),
        day and day.astimezone(UTC), most, own, peers,
        tuple(_touched(*row) for row in noun.actor_tenants(conn, **times)),
        tuple(_touched(address, n, None, *rest) for address, n, *rest in noun.actor_addresses(conn, **times)),
    )  # fmt: skip


def timeline(
    session: Session,
    tenant: str,
    subject_id: UUID,
    purpose: str,
    since: datetime | None,
    until: datetime | None,
) -> Timeline:
    """Return everything that anyone did to a person; that it was asked is recorded first.

    Entries about a user of the CRM name the user: the way from the person to it goes with an erasure, too.
    Raises RefusedError off a key host, NotFoundError for an unknown or erased subject.
    """
    tenant_id = find_tenant(session, tenant)
    reference = reference_of(session, tenant_id, subject_id, purpose)
    with transaction(session, tenant_id) as conn:
        user_id = queries("subject").user(conn, tenant_id=tenant_id, subject_id=subject_id)
    about: Node = _is("subject", reference)
    if user_id is not None:
        about = Some((about, Every((_is("tenant", tenant_id), _is("object", f"user:{user_id}")))))
    query = Query(about, since, until)
    return Timeline(tuple(reversed(search(session, query, 0).lines)), gaps(session, query))


def _is(field: str, value: object) -> Field:
    return Field(field, (Value((str(value),)),))


def _only(times: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: times[name] for name in names}


def _touched(
    name: str, entries: int, people: int | None, first: datetime, last: datetime, is_new: bool
) -> Touched:
    return Touched(name, entries, people, first.astimezone(UTC), last.astimezone(UTC), is_new)
