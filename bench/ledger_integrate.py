"""Giving a million entries their places, against hashing them in a bare loop and a COPY of as many rows.

By hand the bodies lie in memory; each is hashed, and (index, id, hash) goes into a table without an index, in
binary form. Ours numbers what waits in the database (its hashes wait with it, from when it was appended),
removes it from the queue, grows the tree, signs, commits and tells the anchor, 100,000 at a time. What
filling the queue left to be written to the disk is written before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from statistics import median
from typing import Any

from .ledger_world import fill, rows, world
from .measure import Measure, Size

LIMIT = 2.0
ENTRIES = {Size.FULL: 1_000_000, Size.SMALL: 20_000}
TURNS = {Size.FULL: 3, Size.SMALL: 3}


def measure(size: Size) -> Measure:
    """Integrate and copy in turns; what is integrated is appended beforehand."""
    from luactl import ledger

    number, turns = ENTRIES[size], TURNS[size]
    with world() as (session, above):
        made = rows(number)
        above.execute("CREATE TEMP TABLE plain (index bigint, id uuid, hash bytea)")
        times: list[tuple[float, float]] = []
        for _turn in range(turns):
            fill(session, number)
            above.execute("VACUUM (ANALYZE)")
            above.execute("CHECKPOINT")
            times.append((timed(lambda: ledger.integrate(session)), timed(lambda: by_hand(above, made))))
        status = ledger.status(session)
        if status.pending or status.size < number * turns:
            raise ValueError(f"{status.pending} entries wait")
    ours, theirs = zip(*times, strict=True)
    return Measure("ledger_integrate", median(ours), median(theirs), LIMIT, number)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def by_hand(above: Any, made: list[tuple[object, ...]]) -> None:
    """Hash each body, copy as many rows."""
    hashed = [(n, row[0], sha256(b"\0" + row[-1]).digest()) for n, row in enumerate(made)]  # type: ignore[operator]
    statement = "COPY plain FROM STDIN (FORMAT BINARY)"
    with above.transaction(), above.cursor().copy(statement) as copy:
        copy.set_types(["int8", "uuid", "bytea"])
        for row in hashed:
            copy.write_row(row)
