"""What happens now, by arrival: so nothing is missed that commits late, and nothing comes twice.

Each entry and line carries the number of the transaction that brought it. What is new since a look is what
came in by transactions that had not ended at that look and have ended now: no clock decides, and what was
shown need not be remembered. New ones come in pages, whatever burst there was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from ..db import Session, queries
from .line import Line, line
from .query import Query
from .reach import Reach
from .search import FIRST, LAST, ask

PAGE = 500
"""Lines that one look returns at most: what follows needs no more memory, however much comes."""
STRETCH = 2_000
"""Lines among which one look looks: a question that hardly anything fits takes no longer than others."""
KNOWN = timedelta(days=1)
"""How long before following began something may have come in and still be new: in a transaction that was open
so long. Numbers of older rows may be those of another server, from which they were restored by pg_dump."""
NOTHING = UUID(int=0)
Key = tuple[int, UUID]


@dataclass(frozen=True)
class Moment:
    """Which transactions had ended when somebody looked: all below `ahead` but those of `running`."""

    ahead: int
    running: tuple[int, ...]
    is_standby: bool
    """A standby does not tell which ran: there all below `ahead` had ended, and perhaps others."""

    def has(self, number: int) -> bool:
        """Tell whether a transaction had ended."""
        return number < self.ahead and number not in self.running

    def and_(self, other: Moment) -> Moment:
        """Return what had ended at this moment or at the other one."""
        later, earlier = (self, other) if self.ahead >= other.ahead else (other, self)
        return replace(later, running=tuple(n for n in later.running if not earlier.has(n)))


@dataclass(frozen=True)
class Position:
    """How far somebody who follows has read."""

    begun: datetime
    read: Moment
    """What had ended then was shown."""
    look: Moment | None = None
    """The look that is not shown to its end."""
    last: Key = (0, NOTHING)
    """Transaction and id of the last line of it that was looked at."""

    @property
    def more(self) -> bool:
        """Whether more is there already: who follows goes on without waiting."""
        return self.look is not None


def _now(session: Session) -> Moment:
    ahead, running, is_standby = queries("log").moment(session.conn)
    return Moment(ahead, tuple(running), is_standby)


def start(session: Session, wanted: Query, count: int) -> tuple[tuple[Line, ...], Position]:
    """Return the last `count` lines, oldest first, and the position to follow from.

    Raises NotFoundError for a tenant or source that is not there.
    """
    now = _now(session)
    found = (
        ask(session, "latest", wanted, ahead=now.ahead, running=list(now.running), limit=count)
        if count
        else []
    )
    return tuple(line(row) for row in reversed(found)), Position(session.clock.now(), now)


def follow(
    session: Session, wanted: Query, position: Position, limit: int = PAGE
) -> tuple[tuple[Line, ...], Position]:
    """Return up to `limit` lines that came in since the position, oldest first, and the next position.

    Of a burst the first page, or what fits of its first stretch; the position says that there is `more`.
    Raises NotFoundError for a tenant or source that is not there.
    """
    look = position.look or _now(session)
    read = position.read
    if look.ahead < read.ahead and not look.is_standby:
        # A server that crashed gives numbers again that it had given to what was never committed.
        read = Moment(look.ahead, tuple(n for n in read.running if n < look.ahead), False)
    if look == read:
        return (), Position(position.begun, read)
    found, last = _arrivals(session, wanted, position.last, read, look, limit)
    if last is None:
        after = Position(position.begun, read.and_(look))
    else:
        after = Position(position.begun, read, look, last)
    since, until = wanted.since or FIRST, wanted.until or LAST
    lines = (line(row[:-2]) for row in found if row[-1] >= position.begun - KNOWN)
    shown = (one for one in lines if since <= one.at < until)
    return tuple(sorted(shown, key=lambda one: one.place)), after


def _arrivals(
    session: Session, wanted: Query, last: Key, read: Moment, look: Moment, limit: int
) -> tuple[list[tuple[Any, ...]], Key | None]:
    """Return what fits of the next stretch, and after what to go on; None when that was all."""
    ended = [number for number in read.running if look.has(number)]
    last = max(last, (min([read.ahead, *ended]), NOTHING))
    times = {"last": last[0], "last_id": last[1], "ahead": look.ahead}
    end: Key | None = queries("log").stretch(session.conn, length=STRETCH, **times)
    through = end or (look.ahead, NOTHING)
    found = ask(
        session, "arrivals", wanted, end=through[0], end_id=through[1], read=read.ahead, ended=ended,
        running=list(look.running), limit=limit, **times,
    )  # fmt: skip
    return found, max((row[-2], row[0]) for row in found) if len(found) == limit else end


def tail(
    session: Session,
    wanted: Query,
    count: int,
    wait: Callable[[], object] | None,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Line]:
    """Yield the last `count` lines, oldest first; with `wait` go on for ever, calling it between looks.

    A connection that is lost is made anew for as long as it takes, with `wait` between attempts, and `say`
    hears of it; what came meanwhile follows. Whoever reads slowly is waited for: nothing is read ahead but a
    page. Raises RefusedError when the login may not come in any more.
    """
    lines, position = start(session, wanted, count)
    yield from lines
    with closing(Reach(session, say)) as reach:
        while wait is not None:
            if not position.more:
                wait()
            found = reach.ask(partial(follow, wanted=wanted, position=position))
            if found is not None:
                lines, position = found
                yield from lines
            elif position.more:
                wait()
