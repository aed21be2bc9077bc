"""Finding a word in all that is in clear, against ILIKE over the same bytes."""

from __future__ import annotations

from .log_world import log_world
from .measure import Measure, Size, interleaved

LIMIT = 1 / 20
TURNS = {Size.FULL: 3, Size.SMALL: 5}
WORD = "w77"
SQL = "SELECT id FROM ledger.entry WHERE convert_from(body, 'UTF8') ILIKE %s ORDER BY at DESC, id DESC"


def measure(size: Size) -> Measure:
    """Ask in turns for a word that few entries have."""
    from luactl import log

    own, _superuser = log_world(size)
    query = log.parse(f'"{WORD}"', own.clock.now())

    def ours() -> int:
        return len(log.search(own, query, 0).lines)

    def by_hand() -> int:
        return len(own.conn.execute(SQL, (f'%"{WORD}"%',)).fetchall())

    if ours() != by_hand() or not ours():
        raise ValueError("not the same entries")
    return Measure("log_text", *interleaved(ours, by_hand, TURNS[size]), LIMIT, TURNS[size])
