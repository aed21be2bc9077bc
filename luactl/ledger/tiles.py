"""The log as files for other programs: C2SP tlog-tiles, so that clients of such logs can read and check it.

`checkpoint`, `tile/<level>/<N>` with 256 hashes each (the last one partial: `.p/<W>`), and on demand the
entries themselves in `tile/entries/<N>`: those hold what the ledger holds, and are as confidential.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..db import Session, queries, transaction
from ..errors import UsageError
from .merkle import TILE_HEIGHT, TILE_WIDTH
from .signed import newest
from .tree import minimum, read_hashes, tile_start

AT_ONCE = 64 * TILE_WIDTH
"""Hashes that are read at a time."""


@dataclass(frozen=True)
class Tiles:
    """What was written."""

    folder: str
    size: int
    """Entries under the checkpoint."""
    minimum: int
    """Entries below are pruned: their tiles of level 0 and their entries are not there."""
    tiles: int
    bundles: int


def tile_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return where a tile lies below its level: groups of three digits, all but the last with an x."""
    text = f"{index:03}"
    text = text.zfill(-(-len(text) // 3) * 3)
    groups = [text[place : place + 3] for place in range(0, len(text), 3)]
    name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return name if width == TILE_WIDTH else f"{name}.p/{width}"


def tiles_of(hashes: Iterable[bytes], first: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield the tiles of one level: path below it, and the hashes one after the other."""
    index, waiting = first, list[bytes]()
    for one in hashes:
        waiting.append(one)
        if len(waiting) == TILE_WIDTH:
            yield tile_path(index), b"".join(waiting)
            index, waiting = index + 1, []
    if waiting:
        yield tile_path(index, len(waiting)), b"".join(waiting)


def bundles_of(bodies: Iterable[bytes], first: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield bundles of entries, each behind its length in 16 bits."""
    return tiles_of((len(body).to_bytes(2, "big") + body for body in bodies), first)


def export_tiles(session: Session, folder: Path, *, entries: bool = False) -> Tiles:
    """Write the log under its newest checkpoint into a new folder.

    Raises UsageError when the folder cannot be made, RefusedError when nothing is signed yet.
    """
    with transaction(session, snapshot=True) as conn:
        size, _root, note, _signed_at = newest(conn)
        least, _note = minimum(conn)
        _make(folder)
        written, level, first = 0, 0, tile_start(least) >> TILE_HEIGHT
        while size >> (TILE_HEIGHT * level):
            written += _write(folder / f"tile/{level}", tiles_of(_level(conn, level, first, size), first))
            level, first = level + 1, 0
        bundles = 0
        if entries:
            full = -(-least // TILE_WIDTH)
            bundles = _write(
                folder / "tile/entries", bundles_of(_bodies(conn, full * TILE_WIDTH, size), full)
            )
    (folder / "checkpoint").write_text(note, encoding="utf-8")
    return Tiles(str(folder), size, least, written, bundles)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}", hint="name a new folder") from error


def _write(folder: Path, files: Iterator[tuple[str, bytes]]) -> int:
    written = 0
    for name, data in files:
        file = folder / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(data)
        written += 1
    return written


def _level(conn: Any, level: int, tile: int, size: int) -> Iterator[bytes]:
    """Yield the hashes of a level from a tile on, some tiles at a time."""
    count = size >> (TILE_HEIGHT * level)
    for first in range(tile * TILE_WIDTH, count, AT_ONCE):
        yield from read_hashes(conn, level, first, min(first + AT_ONCE, count))


def _bodies(conn: Any, first: int, size: int) -> Iterator[bytes]:
    for begin in range(first, size, TILE_WIDTH):
        end = min(begin + TILE_WIDTH, size)
        yield from (bytes(row[0]) for row in queries("ledger").bodies(conn, first=begin, end=end))
