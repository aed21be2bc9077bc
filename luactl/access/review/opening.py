"""Opening a review: scope, snapshot, reviewers; all of it in the database, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import psycopg

from ...db import Session, queries, transaction
from ...errors import BusyError, RefusedError, UsageError
from ...line import checked
from . import category
from .people import people
from .scope import Scope, own_role, owners
from .taking import Assigned, Taken, assign, document, take

DAYS, GRACE_DAYS = 14, 14


@dataclass(frozen=True)
class Ask:
    """What somebody wants reviewed."""

    title: str
    roles: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    """Slugs."""
    categories: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    """PATTERN=HANDLE."""
    days: int = DAYS
    """How long reviewers have."""
    grace_days: int = GRACE_DAYS
    """How long a login stays suspended before its access is revoked."""
    months: int | None = None
    """After how many months it comes again."""


@dataclass(frozen=True)
class Share:
    """What one reviewer gets."""

    reviewer: str
    """Handle."""
    assigned_as: str
    items: int


@dataclass(frozen=True)
class Opened:
    """A review that is about to be opened, or was."""

    review_id: UUID
    title: str
    digest: str
    """SHA-256 of the snapshot, in hex."""
    server: str
    lsn: str
    at: datetime
    population: int
    """Logins that can log in."""
    left_out: tuple[str, ...]
    """Those of whose access nothing is looked at."""
    items: int
    due_at: datetime
    months: int | None
    shares: tuple[Share, ...]


def open_(session: Session, ask: Ask, *, series: UUID | None = None, dry_run: bool = False) -> Opened:
    """Freeze who holds what, choose reviewers, and open the review with its ledger entry.

    Raises UsageError for a scope that makes no sense, RefusedError for an empty one and where nobody is
    independent, BusyError when logins changed meanwhile.
    """
    from ...ledger.entry import new_id

    now = session.clock.now()
    title, review_id = checked("title", ask.title), new_id(now)
    scope = _scope(session, ask)
    taken = take(session, scope)
    if not taken.items:
        raise RefusedError(
            "nothing is in the scope: an empty review proves nothing",
            hint="`luactl access list` shows what logins reach; widen --role, --tenant or --category",
        )
    assigned = assign(session, taken, scope)
    data = document(review_id, title, taken, scope, assigned, now)
    due = now + timedelta(days=ask.days)
    _store(session, review_id, series or review_id, title, ask, data, due, len(taken.items), dry_run)
    return _opened(review_id, title, ask, taken, assigned, data, due)


def _scope(session: Session, ask: Ask) -> Scope:
    if not 1 <= ask.days <= 90 or not 0 <= ask.grace_days <= 90:
        raise UsageError("reviewers have 1 to 90 days, and a suspension lasts 0 to 90")
    if ask.months is not None and not 1 <= ask.months <= 36:
        raise UsageError("a review comes again after 1 to 36 months", hint="such as --every 3m")
    with transaction(session) as conn:
        ids = dict(queries("access_review").tenants(conn))
        known = {name for (name,) in queries("access_review").role_names(conn)}
        who = people(conn, session.clock.now())
    for role in ask.roles:
        if role not in known:
            raise UsageError(f"there is no role {role!r}", hint="such as lua_admin")
    return Scope(
        ask.roles,
        tuple(own_role(slug, ids) for slug in ask.tenants),
        category.checked(ask.categories),
        owners(ask.owners, who),
    )


def _store(session: Session, review_id: UUID, series: UUID, title: str, ask: Ask, data: bytes, due: datetime,
           items: int, dry_run: bool) -> None:  # fmt: skip
    from ...ledger import Entry, append

    detail = {"title": title, "snapshot": sha256(data).hexdigest(), "items": items, "series": str(series)}
    entry = Entry("access.review.open", object=f"access-review:{review_id}", detail=detail)
    try:
        with transaction(session) as conn:
            entry_id = append(session, entry)
            queries("access_review").open_review(
                conn, review_id=review_id, series=series, title=title, months=ask.months, snapshot=data,
                due_at=due, grace_days=ask.grace_days, at=session.clock.now(), entry_id=entry_id,
            )  # fmt: skip
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.SerializationFailure:
        raise BusyError("logins changed while the snapshot was taken", hint="run it again") from None


def _opened(review_id: UUID, title: str, ask: Ask, taken: Taken, assigned: Sequence[Assigned], data: bytes,
            due: datetime) -> Opened:  # fmt: skip
    handles = {one.person_id: one.handle for one in taken.people.by_id.values()}
    counts = Counter((handles[one.reviewer], one.assigned_as) for one in assigned)
    return Opened(
        review_id, title, sha256(data).hexdigest(), taken.server, taken.lsn, taken.at, len(taken.population),
        tuple(login for login, why in taken.population if why), len(taken.items), due, ask.months,
        tuple(Share(*key, count) for key, count in sorted(counts.items())),
    )  # fmt: skip


def again(session: Session, *, dry_run: bool = False) -> tuple[Opened, ...]:
    """Open what comes again and is due: closed so long ago that the time for deciding must begin."""
    opened = []
    with transaction(session) as conn:
        due = list(queries("access_review").due_again(conn, now=session.clock.now()))
    for review_id, series, title, months, days, grace in due:
        ask = _as_before(session, review_id, title, months, days, grace)
        opened.append(open_(session, ask, series=series, dry_run=dry_run))
    return tuple(opened)


def _as_before(session: Session, review_id: UUID, title: str, months: int, days: int, grace: int) -> Ask:
    """Return the same question once more; owners who have left no longer answer."""
    from .record import snapshot_of

    scope = snapshot_of(session, review_id)[0]["scope"]
    with transaction(session) as conn:
        who = people(conn, session.clock.now())
    handles = {str(one.person_id): one.handle for one in who.by_id.values()}
    rules = tuple(f"{pattern}={handles[owner]}" for pattern, owner in scope["owners"] if owner in handles)
    return Ask(
        title, tuple(scope["roles"]), tuple(scope["tenants"]), tuple(scope["categories"]), rules, days, grace,
        months,
    )  # fmt: skip
