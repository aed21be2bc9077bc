"""Page 10,000 of a search against its first page: going on from a place costs the same everywhere."""

from __future__ import annotations

from .log_world import log_world
from .measure import Measure, Size, interleaved

LIMIT = 1.3
TURNS = 30
PAGE = 100
PAGES = {Size.FULL: 10_000, Size.SMALL: 50}


def measure(size: Size) -> Measure:
    """Page down through the actions of one kind, then ask both in turns."""
    from luactl import log

    own, _superuser = log_world(size)
    query = log.parse("-action:login", own.clock.now())
    rows = own.conn.execute(
        "SELECT at, id FROM ledger.entry WHERE action <> 'login' ORDER BY at DESC, id DESC OFFSET %s LIMIT 1",
        (PAGE * (PAGES[size] - 1) - 1,),
    ).fetchall()
    (place,) = rows
    deep, first = interleaved(
        lambda: log.search(own, query, PAGE, before=place), lambda: log.search(own, query, PAGE), TURNS
    )
    return Measure("log_deep", deep, first, LIMIT, TURNS)
