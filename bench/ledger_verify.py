"""Checking the whole log, against reading the bodies by COPY and hashing each twice."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from .ledger_world import fill, world
from .measure import Measure, Size, interleaved

if TYPE_CHECKING:
    from luactl.db import Session

LIMIT = 1.5
ENTRIES = {Size.FULL: 1_000_000, Size.SMALL: 20_000}
TURNS = {Size.FULL: 3, Size.SMALL: 3}


def measure(size: Size) -> Measure:
    """Verify and read in turns."""
    from luactl import ledger

    number = ENTRIES[size]
    with world() as (session, above):
        fill(session, number)
        ledger.integrate(session)
        above.execute("VACUUM (ANALYZE)")
        found = ledger.verify(session)
        if not found.ok or found.size < number:
            raise ValueError(str(found.findings[:3]))
        ours, theirs = interleaved(
            lambda: ledger.verify(session), lambda: by_hand(session, number), TURNS[size]
        )
    return Measure("ledger_verify", ours, theirs, LIMIT, number)


def by_hand(session: Session, number: int) -> None:
    """Read every body, hash it twice."""
    read = 0
    statement = "COPY (SELECT body FROM ledger.entry) TO STDOUT (FORMAT BINARY)"
    with session.conn.cursor().copy(statement) as copy:
        while row := copy.read_row():
            sha256(row[0]).digest()
            sha256(row[0]).digest()
            read += 1
    if read < number:
        raise ValueError(f"{read} bodies were read")
