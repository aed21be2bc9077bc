"""Reviews on record: what was frozen, who decides, what was decided, what became of it. Reads only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ...db import Session, queries, transaction
from ...errors import NotFoundError


@dataclass(frozen=True)
class Review:
    """One review, counted."""

    review_id: UUID
    series: UUID
    """The first of those that come again."""
    title: str
    state: str
    """open, overdue or closed."""
    items: int
    decided: int
    failed: int
    """Decisions that a superuser has to carry out yet."""
    suspended: int
    """Items whose login is suspended, since nobody answered."""
    months: int | None
    """After how many months it comes again; None: once."""
    grace_days: int
    """Between suspension and revocation."""
    opened_by: str
    opened_at: datetime
    due_at: datetime
    closed_by: str | None
    closed_at: datetime | None
    next_at: datetime | None
    """When the next one of the series is due to be completed."""
    digest: str
    """SHA-256 of the snapshot, in hex."""


@dataclass(frozen=True)
class Item:
    """One login and one thing that it was given."""

    review_id: UUID
    item_no: int
    login: str
    person: str | None
    """Handle; None: nobody's."""
    kind: str
    """membership, grant, owner, attribute."""
    class_: str
    object: str
    rights: tuple[str, ...]
    how: str
    path: str
    leads_to: tuple[str, ...]
    objects: int
    categories: tuple[str, ...]
    last_seen: str | None
    """RFC 3339; None: unknown."""
    suggestion: str
    """keep, revoke or reduce."""
    why: tuple[str, ...]
    """What speaks for it."""
    cut: tuple[str, ...]
    """The statements that take it back."""
    reviewer: str
    """Handle."""
    assigned_as: str
    """manager, owner, above, dpo, delegated, escalated."""
    shown_at: datetime | None
    decision: str | None
    """keep, revoke, reduce; None: not decided."""
    reason: str | None
    target: str | None
    """What it is reduced to."""
    decided_by: str | None
    decided_at: datetime | None
    outcome: str | None
    """kept, done, failed, suspended, undone; None: not closed."""
    statement: str | None
    """What a superuser must run."""
    problem: str | None
    """Why it failed."""
    revoke_at: datetime | None
    """When a suspended login's access is revoked."""


def list_(session: Session) -> tuple[Review, ...]:
    """Return all reviews, newest first."""
    with transaction(session) as conn:
        return tuple(Review(*row) for row in queries("access_review").reviews(conn, now=session.clock.now()))


def waiting(session: Session) -> dict[UUID, int]:
    """Return how many items of each open review wait for this login's person."""
    with transaction(session) as conn:
        return dict(queries("access_review").waiting(conn))


def find(session: Session, review_id: UUID) -> Review:
    """Return one review. Raises NotFoundError."""
    for one in list_(session):
        if one.review_id == review_id:
            return one
    raise NotFoundError(f"there is no review {review_id}", hint="`luactl access review list` shows them")


def snapshot_of(session: Session, review_id: UUID) -> tuple[dict[str, Any], bytes]:
    """Return what a review froze, and the bytes of it. Raises NotFoundError."""
    with transaction(session) as conn:
        data = queries("access_review").snapshot(conn, review_id=review_id)
    if data is None:
        raise NotFoundError(f"there is no review {review_id}", hint="`luactl access review list` shows them")
    return json.loads(bytes(data)), bytes(data)


def items(
    session: Session, review_id: UUID, *, mine: bool = False, undecided: bool = False
) -> tuple[Item, ...]:
    """Return the items of a review, by number; only one's own, only those that wait. Raises NotFoundError."""
    said, _data = snapshot_of(session, review_id)
    with transaction(session) as conn:
        rows = list(queries("access_review").items(conn, review_id=review_id, mine=mine, undecided=undecided))
    frozen = {one["no"]: one for one in said["items"]}
    return tuple(_item(frozen[row[1]], row) for row in rows)


def _item(frozen: dict[str, Any], row: tuple[Any, ...]) -> Item:
    review_id, number, login, person, kind, class_, object_, rights, *rest = row
    return Item(
        review_id, number, login, person, kind, class_, object_, tuple(rights), frozen["how"], frozen["path"],
        tuple(frozen["leads_to"]), frozen["objects"], tuple(frozen["categories"]), frozen["last_seen"],
        frozen["suggestion"], tuple(frozen["why"]), tuple(frozen["cut"]), *rest,
    )  # fmt: skip


def my_person(session: Session) -> UUID | None:
    """Return the person whose login this session is; None: nobody's."""
    found: UUID | None = queries("access_review").me(session.conn)
    return found
