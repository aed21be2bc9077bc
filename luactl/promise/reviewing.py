"""Probe of reviews: overdue ones, revoked rights that are there again, elevations that nobody looked at."""

from __future__ import annotations

from datetime import datetime

from ..access import elevation, review
from ..db import Session
from .look import Look
from .page import Page


def reviews(session: Session, page: Page, look: Look) -> None:
    """Compare the last review of each series with its period, its decisions with the catalog, and elevations
    with who signed them off.
    """
    now, every = session.clock.now(), review.list_(session)
    newest: dict[object, review.Review] = {}
    for one in every:  # newest first
        if one.closed_at is not None:
            newest.setdefault(one.series, one)
    comes_again = {one.series: one for one in every if one.months}
    for series, last in comes_again.items():
        _period(look, last, newest.get(series), now)
    if not comes_again:
        look.misses("no review of access comes again yet: `luactl access review open --every 3m`")
    for done in newest.values():
        for item in review.again_held(session, done.review_id):
            look.breaks(f"review {done.title!r}: {item}")
        look.tried()
    _elevations(session, look, now)
    look.evidence["series"] = len(comes_again)
    look.evidence["completed"] = sum(one.closed_at is not None for one in every)
    look.saw = f"{len(comes_again):,} reviews come again, none is late; nothing that was revoked is back"
    look.saw += "; elevations are signed off in time"


def _period(look: Look, last: review.Review, done: review.Review | None, now: datetime) -> None:
    """Look at one series: the last that was opened, and the last that was completed."""
    if done is not None and done.next_at is not None:
        look.tried()
        if done.next_at < now:
            look.breaks(
                f"review {done.title!r} was last completed on {done.closed_at:%Y-%m-%d}: too long ago"
            )
    elif last.state == "overdue":
        look.breaks(f"review {last.title!r}, the first of its kind, was due on {last.due_at:%Y-%m-%d}")
    else:
        look.misses(f"review {last.title!r} is the first of its kind, and is not completed yet")


def _elevations(session: Session, look: Look, now: datetime) -> None:
    """Look for elevations that are over, and that nobody signed off in time."""
    waiting = elevation.list_(session, unsigned=True)
    for one in waiting:
        if one.late(now):
            look.breaks(
                f"elevation {one.elevation_id} ({one.role} on {one.tenant}): nobody signed off"
                f" by {one.sign_off_by:%Y-%m-%d} what was done with it"
            )
    look.tried(len(waiting))
    look.evidence["elevations_not_signed_off"] = len(waiting)
