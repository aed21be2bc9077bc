"""Leaves as the database stores them, each beside its entry: read and compared tile by tile.

The server joins and packs 256 leaves into one row, so a check costs little more than reading and hashing the
bodies. Where anything of a tile is not as it was signed, its leaves are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from struct import pack, unpack
from typing import Any

from psycopg import ClientCursor

from ..db import queries
from .columns import check_entry
from .merkle import TILE_WIDTH, root_over
from .report import Report

AGES = 946_684_800_000_000
"""Microseconds from 1970 to 2000."""


@dataclass(frozen=True)
class Run:
    """Up to 256 leaves that stand one after the other."""

    first: int
    hashes: list[bytes]
    """Leaf hashes, as stored."""
    sound: bool
    """Whether each has its entry, and the entry is what was signed; otherwise `inspect` tells more."""
    root: bytes | None
    """Root over the leaves where they are a whole tile; None where they are not."""

    @property
    def end(self) -> int:
        """The index after the last of them."""
        return self.first + len(self.hashes)


def read_runs(conn: Any, first: int, end: int) -> Iterator[Run]:
    """Yield the leaves first … end - 1, in runs of up to 256; one that is not in order is not sound."""
    statement = queries("ledger").verify_tiles.sql
    with ClientCursor(conn) as cursor, cursor.copy(statement, {"first": first, "end": end}) as copy:
        for row in copy.rows():
            yield _judge(first, min(TILE_WIDTH, end - first), row)
            first += TILE_WIDTH


def _judge(first: int, count: int, row: tuple[Any, ...]) -> Run:
    """Hash the bodies of a run and compare; `row` is of bytes, as verify_tiles says."""
    indexes, ids, ats, packed, lengths, bodies, *parts, touching = row
    if indexes != pack(f">{count}q", *range(first, first + count)) or len(packed) != 32 * count:
        return Run(first, [], False, None)
    stored = [packed[place : place + 32] for place in range(0, len(packed), 32)]
    root = root_over(stored) if count == TILE_WIDTH and first % TILE_WIDTH == 0 else None
    sound = (
        touching == b"\x01"
        and len(lengths or b"") == 4 * count
        and _timely(count, ids, ats)
        and _told(stored, unpack(f">{count}i", lengths), b"\x00" + bodies, parts)
    )
    return Run(first, stored, sound, root)


def _timely(count: int, ids: bytes, ats: bytes) -> bool:
    """Whether the ids (UUIDv7) tell the times, which Postgres counts in microseconds from the year 2000."""
    told = unpack(">" + "Q8x" * count, ids)
    return [(one >> 16) * 1_000 - AGES for one in told] == [*unpack(f">{count}q", ats)]


def _told(stored: list[bytes], lengths: Sequence[int], framed: bytes, parts: Sequence[bytes]) -> bool:
    """Whether the bodies have these hashes, and say what their columns say."""
    place, count = 0, len(stored)
    said = [part.split(b"\x01") for part in parts]
    if any(len(part) != count for part in said):
        return False
    for hash_, length, head, middle, outcome, tail in zip(stored, lengths, *said, strict=True):
        leaf = framed[place : place + length + 1]
        if not (
            sha256(leaf).digest() == hash_
            and leaf.startswith(head, 1)
            and middle in leaf
            and outcome in leaf
            and leaf.endswith(tail)
        ):
            return False
        place += length + 1
    return True


@dataclass
class Inspection:
    """What looking at leaves one by one came to."""

    hashes: list[bytes]
    """Stored hashes up to the first gap."""
    entries: int = 0
    """How many of those leaves have an entry."""
    next: int | None = None
    """The first leaf that is there after the gap; None when there is no gap, or nothing after it."""


def inspect(conn: Any, report: Report, first: int, end: int, least: int) -> Inspection:
    """Look at leaf after leaf and report what is wrong with each; entries below `least` were pruned."""
    found = Inspection([])
    for index, id_, at, hash_, *columns in list(queries("ledger").verify_leaves(conn, first=first, end=end)):
        if index != first + len(found.hashes):
            found.next = index
            break
        found.hashes.append(hash_)
        found.entries += columns[0] is not None
        if columns[0] is not None or index >= least:
            check_entry(report, index, id_, at, hash_, columns)
    return found
