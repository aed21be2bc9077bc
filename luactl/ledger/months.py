"""The months of the ledger: each has a partition of its own, made before its first entry.

The integrator makes them, this month and two ahead. Until then entries lie in the default partition, from
which they go along when their month is made.
"""

from __future__ import annotations

import psycopg

from ..db import Session, queries, transaction

WAIT = "2s"
"""How long to wait for those who read: meanwhile others queue up behind."""


def make_months(session: Session) -> int:
    """Make this month and the two to come, unless they are there; return how many were made.

    None while somebody reads for too long: the next run makes them, and no entry waits for it.
    """
    missing = [row[0] for row in queries("ledger").missing_months(session.conn, at=session.clock.now())]
    if not missing:
        return 0
    try:
        with transaction(session, lock_timeout=WAIT) as conn:
            conn.execute("SET LOCAL statement_timeout = 0")  # as much as lies in the default partition
            return int(queries("ledger").make_months(conn, months=missing))
    except psycopg.errors.LockNotAvailable:
        return 0
