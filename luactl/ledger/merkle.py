"""The Merkle tree of RFC 6962: roots, proofs and their checks, over plain bytes.

`root`, `inclusion_proof` and `consistency_proof` take *leaves* as RFC 6962, 2.1 does: the entries' own bytes,
in the order of the log, which get hashed here. What is called a hash is one: 32 bytes (SHA-256). Making a
proof raises ValueError on impossible sizes; checking one never raises: whatever is malformed does not verify.
Nothing here knows the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

EMPTY_ROOT = sha256(b"").digest()
TILE_HEIGHT = 8
TILE_WIDTH = 256
LARGEST_SIZE = (1 << 63) - 1


def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry as a leaf (RFC 6962, 2.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbouring subtrees into their parent."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Combine the roots of ever smaller perfect subtrees, left to right, into the root over all of them."""
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def perfect(begin: int, end: int) -> list[tuple[int, int]]:
    """Cut leaves begin..end into perfect subtrees, as (height, index): index counts subtrees of that height.

    `begin` must be a multiple of the largest power of two that fits, as it is for every part of an RFC 6962
    tree.
    """
    parts = []
    while begin < end:
        height = (end - begin).bit_length() - 1
        parts.append((height, begin >> height))
        begin += 1 << height
    return parts


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over entries' bytes, RFC 6962's MTH (SHA-256 of nothing for an empty tree)."""
    return root_over([leaf_hash(leaf) for leaf in leaves])


def root_over(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, or over the roots of equally large full subtrees."""
    return fold([_full(hashes[i << h : (i + 1) << h]) for h, i in perfect(0, len(hashes))])


def _full(hashes: Sequence[bytes]) -> bytes:
    """Return the root over a power of two of hashes, row by row."""
    while len(hashes) > 1:
        pairs = iter(hashes)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return hashes[0]


def _split(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def inclusion_parts(index: int, size: int) -> list[tuple[int, int]]:
    """Name the parts (begin, end) whose roots prove leaf `index` in a tree of `size`, lowest first.

    Raises ValueError unless 0 ≤ index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    parts, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((begin, middle))
            begin = middle
    return parts[::-1]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Prove the entry at `index` among all entries' bytes. Raises ValueError when there is no such one."""
    return [root(leaves[begin:end]) for begin, end in inclusion_parts(index, len(leaves))]


def consistency_parts(size1: int, size2: int) -> list[tuple[int, int]]:
    """Name the parts whose roots prove that a tree of size2 starts with the tree of size1.

    Raises ValueError unless 0 < size1 ≤ size2.
    """
    if not 0 < size1 <= size2:
        raise ValueError(f"nothing to prove from {size1} to {size2}")
    parts, begin, end = [], 0, size2
    while size1 != end:
        middle = begin + _split(end - begin)
        if size1 <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((begin, middle))
            begin = middle
    if begin > 0:
        parts.append((begin, end))
    return parts[::-1]


def consistency_proof(leaves: Sequence[bytes], size1: int) -> list[bytes]:
    """Prove that the tree over all entries' bytes starts with that over the first size1 of them.

    Raises ValueError unless 0 < size1 ≤ len(leaves).
    """
    return [root(leaves[begin:end]) for begin, end in consistency_parts(size1, len(leaves))]


# Only the built-in types themselves: what derives from them may do anything when it is looked at.
def _is_hash(value: object) -> bool:
    return type(value) is bytes and len(value) == 32


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_SIZE


def _is_proof(value: Any) -> bool:
    return type(value) in (list, tuple) and all(map(_is_hash, value))


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether the leaf stands at `index` in the tree of `size` with this root (RFC 9162, 2.1.3.2)."""
    well_formed = (
        _is_size(index) and _is_size(size) and _is_hash(leaf_hash) and _is_proof(proof) and _is_hash(root)
    )
    if not well_formed or index >= size:
        return False
    fn, sn, result = index, size - 1, leaf_hash
    for sibling in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and result == root


def verify_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> bool:
    """Tell whether the tree of size2 starts with the tree of size1 (RFC 9162, 2.1.4.2).

    size1 = 0 is False: there is nothing to prove, and no proof that shows it.
    """
    well_formed = (
        _is_size(size1) and _is_size(size2) and _is_proof(proof) and _is_hash(root1) and _is_hash(root2)
    )
    if not well_formed or not 0 < size1 <= size2:
        return False
    if size1 == size2:
        return not proof and root1 == root2
    hashes = [root1, *proof] if size1 & (size1 - 1) == 0 else list(proof)
    return bool(proof) and _follow(size1 - 1, size2 - 1, hashes) == (root1, root2)


def _follow(fn: int, sn: int, hashes: list[bytes]) -> tuple[bytes, bytes] | None:
    """Rebuild both roots from a consistency proof; None when it has too many or too few hashes."""
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, sibling)
        fn, sn = fn >> 1, sn >> 1
    return (old, new) if sn == 0 else None


@dataclass
class CompactRange:
    """The right edge of a growing tree: its size and the roots of its perfect subtrees, largest first."""

    size: int = 0
    nodes: list[bytes] = field(default_factory=list)

    @classmethod
    def from_tiles(cls, size: int, tiles: Sequence[Sequence[bytes]]) -> CompactRange:
        """Rebuild the edge of a tree from its partial tiles.

        tiles[level] holds the hashes of full subtrees of 256^level leaves that no full subtree of the next
        level covers. Raises ValueError when their numbers do not fit the size.
        """
        nodes: list[bytes] = []
        for level in reversed(range(len(tiles))):
            tile = tiles[level]
            if len(tile) != (size >> (TILE_HEIGHT * level)) & 0xFF:
                raise ValueError(
                    f"a tree of {size} leaves cannot have {len(tile)} loose hashes on level {level}"
                )
            nodes += [_full(tile[i << h : (i + 1) << h]) for h, i in perfect(0, len(tile))]
        if size >> (TILE_HEIGHT * len(tiles)):
            raise ValueError(f"{len(tiles)} levels are not enough for {size} leaves")
        return cls(size, nodes)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash; return (level, index, hash) of each subtree of 256^level leaves now complete."""
        return self._push(leaf, 0)

    def extend(self, leaves: Sequence[bytes]) -> Iterator[tuple[int, int, bytes]]:
        """Add many leaf hashes, yielding what `append` returns; whole tiles are folded at once."""
        place = 0
        while place < len(leaves):
            if self.size % TILE_WIDTH == 0 and len(leaves) - place >= TILE_WIDTH:
                tile = _full(leaves[place : place + TILE_WIDTH])
                yield (1, self.size >> TILE_HEIGHT, tile)
                yield from self._push(tile, TILE_HEIGHT)
                place += TILE_WIDTH
            else:
                yield from self._push(leaves[place], 0)
                place += 1

    def push_tile(self, root: bytes) -> list[tuple[int, int, bytes]]:
        """Add a full tile by its root, at a size that is a multiple of one; return what `append` does."""
        return self._push(root, TILE_HEIGHT)

    def _push(self, node: bytes, height: int) -> list[tuple[int, int, bytes]]:
        """Add the root of the next full subtree of that height."""
        self.nodes.append(node)
        done, size = [], self.size
        self.size += 1 << height
        while size >> height & 1:
            right, left = self.nodes.pop(), self.nodes.pop()
            self.nodes.append(node_hash(left, right))
            height += 1
            if height % TILE_HEIGHT == 0:
                done.append((height // TILE_HEIGHT, size >> height, self.nodes[-1]))
        return done

    def root(self) -> bytes:
        """Return the root of the tree as it stands."""
        return fold(self.nodes)
