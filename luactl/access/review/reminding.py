"""Reminding reviewers of what waits, and escalating what they leave: to whoever is above them.

Reminders go out on the channels of alerts (`[profile.NAME.detect]`), to one place in the house that passes
them on; where there is none, the list is what a person sends. Handles, counts and days go out, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from ...clock import instant
from ...db import Session, queries, transaction
from ...errors import LuactlError, RefusedError
from ...log.detect.settings import COMMAND, MAIL, Mail, Settings, settings_of
from .record import find, items

if TYPE_CHECKING:
    from ...ledger.entry import Outcome


@dataclass(frozen=True)
class Reminder:
    """What waits for one reviewer."""

    reviewer: str
    """Handle."""
    waiting: int
    """Items that are not decided."""
    seen: int
    """Of these, how many were shown to them."""
    due_at: datetime
    told: str
    """Channels on which it went out; empty: nobody was told."""
    problem: str | None
    """Why somebody was not reached."""


@dataclass(frozen=True)
class Moved:
    """One item that somebody else decides now."""

    item_no: int
    before: str
    """Handle of the reviewer who did not answer."""
    reviewer: str
    """Handle."""


def remind(session: Session, review_id: UUID, *, dry_run: bool = False) -> tuple[Reminder, ...]:
    """Tell who has items that wait, in one message on every channel of alerts.

    The attempt is in the ledger before anything leaves the house, and what came of it after. A channel that
    cannot be reached is no error: `problem` says why, and the others are told. Raises NotFoundError,
    RefusedError for a closed review, UsageError for settings that make no sense.
    """
    review = find(session, review_id)
    if review.closed_at is not None:
        raise RefusedError("the review is closed", hint="`luactl access review list` shows what is open")
    waiting: dict[str, list[bool]] = {}
    for one in items(session, review_id, undecided=True):
        waiting.setdefault(one.reviewer, []).append(one.shown_at is not None)
    found = [
        Reminder(name, len(seen), sum(seen), review.due_at, "", None)
        for name, seen in sorted(waiting.items())
    ]
    chosen = settings_of(session.profile)
    if dry_run or not found:
        return tuple(found)
    if not chosen.alerts:  # whoever runs it tells them
        _remember(session, review_id, found, "done", (), ())
        return tuple(found)
    _remember(session, review_id, found, "intent", (), ())
    told, problems = [], []
    for channel in chosen.alerts:
        try:
            _tell(session, chosen, channel, review.title, review_id, found)
            told.append(channel.partition(":")[0])
        except LuactlError as error:
            problems.append(error.what)
        session.step("reminder sent")
    _remember(session, review_id, found, "done" if told else "failed", told, problems)
    out, wrong = ", ".join(told), "; ".join(problems) or None
    return tuple(replace(one, told=out, problem=wrong) for one in found)


def _remember(session: Session, review_id: UUID, found: list[Reminder], outcome: Outcome, told: Sequence[str],
              problems: Sequence[str]) -> None:  # fmt: skip
    from ...ledger import Entry, append

    detail = {
        "waiting": sum(one.waiting for one in found),
        "reviewers": len(found),
        "told": list(told),
        "not_told": len(problems),
    }
    about = f"access-review:{review_id}"
    with transaction(session):
        append(session, Entry("access.review.remind", object=about, outcome=outcome, detail=detail))


def _tell(session: Session, chosen: Settings, channel: str, title: str, review_id: UUID,
          found: list[Reminder]) -> None:  # fmt: skip
    from ...log.detect.alert import hand

    if channel.startswith(MAIL):
        _mail(session, chosen, channel.removeprefix(MAIL), title, review_id, found)
    else:
        hand(channel.removeprefix(COMMAND), [_line(review_id, title, one) for one in found])


def _line(review_id: UUID, title: str, one: Reminder) -> dict[str, object]:
    """Return what a program is told of one reviewer."""
    return {
        "luactl-review": 1, "review": str(review_id), "title": title, "reviewer": one.reviewer,
        "waiting": one.waiting, "due_at": instant(one.due_at),
    }  # fmt: skip


def _mail(session: Session, chosen: Settings, to: str, title: str, review_id: UUID,
          found: list[Reminder]) -> None:  # fmt: skip
    from email.message import EmailMessage
    from hashlib import sha256

    from ...log.detect.mail import post

    lines = [f"{one.reviewer}: {one.waiting:,} items until {instant(one.due_at)}" for one in found]
    # Cut short and run again it is the same mail, which programs show once; tomorrow it is another.
    day = session.clock.now().date()
    which = sha256("|".join([to, str(review_id), str(day), *lines]).encode()).hexdigest()

    def written(mail: Mail) -> EmailMessage:
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Date"] = mail.sender, to, session.clock.now()
        count = sum(one.waiting for one in found)
        letter["Subject"] = f"luactl {session.profile.name}: review of access {title}: {count:,} items wait"
        letter["Message-ID"] = f"<{which[:40]}@luactl.invalid>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content("\n".join([*lines, "", f"luactl access review show {review_id} --mine"]))
        return letter

    post(chosen, written)


def escalate(session: Session, review_id: UUID, *, dry_run: bool = False) -> tuple[Moved, ...]:
    """Hand what is undecided to whoever is above its reviewer, with a ledger entry; one step each time.

    Whom nobody independent is above, a data protection officer follows. Raises NotFoundError.
    """
    from ...ledger import Entry, append

    find(session, review_id)
    with transaction(session) as conn:
        handles = dict(queries("access_review").handles(conn))
        rows = queries("access_review").escalate(conn, review_id=review_id, at=session.clock.now())
        moved = tuple(Moved(number, handles[before], handles[after]) for number, before, after in rows)
        if moved:
            detail = {"items": len(moved)}
            append(
                session, Entry("access.review.escalate", object=f"access-review:{review_id}", detail=detail)
            )
        if dry_run:
            raise psycopg.Rollback
    return moved
