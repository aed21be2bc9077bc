"""UUIDs of new rows, many at once (UUIDv7, RFC 9562)."""

from __future__ import annotations

import os
from datetime import datetime
from uuid import UUID

HEAD = 0x7 << 76 | 0b10 << 62
RANDOM = (1 << 76) - 1 & ~(0b11 << 62)
"""The bits of a UUIDv7 below its version that are free: 12 above the variant's two, 62 below them."""


def uuid7s(at: datetime, count: int) -> list[UUID]:
    """Return new ids for one instant, in ascending order: rows stay in the order in which they came."""
    head = int(at.timestamp() * 1000) << 80 | HEAD
    pool = os.urandom(10 * count)
    free = sorted(int.from_bytes(pool[i : i + 10], "big") & RANDOM for i in range(0, 10 * count, 10))
    return [UUID(int=head | bits) for bits in free]


def uuid7_of(at: datetime, digest: bytes) -> UUID:
    """Return the one id for an instant and a digest of at least 10 bytes: made twice, it is the same.

    Raises ValueError for an instant before 1970, which a UUIDv7 cannot carry.
    """
    milliseconds = int(at.timestamp() * 1000)
    if milliseconds < 0:
        raise ValueError("lies before 1970")
    return UUID(int=milliseconds << 80 | HEAD | int.from_bytes(digest[:10], "big") & RANDOM)
