"""Clocks that run: what is due, and since when something waits, from what the database knows.

A noun with a deadline of its own (72 hours, one month) adds one function to SOURCES and nothing else. Knows
nothing of Textual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from luactl.db import Session

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
IN_MINUTES, IN_HOURS = timedelta(hours=2), timedelta(hours=96)
"""A shorter span is told in minutes, one shorter than four days in hours: 72 hours are."""


@dataclass(frozen=True)
class Deadline:
    """One clock."""

    what: str
    """What happens then, or what has waited since: a few words."""
    at: datetime
    """The instant that it counts to, or from."""
    soon: timedelta
    """Down: how long before it a warning is due. Up: after how long it is bad."""
    up: bool = False
    """Whether it counts up from the instant."""

    def text(self, now: datetime) -> str:
        """Say what and when: never more time than is left, never more than has passed."""
        if self.up:
            return f"{self.what} for {span(now - self.at)}"
        return (
            f"{self.what} in {span(self.at - now)}"
            if self.at > now
            else f"{self.what} {span(now - self.at)} ago"
        )

    def style(self, now: datetime) -> str:
        """Return a name of `row.STYLES`: bad when over or waiting for too long, warn when soon."""
        if self.up:
            return "bad" if now - self.at >= self.soon else ""
        return "bad" if self.at <= now else "warn" if self.at - now <= self.soon else ""

    def order(self, now: datetime) -> tuple[int, datetime]:
        """Sort what is over before what will be, the soonest or oldest first."""
        return ("bad", "warn", "").index(self.style(now)), self.at


def span(time: timedelta) -> str:
    """Return a span in whole minutes, hours or days, cut off."""
    if time < MINUTE:
        return "<1 min"
    if time < IN_MINUTES:
        return f"{time // MINUTE} min"
    return f"{time // HOUR} h" if time < IN_HOURS else f"{time // DAY:,} d"


def requests(session: Session) -> list[Deadline]:
    """Tell when the request of a data subject is over that is due first."""
    from luactl.request import open_, over_at

    return [
        Deadline(f"{one.right} request at {one.tenant} due", over_at(one.due_on), 7 * DAY)
        for one in open_(session)[:1]
    ]


def retention(session: Session) -> list[Deadline]:
    """Tell since when a purge is due, or else when the next one will be."""
    from luactl.retention import outlook

    first = next(iter(outlook(session)), None)
    if first is None:
        return []
    if first.due_at <= session.clock.now():
        return [Deadline("purge due", first.due_at, DAY, up=True)]
    return [Deadline("next purge", first.due_at, timedelta())]


def waivers(session: Session) -> list[Deadline]:
    """Tell when waivers of our page end."""
    from luactl.promise import in_force, load

    found = in_force(session, load()).values()
    return [Deadline(f"waiver of {one.promise} ends", one.valid_until, 7 * DAY) for one in found]


def approvals(session: Session) -> list[Deadline]:
    """Tell when requests for approval run out that wait for an answer, or to be used."""
    from luactl.approval import list_

    return [
        Deadline(f"approval of {one.action} {one.state}, ends", one.expires_at, DAY)
        for one in list_(session, open_only=True)
        if one.state in ("waiting", "granted")
    ]


def elevations(session: Session) -> list[Deadline]:
    """Tell when roles end that somebody has for a time."""
    from luactl.access.elevation import list_

    return [
        Deadline(
            f"{'GLASS BROKEN: ' if one.breaks_glass else ''}{one.person} at {one.tenant} ends",
            one.ends_at,
            HOUR / 4,
        )
        for one in list_(session, open_only=True)
    ]


def unfinished(session: Session) -> list[Deadline]:
    """Tell since when erasures, purges and ends are cut short, one clock a kind."""
    from luactl.erasure import unfinished as cut_short

    oldest: dict[str, Deadline] = {}
    for one in cut_short(session):
        what = "notice unconfirmed" if one.kind == "notice" else f"{one.kind} cut short"
        oldest.setdefault(one.kind, Deadline(what, one.since, timedelta(), up=True))
    return list(oldest.values())


def ledger(session: Session) -> list[Deadline]:
    """Tell since when ledger entries wait for a checkpoint."""
    from luactl.ledger import waiting

    since = waiting(session)
    return [] if since is None else [Deadline("ledger waits", since, HOUR, up=True)]


SOURCES: dict[str, Callable[[Session], list[Deadline]]] = {
    "unfinished": unfinished, "requests": requests, "retention": retention, "waivers": waivers,
    "approvals": approvals, "elevations": elevations, "ledger": ledger,
}  # fmt: skip
