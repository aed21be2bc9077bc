"""Deciding: items are shown to their reviewer, who keeps, revokes, reduces or hands them on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg

from ...db import Session, queries, transaction
from ...errors import NotFoundError, RefusedError, UsageError
from ...line import checked
from .people import people
from .record import Item, find, items, my_person, waiting

DECISIONS = ("keep", "revoke", "reduce", "delegate", "withdraw")
_SPAN = re.compile(r"([1-9][0-9]{0,8})(?:-([1-9][0-9]{0,8}))?")
MOST = 100_000


@dataclass(frozen=True)
class Decided:
    """Decisions that were recorded at once."""

    review_id: UUID
    items: tuple[int, ...]
    decision: str
    reason: str | None
    target: str | None
    """Of reduce: what stays; of delegate: a handle."""
    left: int
    """How many items of this reviewer wait yet."""


def numbers(text: str) -> tuple[int, ...]:
    """Read item numbers such as `1,4-9`. Raises UsageError."""
    found: set[int] = set()
    for part in text.split(","):
        span = _SPAN.fullmatch(part.strip())
        if span is None:
            raise UsageError(f"{part.strip()[:40]!r} is no item number", hint="such as 3, or 1,4-9")
        first, last = int(span[1]), int(span[2] or span[1])
        if last < first or last - first > MOST:
            raise UsageError(f"{part.strip()[:40]!r} is no span of items", hint="such as 4-9")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def show_mine(session: Session, review_id: UUID, *, undecided: bool = False) -> tuple[Item, ...]:
    """Return the items of this login's person; it is noted that they were shown."""
    found = items(session, review_id, mine=True, undecided=undecided)
    shown(session, review_id, [one.item_no for one in found if one.shown_at is None])
    return found


def shown(session: Session, review_id: UUID, some: Sequence[int]) -> int:
    """Note that items were shown to this login's person; returns how many for the first time."""
    from ...ledger import Entry, append

    if not some:
        return 0
    with transaction(session) as conn:
        count: int = queries("access_review").show(conn, review_id=review_id, items=list(some))
        if count:
            detail = {"items": count}
            append(session, Entry("access.review.show", object=f"access-review:{review_id}", detail=detail))
    return count


def decide(
    session: Session, review_id: UUID, some: Iterable[int], decision: str, reason: str | None = None,
    to: str | None = None, *, dry_run: bool = False,
) -> Decided:  # fmt: skip
    """Record one decision on some items of this login's person, all of them or none, with a ledger entry.

    `to` says what an item is reduced to, or the handle of whom it is handed to. A later decision takes the
    place of an earlier one until the review is closed. Raises UsageError, NotFoundError and, from the
    database, RefusedError: somebody else's item, one that was never shown, one's own access.
    """
    wanted = tuple(sorted(set(some)))
    find(session, review_id)
    text = write_down(session, review_id, wanted, decision, reason, to, dry_run=dry_run)
    left = waiting(session).get(review_id, 0)
    return Decided(review_id, wanted, decision, text, to, left)


def write_down(
    session: Session, review_id: UUID, wanted: Sequence[int], decision: str, reason: str | None = None,
    to: str | None = None, *, dry_run: bool = False,
) -> str | None:  # fmt: skip
    """Do the same without looking at anything else; returns the reason as it was recorded."""
    text = _checked(decision, reason, to, wanted)
    target = _target(session, decision, to)
    try:
        _record(session, review_id, wanted, decision, text, target, dry_run)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState) as error:
        raise RefusedError(
            f"nothing was decided: {error.diag.message_primary}",
            hint=f"`luactl access review show {review_id} --mine` shows what is yours to decide",
        ) from None
    except psycopg.errors.CheckViolation as error:
        raise UsageError(
            f"nothing was decided: {error.diag.message_primary}",
            hint=f"`luactl access review show {review_id}` has items, rights and roles",
        ) from None
    return text


def _checked(decision: str, reason: str | None, to: str | None, wanted: Sequence[int]) -> str | None:
    if decision not in DECISIONS:
        raise UsageError(f"{decision!r} is no decision", hint=f"one of {', '.join(DECISIONS)}")
    if not wanted:
        raise UsageError("no item was named", hint="such as 3, or 1,4-9")
    if (to is None) == (decision in ("reduce", "delegate")):
        raise UsageError(
            "--to belongs to reduce and delegate, and these need it",
            hint="a smaller role, no-admin or the privileges that stay; whom it is handed to",
        )
    if reason is None and decision not in ("keep", "withdraw"):
        raise UsageError(f"{decision} needs a reason", hint="--reason 'left the team'")
    return None if reason is None else checked("reason", reason)


def _target(session: Session, decision: str, to: str | None) -> str | None:
    if decision != "delegate" or to is None:
        return to
    with transaction(session) as conn:
        person = people(conn, session.clock.now()).of_handle(to)
    if person is None:
        raise NotFoundError(f"there is nobody {to!r} in force", hint="`luactl staff list` shows the handles")
    return str(person.person_id)


def _record(session: Session, review_id: UUID, wanted: Sequence[int], decision: str, reason: str | None,
            target: str | None, dry_run: bool) -> None:  # fmt: skip
    from ...ledger import Entry, append

    detail = {"items": spans(wanted), "decision": decision, "reason": reason, "target": target}
    with transaction(session) as conn:
        if my_person(session) is None:
            raise RefusedError(
                f"nobody in force is known to have the login {session.actor}",
                hint="`luactl staff show` tells whose logins are known",
            )
        entry_id = append(
            session, Entry("access.review.decide", object=f"access-review:{review_id}", detail=detail)
        )
        new = queries("access_review").decide(
            conn, review_id=review_id, items=list(wanted), decision=decision, reason=reason, target=target,
            at=session.clock.now(), entry_id=entry_id,
        )  # fmt: skip
        if dry_run or not new:
            raise psycopg.Rollback


def spans(some: Sequence[int]) -> str:
    """Write item numbers the short way: `1,4-9`."""
    found: list[list[int]] = []
    for one in some:
        if found and found[-1][1] == one - 1:
            found[-1][1] = one
        else:
            found.append([one, one])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
