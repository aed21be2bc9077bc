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
    return _whole_root(read_hashes(conn, level, first, end), end - first)


def _whole_root(found: list[bytes], wanted: int) -> bytes:
    if len(found) < wanted:
        raise RefusedError(
            "the hashes that this proof needs were pruned",
            hint="proofs from the minimum index on are there; `luactl ledger status` shows it",
        )
    return root_over(found)


class Tiles:
    """Roots of parts of one tree for many proofs: whole tiles are read, and what was worked out is kept.

    Not for use past the transaction that it was made in.
    """

    MOST_TILES = 64
    MOST_ROOTS = 1 << 17

    def __init__(self, conn: Any) -> None:
        self._conn = conn
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        self._roots: dict[tuple[int, int], bytes] = {}

    def part_root(self, begin: int, end: int) -> bytes:
        """Return the root over leaves begin..end. Raises RefusedError where the hashes were pruned."""
        return fold([self._perfect_root(height, index) for height, index in perfect(begin, end)])

    def _perfect_root(self, height: int, index: int) -> bytes:
        if (height, index) not in self._roots:
            if len(self._roots) >= self.MOST_ROOTS:
                self._roots.clear()
            level, above = divmod(height, TILE_HEIGHT)
            tile, first = divmod(index << above, 1 << TILE_HEIGHT)
            found = self._tile(level, tile)[first : first + (1 << above)]
            self._roots[height, index] = _whole_root(found, 1 << above)
        return self._roots[height, index]

    def _tile(self, level: int, number: int) -> list[bytes]:
        if (level, number) not in self._tiles:
            if len(self._tiles) >= self.MOST_TILES:
                self._tiles.clear()
            first = number << TILE_HEIGHT
            self._tiles[level, number] = read_hashes(self._conn, level, first, first + (1 << TILE_HEIGHT))
        return self._tiles[level, number]


def minimum(conn: Any) -> tuple[int, str]:
    """Return the minimum index, and the note that says so; 0 before anything was pruned."""
    row = queries("ledger").minimum(conn)
    return (0, "") if row is None else (int(row[0]), str(row[1]))


def tile_start(index: int) -> int:
    """Return the first leaf that is stored when everything below an index is pruned."""
    return index >> TILE_HEIGHT << TILE_HEIGHT
