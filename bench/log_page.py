"""The first page of one tenant, one actor, one day, against the SQL that a person would write for it."""

from __future__ import annotations

from datetime import timedelta

from .log_world import BEGIN, log_world
from .measure import Measure, Size, interleaved

LIMIT = {Size.FULL: 1.3, Size.SMALL: 2.0}
"""Of few entries finding them costs nothing, and making a line of each row is what counts."""
TURNS = 30
DAY = BEGIN + timedelta(days=3)
SQL = (
    "SELECT id, at, actor, tenant_id, action, object, outcome, body FROM ledger.entry"
    " WHERE tenant_id = 8 AND actor = 'actor7' AND at >= %s AND at < %s ORDER BY at DESC, id DESC LIMIT 101"
)


def measure(size: Size) -> Measure:
    """Ask in turns."""
    import json

    from luactl import log

    own, _superuser = log_world(size)
    day = (DAY, DAY + timedelta(days=1))
    query = log.parse(f"tenant:8 actor:actor7 since:{day[0].isoformat()} until:{day[1].isoformat()}", DAY)

    def ours() -> int:
        return len(log.search(own, query, 100).lines)

    def by_hand() -> int:
        rows = own.conn.execute(SQL, day).fetchall()
        return len([json.loads(row[7]) for row in rows[:100]])

    if ours() != by_hand() or not ours():
        raise ValueError("not the same page")
    return Measure("log_page", *interleaved(ours, by_hand, TURNS), LIMIT[size], TURNS)
