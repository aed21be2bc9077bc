"""Where in a page an offset lies: in a row or entry, or in the room that one left behind. Pure.

The header of a page (src/include/storage/bufpage.h): lower at byte 12, upper 14, special 16; line pointers of
four bytes from byte 24 on: offset 15 bits, flags 2 bits, length 15 bits.
"""

from __future__ import annotations

import struct

SIZE = 8192
HEADER = 24
NORMAL, DEAD = 1, 3
LEAF = 1
_BOUNDS = struct.Struct("<HHH")


def item_at(page: bytes, offset: int) -> int | None:
    """Return the number (from 1) of the line pointer whose item an offset lies in; None: in free space."""
    lower, upper, _special = _BOUNDS.unpack_from(page, 12)
    if not HEADER <= lower <= SIZE or offset < upper:
        return None
    for number in range(1, (lower - HEADER) // 4 + 1):
        pointer = int.from_bytes(page[HEADER + 4 * number - 4 : HEADER + 4 * number], "little")
        start, flags, length = pointer & 0x7FFF, pointer >> 15 & 3, pointer >> 17
        if flags in (NORMAL, DEAD) and length and start <= offset < start + length:
            return number
    return None


def in_btree(page: bytes, offset: int) -> str:
    """Return what part of a btree's page an offset lies in: entry, high key or pivot, free space.

    In the special area: siblings, level, flags of two bytes at 12. The first item is the page's high key,
    unless no page stands to its right; all items above the leaves are pivots.
    """
    number = item_at(page, offset)
    if number is None:
        return "free space"
    special = _BOUNDS.unpack_from(page, 12)[2]
    if special > SIZE - 16:
        return "entries"
    right = int.from_bytes(page[special + 4 : special + 8], "little")
    flags = int.from_bytes(page[special + 12 : special + 14], "little")
    if not flags & LEAF or (right and number == 1):
        return "high keys and pivots"
    return "entries"


def in_index(page: bytes, offset: int) -> str:
    """Return what part of another index's page an offset lies in."""
    return "free space" if item_at(page, offset) is None else "entries"
