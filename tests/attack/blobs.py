"""Finds key tree nodes and sealed columns in raw bytes, dead tuples and WAL records included.

Written from docs/reference/formats.md alone; shares no code with luactl.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

NODE_BYTES = 3840
NODE_HEADER = ((NODE_BYTES + 4) << 2).to_bytes(4, "little")
FRAME_BYTES, NONCE_BYTES, TAG_BYTES = 10, 12, 16
SMALLEST_FRAME = FRAME_BYTES + NONCE_BYTES + 2 + TAG_BYTES
FRAME = re.compile(rb"\x01[\x01-\x04]\x00\x00\x00[\x01-\x7f][\x01-\x03][\x00-\x03]..", re.DOTALL)


@dataclass(frozen=True)
class Node:
    """One version of one node, as found."""

    path: bytes
    version: int
    blob: bytes


@dataclass(frozen=True)
class Frame:
    """One sealed value, as found."""

    key_class: int
    version: int
    period_id: int
    raw: bytes


def frame(raw: bytes) -> Frame:
    """Read the header of a sealed value (formats 3)."""
    return Frame(raw[1], int.from_bytes(raw[2:6], "big"), int.from_bytes(raw[6:10], "big"), raw)


def nodes_in(stream: bytes) -> Iterator[Node]:
    """Every node tuple: path, version, change, then a varlena of exactly 3,840 bytes."""
    at = stream.find(NODE_HEADER)
    while at >= 0:
        blob = stream[at + 4 : at + 4 + NODE_BYTES]
        if len(blob) == NODE_BYTES:
            yield from (Node(path, version, blob) for path, version in headers_before(stream, at))
        at = stream.find(NODE_HEADER, at + 1)


def headers_before(stream: bytes, at: int) -> Iterator[tuple[bytes, int]]:
    """Every reading of the bytes before a node's blob as path (short varlena), version and change."""
    for length in range(33):
        version_at = (1 + length + 3) // 4 * 4
        start = at - 8 - (version_at + 4 + 7) // 8 * 8
        if start >= 0 and stream[start] == ((length + 1) << 1 | 1):
            path = stream[start + 1 : start + 1 + length]
            version = int.from_bytes(stream[start + version_at : start + version_at + 4], "little")
            if 0 < version < 1_000_000 and all(step < 64 for step in path):
                yield path, version


def frames_in(stream: bytes) -> Iterator[Frame]:
    """Every sealed value behind a short or a long varlena header."""
    for match in FRAME.finditer(stream):
        at = match.start()
        for length in lengths_before(stream, at):
            if SMALLEST_FRAME <= length <= 8192 and at + length <= len(stream):
                yield frame(stream[at : at + length])


def lengths_before(stream: bytes, at: int) -> Iterator[int]:
    """Length of the value that starts here, by each kind of varlena header that may stand before it."""
    if at >= 1 and stream[at - 1] & 1:
        yield (stream[at - 1] >> 1) - 1
    if at >= 4 and not stream[at - 4] & 3:
        yield (int.from_bytes(stream[at - 4 : at], "little") >> 2) - 4
