"""Appending to the ledger from two clients, against plain INSERTs of the same bytes.

The table by hand has the columns and the indexes of ours, and no more: no checks, no row security, no queue
for an index. Its rows are worked out beforehand; ours are made, checked and composed on the way. Both write
100 entries a transaction with one statement, as the same ordinary login.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from .ledger_world import BARE, columns, conninfo_of, entry, rates, rows, session, world
from .measure import Measure, Size

LIMIT = 1 / 0.6
ENTRIES = {Size.FULL: 30_000, Size.SMALL: 3_000}
TURNS = {Size.FULL: 5, Size.SMALL: 3}
PER_TRANSACTION = 100
INSERT = (
    "INSERT INTO bare.entry (id, at, actor, tenant_id, subject, action, object, outcome, body)"
    " SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[], %s::bigint[], %s::uuid[], %s::text[],"
    " %s::text[], %s::text[], %s::bytea[])"
)


def ours(conninfo: str, number: int, ready: Callable[[], object]) -> None:
    """Append so many entries."""
    from luactl import ledger
    from luactl.db import transaction

    one = session(conninfo)
    listed = [entry(n) for n in range(number)]
    with closing(one.conn):
        ready()
        for first in range(0, number, PER_TRANSACTION):
            with transaction(one):
                ledger.append_all(one, listed[first : first + PER_TRANSACTION])


def theirs(conninfo: str, number: int, ready: Callable[[], object]) -> None:
    """Insert so many rows by hand."""
    import psycopg

    made = rows(number)
    batches = [columns(made[n : n + PER_TRANSACTION]) for n in range(0, number, PER_TRANSACTION)]
    with closing(psycopg.connect(conninfo, autocommit=True)) as conn:
        ready()
        for batch in batches:
            with conn.transaction():
                conn.execute(INSERT, batch)


def measure(size: Size) -> Measure:
    """Append and insert in turns."""
    number = ENTRIES[size]
    with world() as (own, conn):
        conn.execute(BARE)
        ours_took, theirs_took = rates(ours, theirs, conninfo_of(own), number, TURNS[size])
        ours_left = conn.execute(
            "SELECT count(*) FROM ledger.entry WHERE action = 'crm.customer.update'"
        ).fetchone()
        if ours_left != conn.execute("SELECT count(*) FROM bare.entry").fetchone():
            raise ValueError("not the same number of entries")
    return Measure("ledger_append", ours_took, theirs_took, LIMIT, number)
