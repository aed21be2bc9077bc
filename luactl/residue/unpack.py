"""Compressed values inside raw bytes, found by their headers and undone. Pure.

A byte search proves nothing where Postgres compressed: whatever looks like a compressed value, inline or in
chunks of a TOAST table, is decompressed, wherever it lies: in a row, in the hole that a row left, in the log.
The layout is that of little-endian servers.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from .lz import lz4, pglz

LARGEST = 1 << 26
"""Nobody's compressed value is larger inside: what claims to be is something else."""
CHUNK = 1996
_THREE = struct.Struct("<III")
_COMPRESSED = re.escape(bytes(first for first in range(256) if first & 3 == 2))
_PLAIN = re.escape(bytes(first for first in range(256) if first & 3 == 0))
_SHORT = re.escape(bytes(first for first in range(20, 256) if first & 3 == 0))
# Both patterns begin with a literal zero byte, which is searched for much faster than a class of bytes.
# The third byte of a varlena header that is marked as compressed and at most 32 KiB; then comes what is left
# of the header, then raw size (30 bits) and method (2 bits).
_INLINE = re.compile(
    rb"\x00(?=\x00[\x00-\xff]{3}[\x00-\x03\x40-\x43])(?<=[" + _COMPRESSED + rb"][\x00-\x7f]\x00)"
)
# The last byte of chunk_seq; before it chunk_id (not 0), behind it a varlena header of 5 to 2,000 bytes.
_CHUNK = re.compile(
    rb"\x00(?=(?:[" + _SHORT + rb"]\x00|[" + _PLAIN + rb"][\x01-\x1f])\x00\x00)"
    rb"(?<=[\x00-\x0f]\x00)(?<!\x00{4}[\x00-\xff]{3}\x00)"
)


def decompress(data: bytes) -> bytes | None:
    """Return what a compressed value (raw size and method, then the data) holds; None when it is none.

    Of a value that is cut off, its beginning.
    """
    if len(data) < 5:
        return None
    information = int.from_bytes(data[:4], "little")
    size, method = information & 0x3FFFFFFF, information >> 30
    if not 0 < size <= LARGEST or method > 1:
        return None
    try:
        return (lz4 if method else pglz)(data[4:], size)
    except ValueError:
        return None


def inline(data: bytes, *, aligned: bool = True) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, content) of each compressed value that lies whole in these bytes.

    `aligned`: as in pages, where such a value begins at a multiple of four; in the log it may begin anywhere,
    and of one that the end of a segment cuts off the beginning comes.
    """
    for match in _INLINE.finditer(data):
        at = match.start() - 2
        if aligned and at & 3:
            continue
        length = int.from_bytes(data[at : at + 4], "little") >> 2
        size = int.from_bytes(data[at + 4 : at + 8], "little") & 0x3FFFFFFF
        cut_off = at + length > len(data)
        if length < 12 or (cut_off and aligned) or size <= length - 8:
            continue
        content = decompress(data[at + 4 : at + length])
        if content and (len(content) == size or cut_off):
            yield at, content


@dataclass
class Value:
    """What is there of one value in a TOAST table."""

    chunks: dict[int, bytes] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    """Where each chunk began."""

    def beginning(self) -> bytes:
        """Return the chunks from the first on, as far as none is missing."""
        parts = []
        for sequence in range(len(self.chunks)):
            if sequence not in self.chunks:
                break
            parts.append(self.chunks[sequence])
        return b"".join(parts)


@dataclass
class Chunks:
    """Puts values of a TOAST table together again out of chunks that lie anywhere."""

    step: int = 8
    """Chunks begin at a multiple of this: 8 in pages, 1 in the log."""
    most: int = 256 << 20
    """Bytes that are kept waiting for their other parts."""
    values: dict[int, Value] = field(default_factory=dict)
    held: int = 0

    def add(self, data: bytes, base: int = 0) -> None:
        """Take in every chunk that lies whole in these bytes; `base` is where they stand."""
        for match in _CHUNK.finditer(data):
            at = match.start() - 7
            if at < 0 or at % self.step:
                continue
            number, sequence, header = _THREE.unpack_from(data, at)
            length = header >> 2
            if length > CHUNK + 4 or (self.step > 1 and at + 8 + length > len(data)):
                continue
            value = self.values.setdefault(number, Value())
            if length - 4 > len(value.chunks.get(sequence, b"")):
                value.chunks[sequence] = data[at + 12 : at + 8 + length]
                value.places[sequence] = base + at
                self.held += length

    @property
    def full(self) -> bool:
        """Whether it is time to look at what is there."""
        return self.held > self.most

    def take(self) -> Iterator[tuple[int, bytes, bool]]:
        """Yield (place, content, whether it was compressed) of each value, and forget them."""
        for value in self.values.values():
            joined = value.beginning()
            if not joined:
                continue
            yield value.places[0], joined, False
            content = decompress(joined)
            if content:
                yield value.places[0], content, True
        self.values, self.held = {}, 0


def straddles(at: int, length: int) -> bool:
    """Say whether a hit in a joined value lies in two chunks: else it was seen in the chunk itself."""
    return at // CHUNK != (at + length - 1) // CHUNK
