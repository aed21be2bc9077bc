"""Files of tables: what lies in heap, TOAST and indexes, in rows and in the room that rows left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from psycopg.sql import SQL

from ..db import queries
from .finding import Finding
from .marker import Markers, Tally
from .page import SIZE, in_btree, in_index, item_at
from .reaching import Progress, Reach
from .unpack import Chunks, inline, straddles

SEGMENT = 1 << 30
REWRITE = "VACUUM FULL"
HEAPS = {"heap", "toast"}
LIVE = "rows that are not deleted"
DEAD = "deleted rows"
FREE = "free space"


@dataclass(frozen=True)
class Relation:
    """One file of a table: its rows, its TOAST table, or an index."""

    oid: int
    kind: str
    """heap, toast, or the index's method."""
    name: str
    """With its schema, quoted where it must be."""
    table: str
    """The table that it belongs to."""
    path: str
    """Below the data directory; further segments have .1, .2 … behind it."""
    size: int


@dataclass
class Sighting:
    """What lies in one file, by the part of its pages."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    rows: dict[tuple[int, int], list[bytes]] = field(default_factory=dict)
    """Hits in rows of a heap, by page and line pointer."""


def relations(reach: Reach, oids: Sequence[int]) -> list[Relation]:
    """Return the files of some tables, heaps first."""
    return [Relation(*row) for row in queries("residue").relations(reach.conn, oids=list(oids))]


def survey(
    reach: Reach, files: Sequence[Relation], markers: Markers, progress: Progress
) -> Iterator[Finding]:
    """Yield what lies in each file; one finding for each part of its pages, or one that it is clear."""
    for one in files:
        if reach.blind:
            yield Finding(one.kind, one.name, "not observable", reach.blind)
            continue
        yield from _findings(one, _look(reach, one, markers, progress))


def _findings(one: Relation, seen: dict[str, Tally]) -> Iterator[Finding]:
    found = {part: tally for part, tally in seen.items() if tally.hits}
    if not found:
        yield Finding(one.kind, one.name, "clear", f"none of the markers in {one.size:,} bytes")
    for part, tally in found.items():
        remedy = "they are still there: delete them" if part == LIVE else REWRITE
        yield Finding(one.kind, one.name, "found", f"in {part}", remedy, tally.markers, tally.hits)


def _look(reach: Reach, one: Relation, markers: Markers, progress: Progress) -> dict[str, Tally]:
    """Read one file to its end, segment by segment."""
    where: Callable[[bytes, int], str] = in_btree if one.kind == "btree" else in_index
    seen, chunks = Sighting(), Chunks()
    for base, data in _pages(reach, one, progress):
        for at, form in _forms(data, markers):
            _sort(seen, one, where, base + at, data[at // SIZE * SIZE :][:SIZE], form, markers)
        if one.kind == "toast":
            chunks.add(data, base)
            if chunks.full:
                _values(reach, one, seen, chunks, markers)
    _values(reach, one, seen, chunks, markers)
    _judge(reach, one, seen, markers)
    return seen.tallies


def _pages(reach: Reach, one: Relation, progress: Progress) -> Iterator[tuple[int, bytes]]:
    for start in range(0, one.size + 1, SEGMENT):
        for at, data in reach.blocks(_file(one, start)):
            progress(len(data))
            yield start + at, data


def _forms(data: bytes, markers: Markers) -> Iterator[tuple[int, bytes]]:
    """Yield each marker with its offset: as it stands, and inside what is compressed there."""
    yield from markers.within(data)
    for at, content in inline(data):
        for _inside, form in markers.within(content):
            yield at, form


def _sort(
    seen: Sighting,
    one: Relation,
    where: Callable[[bytes, int], str],
    place: int,
    page: bytes,
    form: bytes,
    markers: Markers,
) -> None:
    """Put a hit down where it belongs; in rows of a heap it is told later whether they live."""
    if one.kind in HEAPS:
        number = item_at(page, place % SIZE)
        if number is not None:
            seen.rows.setdefault((place // SIZE, number), []).append(form)
            return
        part = FREE
    else:
        part = where(page, place % SIZE)
    seen.tallies.setdefault(part, Tally(markers)).add(form)


def _values(reach: Reach, one: Relation, seen: Sighting, chunks: Chunks, markers: Markers) -> None:
    """Look into values that were put together again; the first chunk's row stands for the whole value."""
    for place, content, compressed in chunks.take():
        hits = [form for at, form in markers.within(content) if compressed or straddles(at, len(form))]
        if hits:
            page = reach.piece(_file(one, place), place % SEGMENT // SIZE * SIZE, SIZE)
            for form in hits:
                _sort(seen, one, in_index, place, page, form, markers)


def _file(one: Relation, place: int) -> str:
    segment = place // SEGMENT
    return f"{one.path}.{segment}" if segment else one.path


def _judge(reach: Reach, one: Relation, seen: Sighting, markers: Markers) -> None:
    """Ask which of the rows with hits are still visible: those are not residue, they were never deleted."""
    alive = _visible(reach, one, list(seen.rows)) if seen.rows else set()
    for row, forms in seen.rows.items():
        tally = seen.tallies.setdefault(LIVE if row in alive else DEAD, Tally(markers))
        for form in forms:
            tally.add(form)


def _visible(reach: Reach, one: Relation, rows: list[tuple[int, int]]) -> set[tuple[int, int]]:
    asked = SQL("SELECT ctid::text FROM {} WHERE ctid = ANY (%s::tid[])").format(SQL(one.name))
    found = set()
    for start in range(0, len(rows), 1000):
        places = [f"({page},{number})" for page, number in rows[start : start + 1000]]
        for (place,) in reach.conn.execute(asked, (places,)):
            page, _, number = place.strip("()").partition(",")
            found.add((int(page), int(number)))
    return found
