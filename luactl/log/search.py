"""Asking the log: pages, counts, neighbours. Row security decides what a login sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.sql import Composable

from ..db import Session, queries
from ..errors import NotFoundError, UsageError
from ..ledger.entry import time_of
from .line import Line, entry, line
from .query import BOTH, NEITHER, Condition, Node, Query, Store, Stores, Value, named, pattern, stores
from .question import EVERYTHING

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)
FIRST_ID = UUID(int=0)
LEAST = timedelta(microseconds=1)
LAST_ID = UUID(int=(1 << 128) - 1)
MOST_BINS = 10_000
Place = tuple[datetime, UUID]
_PLACES = {"condition": None, "ledger": Store.LEDGER, "line": Store.LINE}
_PAGES: dict[Stores, tuple[str, Callable[[Sequence[Any]], Line]]] = {
    BOTH: ("page", line),
    frozenset({Store.LEDGER}): ("page_of_ledger", entry),
    frozenset({Store.LINE}): ("page_of_lines", line),
    NEITHER: ("page_of_lines", line),
}
"""Which statement asks for a page, by where there may be anything, and what reads its rows."""


@dataclass(frozen=True)
class Page:
    """Lines, newest first."""

    lines: tuple[Line, ...]
    more: bool
    """Whether there are older ones; of `later`: newer ones."""


@dataclass(frozen=True)
class Count:
    """How many lines fit."""

    count: int


@dataclass(frozen=True)
class Bin:
    """How many there are in one stretch of time."""

    begins: datetime
    count: int


@dataclass(frozen=True)
class Gap:
    """A span in which a source may have said what never came in."""

    source: str
    since: datetime
    until: datetime
    reason: str


def find_tenants(session: Session, names: Iterable[str]) -> dict[str, int]:
    """Return the ids of tenants by slug or number; what is no tenant is left out."""
    found: dict[str, int] = dict(queries("log").tenant_ids(session.conn, names=list(names)))
    return found


def ask(session: Session, name: str, query: Query, **values: Any) -> list[tuple[Any, ...]]:
    """Run a named query of log.sql with the conditions of `query` in their places.

    Raises NotFoundError for a tenant or source that is not there.
    """
    statement, asked = prepared(session, name, query)
    return session.conn.execute(statement, asked | values).fetchall()


def prepared(
    session: Session, name: str, query: Query, file: str = "log"
) -> tuple[sql.Composed, dict[str, Any]]:
    """Return a named query of a file with the condition of `query` in its places, and what it asks with.

    Raises NotFoundError for a tenant or source that is not there.
    """
    lookup, text = looked_up(session, query.where), getattr(queries(file), name).sql
    asked: dict[str, Any] = {}
    conditions: dict[str, Composable] = {}
    for place, store in _PLACES.items():
        if f"{{{place}}}" in text:
            conditions[place] = Condition(lookup, store, asked).write(query.where)
    return sql.SQL(text).format(**conditions), asked | {
        "since": query.since or FIRST,
        "until": query.until or LAST,
    }


def looked_up(session: Session, where: Node) -> dict[tuple[str, Value], Sequence[Any]]:
    """Return what the tenants and sources of a query mean. Raises NotFoundError for one that is not there."""
    return {(name, value): _meant(session, name, value) for name, value in named(where)}


def _meant(session: Session, name: str, value: Value) -> Sequence[Any]:
    text = value.pieces[0] if value.is_exact else ""
    if name == "tenant" and text == "none":
        return [0]
    if name == "tenant" and text.isascii() and text.isdigit():
        return [min(int(text), (1 << 63) - 1)]
    noun = queries("log")
    rows = noun.tenants_like if name == "tenant" else noun.sources_like
    found = [row[0] for row in rows(session.conn, pattern=pattern(value))]
    if not found and value.is_exact:
        raise NotFoundError(f"there is no {name} {text!r}", hint=f"`luactl {_LISTS[name]} list` shows them")
    return found


_LISTS = {"tenant": "tenant", "source": "log source"}


def rows(
    session: Session,
    query: Query,
    limit: int | None,
    *,
    before: Place = (LAST, LAST_ID),
) -> list[Line]:
    """Return what fits, newest first, from before a place."""
    name, read = _PAGES[stores(query.where)]
    place = {"before_at": before[0], "before_id": before[1], "limit": limit}
    return [read(row) for row in ask(session, name, up_to(query, before), **place)]


def up_to(query: Query, place: Place) -> Query:
    """Bound a query by the time of a place: neither partitions nor indexes without ids go by a pair."""
    return replace(query, until=min(query.until or LAST, place[0] + LEAST))


def onward(query: Query, place: Place) -> Query:
    """Bound a query by the time of a place, in the other direction."""
    return replace(query, since=max(query.since or FIRST, place[0]))


def _later(session: Session, query: Query, place: Place, limit: int) -> list[Line]:
    found = ask(session, "later", onward(query, place), after_at=place[0], after_id=place[1], limit=limit)
    return [line(row) for row in found]


def search(session: Session, query: Query, limit: int = 100, *, before: Place = (LAST, LAST_ID)) -> Page:
    """Return the newest `limit` lines that fit (0: all), from before a place.

    Raises NotFoundError for a tenant or source that is not there.
    """
    lines = rows(session, query, limit + 1 if limit else None, before=before)
    return Page(tuple(lines[:limit] if limit else lines), bool(limit) and len(lines) > limit)


def later(session: Session, query: Query, limit: int, *, after: Place = (FIRST, FIRST_ID)) -> Page:
    """Return the oldest `limit` lines that fit, from after a place; newest first as any page.

    `more` says whether there are newer ones. Raises NotFoundError for a tenant or source that is not there.
    """
    lines = _later(session, query, after, limit + 1)
    return Page(tuple(reversed(lines[:limit])), len(lines) > limit)


def place_of(session: Session, id_: UUID) -> Place:
    """Return where a line stands in the order, to go on from there. Raises NotFoundError."""
    is_time = id_.int < 1 << 127
    found = is_time and queries("log").place(session.conn, id=id_, at=time_of(id_))
    if not found:
        raise NotFoundError(f"there is no entry or line {id_}", hint="give the id of the last one of a page")
    return found, id_


def count(session: Session, query: Query) -> Count:
    """Return how many lines fit."""
    return Count(int(ask(session, "how_many", query)[0][0]))


def histogram(session: Session, query: Query, width: timedelta) -> tuple[Bin, ...]:
    """Return how many lines fit in each stretch of `width`, empty ones between the first and the last too.

    Raises UsageError when that would be more than MOST_BINS.
    """
    if width <= timedelta():
        raise UsageError("a stretch of time is longer than nothing", hint="such as 1h or 1d")
    found = {begins.astimezone(UTC): int(n) for begins, n in ask(session, "histogram", query, width=width)}
    if not found:
        return ()
    bins = (max(found) - min(found)) // width + 1
    if bins > MOST_BINS:
        raise UsageError(
            f"that would be {bins:,} stretches of time", hint="take longer ones, or bound the query"
        )
    times = (min(found) + n * width for n in range(bins))
    return tuple(Bin(begins, found.get(begins, 0)) for begins in times)


def around(session: Session, query: Query, found: Sequence[Line], width: int) -> tuple[Line, ...]:
    """Return found lines with up to `width` neighbours in time before and after each, newest first.

    Neighbours need not fit the query, but lie within its times.
    """
    anything = Query(EVERYTHING, query.since, query.until)
    every = {one.id: one for one in found}
    for one in found:
        near = rows(session, anything, width, before=one.place)
        near += _later(session, anything, one.place, width)
        every.update((other.id, other) for other in near if other.id not in every)
    return tuple(sorted(every.values(), key=lambda one: one.place, reverse=True))


def gaps(session: Session, query: Query) -> tuple[Gap, ...]:
    """Return the gaps that touch the times of a query: within them "nothing found" means nothing."""
    found = queries("log").gaps(
        session.conn, since=query.since or FIRST, until=query.until or session.clock.now()
    )
    return tuple(
        Gap(name, since.astimezone(UTC), until.astimezone(UTC), why) for name, since, until, why in found
    )


def told(found: Iterable[Gap]) -> list[str]:
    """Say it in a sentence each."""
    return [
        f"{gap.source} was silent from {gap.since.isoformat()} to {gap.until.isoformat()}: {gap.reason}"
        for gap in found
    ]
