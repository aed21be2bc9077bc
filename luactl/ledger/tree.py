"""The log's tree as the database stores it: leaf hashes, and the roots of full subtrees above them.

Level 0 are the leaves; a hash of level n is the root over 256^n of them. Few hashes are read for any answer.
"""

from __future__ import annotations

from typing import Any

from ..db import queries
from ..errors import RefusedError
from .merkle import TILE_HEIGHT, CompactRange, fold, perfect, root_over


def read_hashes(conn: Any, level: int, first: int, end: int) -> list[bytes]:
    """Return the hashes first … end - 1 of a level; fewer where some are not there."""
    if level == 0:
        rows = queries("ledger").leaf_hashes(conn, first=first, end=end)
    else:
        rows = queries("ledger").subtree_hashes(conn, level=level, first=first, end=end)
    return [row[0] for row in rows]


def edge(conn: Any, size: int) -> CompactRange:
    """Rebuild the right edge of the tree of a size: at most 255 hashes a level are read.

    Raises ValueError when some are not there.
    """
    tiles: list[list[bytes]] = []
    level = 0
    while level == 0 or size >> (TILE_HEIGHT * level):
        end = size >> (TILE_HEIGHT * level)
        tiles.append(read_hashes(conn, level, end >> TILE_HEIGHT << TILE_HEIGHT, end))
        level += 1
    return CompactRange.from_tiles(size, tiles)


def part_root(conn: Any, begin: int, end: int) -> bytes:
    """Return the root over leaves begin..end. Raises RefusedError where the hashes were pruned."""
    return fold([_perfect_root(conn, height, index) for height, index in perfect(begin, end)])


def _perfect_root(conn: Any, height: int, index: int) -> bytes:
    level, above = divmod(height, TILE_HEIGHT)
    first, end = index << above, (index + 1) << above
    found = read_hashes(conn, level, first, end)
    if len(found) < end - first:
        raise RefusedError(
            "the hashes that this proof needs were pruned",
            hint="proofs from the minimum index on are there; `luactl ledger status` shows it",
        )
    return root_over(found)


def minimum(conn: Any) -> tuple[int, str]:
    """Return the minimum index, and the note that says so; 0 before anything was pruned."""
    row = queries("ledger").minimum(conn)
    return (0, "") if row is None else (int(row[0]), str(row[1]))


def tile_start(index: int) -> int:
    """Return the first leaf that is stored when everything below an index is pruned."""
    return index >> TILE_HEIGHT << TILE_HEIGHT
