"""The months of the log: each has a partition of its own, made before its first line (docs/design/log.md)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import psycopg

from ...db import Session, queries, transaction
from .block import month

AHEAD = 2
"""How many months to come are kept ready: so that none is made while the first lines of it wait."""
WAIT = "2s"
"""How long to wait for those who search: meanwhile others queue up behind."""


def make_months(session: Session, times: Iterable[datetime]) -> None:
    """Make the months in which lines lie, and those that come next, unless they are there.

    A time that no month can be made for (of a clock that is decades off) is left to the default partition.
    Raises psycopg.errors.LockNotAvailable when a month is needed now and somebody reads the log for too long.
    """
    needed = {month(at) for at in times if 2000 <= at.year < 2100}
    missing = _missing(session, needed | _coming(session.clock.now()))
    if not missing:
        return
    try:
        with transaction(session, lock_timeout=WAIT) as conn:
            queries("log").make_months(conn, months=sorted(missing))
    except psycopg.errors.LockNotAvailable:
        if missing & needed:
            raise


def _coming(now: datetime) -> set[int]:
    months = (divmod(now.year * 12 + now.month - 1 + ahead, 12) for ahead in range(AHEAD + 1))
    return {year * 100 + number + 1 for year, number in months}


def _missing(session: Session, months: Collection[int]) -> set[int]:
    return {row[0] for row in queries("log").missing_months(session.conn, months=list(months))}
