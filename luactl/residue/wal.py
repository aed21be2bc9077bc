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


def look(tally: Tally, markers: Markers, record: bytes, chunks: Chunks) -> None:
    """Count every hit in what a segment records: as it stands, and inside what is compressed there."""
    tally.look(record)
    for _at, content in inline(record, aligned=False):
        tally.look(content)
    chunks.add(record)
    for _at, content, compressed in chunks.take():
        for at, form in markers.within(content):
            if compressed or straddles(at, len(form)):
                tally.add(form)


def survey(reach: Reach, markers: Markers, progress: Progress) -> Iterator[Finding]:
    """Yield what lies in the segments of the log, recycled ones apart."""
    if reach.blind or reach.standby:
        yield Finding(
            "wal",
            "pg_wal",
            "not observable",
            reach.blind or "this is a standby: its own log is not the primary's",
        )
        return
    block = int(reach.settings["wal_block_size"])
    kinds: dict[str, Tally] = {"wal": Tally(markers), "recycled wal": Tally(markers)}
    files = {"wal": 0, "recycled wal": 0}
    for name, size, recycled in list(queries("residue").list_wal(reach.conn)):
        kind = "recycled wal" if recycled else "wal"
        data = reach.piece(f"pg_wal/{name}", 0, size)
        progress(len(data))
        before = kinds[kind].hits
        look(kinds[kind], markers, joined(data, block), Chunks(step=1))
        files[kind] += kinds[kind].hits > before
    for kind, tally in kinds.items():
        remedy = SWITCH if kind == "wal" else OVERWRITE
        yield told(kind, "pg_wal", tally, f"in {files[kind]} segments", remedy)
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
    tally, files, others = Tally(markers), 0, 0
    for path in sorted(_files(folder)):
        if not SEGMENT_NAME.fullmatch(path.name):
            others += path.suffix not in (".history", ".backup")
            continue
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        progress(len(data))
        before = tally.hits
        look(tally, markers, joined(data, block), Chunks(step=1))
        files += tally.hits > before
    yield told("archive", str(folder), tally, f"in {files} archived segments", "let the archive expire")
    if others:
        why = f"{others} files that are no segments: compressed, encrypted, or something else"
        yield Finding("archive", str(folder), "not observable", why, "let the archive expire")


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
