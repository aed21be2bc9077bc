"""The write-ahead log: segments that are in use, recycled ones under names of the future, and the archive."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..db import queries
from .finding import Finding
from .marker import Markers, Tally
from .reaching import Progress, Reach
from .unpack import Chunks, inline, straddles

SEGMENT_NAME = re.compile(r"[0-9A-F]{24}(\.gz|\.partial)?")
LONG_HEADER, SHORT_HEADER = 40, 24
FIRST_OF_SEGMENT = 2
SWITCH = "CHECKPOINT past it, then let it be overwritten (--clean does)"
TAIL = 1 << 16
"""Bytes of a segment that are looked at again with the next."""
OVERWRITE = "overwritten when the segment is used again (--clean does)"


def joined(data: bytes, block: int) -> bytes:
    """Return what a segment records, without the headers of its pages, which would cut values apart.

    A page begins with a header of 24 bytes, of 40 where the flags at byte 2 have 0x0002 (a segment's first).
    """
    parts, empty = [], bytes(block - LONG_HEADER)
    for start in range(0, len(data), block):
        if data.startswith(empty, start + LONG_HEADER):
            continue  # the rest of a segment that was ended early
        long = int.from_bytes(data[start + 2 : start + 4], "little") & FIRST_OF_SEGMENT
        parts.append(data[start + (LONG_HEADER if long else SHORT_HEADER) : start + block])
    return b"".join(parts)


class Segments:
    """Segments read one after the other: a value may begin in one and end in the next."""

    def __init__(self, markers: Markers, block: int) -> None:
        self.tally = Tally(markers)
        self.files = 0
        """How many segments have hits, not counting what only chunks put together show."""
        self._markers, self._block = markers, block
        self._tail, self._chunks = b"", Chunks(step=1)

    def read(self, segment: bytes) -> None:
        """Count every hit in a segment: as it stands, and inside what is compressed there."""
        record, before = self._tail + joined(segment, self._block), self.tally.hits
        seen = len(self._tail)
        for at, form in self._markers.within(record):
            if at + len(form) > seen:
                self.tally.add(form)
        for at, content in inline(record, aligned=False):
            if at + (int.from_bytes(record[at : at + 4], "little") >> 2) > seen:
                self.tally.look(content)
        self.files += self.tally.hits > before
        self._chunks.add(record)
        if self._chunks.full:
            self.end()
        self._tail = record[-TAIL:]

    def end(self) -> None:
        """Look into the values that chunks make up."""
        for _at, content, compressed in self._chunks.take():
            for at, form in self._markers.within(content):
                if compressed or straddles(at, len(form)):
                    self.tally.add(form)

    def finding(self, place: str, object: str, remedy: str) -> Finding:
        """Return what all of it comes to."""
        self.end()
        return told(place, object, self.tally, f"in {self.files} segments", remedy)


def survey(reach: Reach, markers: Markers, progress: Progress) -> Iterator[Finding]:
    """Yield what lies in the segments of the log, recycled ones apart."""
    if reach.blind or reach.standby:
        why = reach.blind or "this is a standby: its own log is not the primary's"
        yield Finding("wal", "pg_wal", "not observable", why)
        return
    block = int(reach.settings["wal_block_size"])
    used, recycled = Segments(markers, block), Segments(markers, block)
    for name, size, is_recycled in list(queries("residue").list_wal(reach.conn)):
        data = reach.piece(f"pg_wal/{name}", 0, size)
        progress(len(data))
        (recycled if is_recycled else used).read(data)
    yield used.finding("wal", "pg_wal", SWITCH)
    yield recycled.finding("recycled wal", "pg_wal", OVERWRITE)
    if reach.settings.get("wal_compression", "off") != "off":
        why = f"page images in the log are compressed ({reach.settings['wal_compression']})"
        yield Finding("wal", "page images", "not observable", why, "they go with their segments")


def told(place: str, object: str, tally: Tally, what: str, remedy: str) -> Finding:
    """Return the finding that a tally comes to."""
    if not tally.hits:
        return Finding(place, object, "clear", "none of the markers")
    return Finding(place, object, "found", what, remedy, tally.markers, tally.hits)


def archive(folder: Path, markers: Markers, block: int, progress: Progress) -> Iterator[Finding]:
    """Yield what lies in a folder of archived segments on this host: as they are, or in gzip."""
    segments, others = Segments(markers, block), 0
    for path in sorted(_files(folder)):
        if not SEGMENT_NAME.fullmatch(path.name):
            others += path.suffix not in (".history", ".backup", ".done", ".ready")
            continue
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        progress(len(data))
        segments.read(data)
    yield segments.finding("archive", str(folder), "let the archive expire")
    if others:
        why = f"{others} files that are no segments: compressed, encrypted, or something else"
        yield Finding("archive", str(folder), "not observable", why, "let the archive expire")


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
