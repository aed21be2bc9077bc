"""What happens now: following without missing what commits late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from ..db import Session, queries
from ..ledger.entry import time_of
from .line import Line
from .query import Query
from .question import narrowed
from .search import rows

SLACK = timedelta(seconds=60)
"""How far the clocks of two hosts, or an entry and its statement, may lie apart."""
IN_FLIGHT = timedelta(minutes=15)
"""How old an entry may be that is not yet committed when somebody begins to follow."""


@dataclass(frozen=True)
class Position:
    """How far somebody who follows has read."""

    since: datetime
    """Nothing older is still to come."""
    seen: frozenset[UUID] = frozenset()
    """What was shown, as far back as `since`."""
    polls: tuple[tuple[int, datetime], ...] = ()
    """The first transaction that had not begun, and the time, of earlier looks; oldest first."""


def _look(session: Session, wanted: Query, position: Position) -> tuple[list[Line], Position]:
    """Return what is new since a position, newest first, and the position after it.

    An entry gets its time before its transaction commits. So a look goes back as far as anything unseen can
    lie: to the latest look since which every transaction that ran then has ended.
    """
    now = session.clock.now()
    settled, ahead = queries("log").snapshot(session.conn)
    since = max(position.since, wanted.since or position.since)
    lines = rows(session, replace(_entries(wanted), since=since), None, seen=position.seen)
    earlier = position.polls[:-1] if position.polls and position.polls[-1][0] == ahead else position.polls
    polls = (*earlier, (ahead, now))
    over = [n for n, (end, _at) in enumerate(polls) if end <= settled]
    back = position.since
    if over:
        polls = polls[over[-1] :]
        back = max(back, polls[0][1] - SLACK)
    seen = position.seen | {line.id for line in lines}
    return lines, Position(back, frozenset(id_ for id_ in seen if time_of(id_) >= back), polls)


def _entries(wanted: Query) -> Query:
    """Only the ledger is followed by the time of its entries: lines of servers come in late."""
    return narrowed(wanted, [("kind", "ledger")])


def start(session: Session, wanted: Query, count: int) -> tuple[tuple[Line, ...], Position]:
    """Return the last `count` entries, oldest first, and the position to follow from."""
    _known, position = _look(session, wanted, Position(session.clock.now() - IN_FLIGHT))
    lines = rows(session, _entries(wanted), count) if count else []
    return tuple(reversed(lines)), replace(position, seen=position.seen | {line.id for line in lines})


def follow(session: Session, wanted: Query, position: Position) -> tuple[tuple[Line, ...], Position]:
    """Return what was committed since the position, oldest first, and the next position."""
    lines, position = _look(session, wanted, position)
    return tuple(reversed(lines)), position


def tail(session: Session, wanted: Query, count: int, wait: Callable[[], object] | None) -> Iterator[Line]:
    """Yield the last `count` entries, oldest first; with `wait` go on for ever, calling it between looks."""
    lines, position = start(session, wanted, count)
    yield from lines
    while wait is not None:
        wait()
        lines, position = follow(session, wanted, position)
        yield from lines
