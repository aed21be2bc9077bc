"""A batch of lines goes into the database, with the position up to which its file was read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from ...db import Session, queries, transaction
from ...errors import BusyError
from ...key import RetentionClass, TenantKeys
from ...ledger import Entry, append
from ...pack import Bigints, Packed, Texts, Times, Uuids, teach
from ..search import find_tenants
from .block import Block, month
from .classify import Kind
from .months import make_months
from .record import Record
from .source import Source

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
_MARKS = 0xF << 76 | 0x3 << 62
_VERSION = 0x7 << 76 | 0x2 << 62
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Known:
    """A file of a source, and how far it is read."""

    file_no: int
    identity: str
    name: str
    read_to: int
    lines: int
    unreadable: int
    first_at: datetime | None
    last_at: datetime | None
    ended_at: datetime | None


class Piece(NamedTuple):
    """One record of a file. A tuple, as its parts are: millions of them are made."""

    place: int
    data: bytes
    record: Record
    kind: Kind

    @property
    def is_unreadable(self) -> bool:
        """Whether no format explained it."""
        return self.record.code == UNREADABLE


@dataclass(frozen=True)
class Gap:
    """A span that is not covered, and why."""

    since: datetime
    until: datetime
    reason: str


def line_ids(source: Source, file: Known, pieces: Iterable[Piece]) -> Iterator[UUID]:
    """Yield the ids of lines: the time as in UUIDv7, and for the rest where each stands."""
    known = hashlib.sha256(f"{source.source_id}|{file.identity}|".encode())
    for piece in pieces:
        place = known.copy()
        place.update(b"%d" % piece.place)
        rest = int.from_bytes(place.digest()[:10])
        milliseconds = (piece.record.at - EPOCH) // MILLISECOND
        yield UUID(int=milliseconds << 80 | rest & ~_MARKS | _VERSION)


def store(
    session: Session, source: Source, file: Known, pieces: Sequence[Piece], until: int, gaps: Sequence[Gap],
    keys: TenantKeys | None,
) -> None:  # fmt: skip
    """Insert lines, sealed blocks, gaps, the new position and the ledger entry in one transaction.

    Raises BusyError when somebody else has read on meanwhile.
    """
    from .house import HOUSE

    make_months(session, (piece.record.at for piece in pieces))
    blocks = list(_blocks(source, file, pieces, until))
    if keys is not None:
        for at, _block, _data in blocks:
            keys.period(RetentionClass.LOG, month(at))  # claims it when it is new
    now = session.clock.now()
    columns = _columns(session, source, file, pieces)
    teach(session.conn)
    with transaction(session, HOUSE if keys else None) as conn:
        _move_on(session, source, file, pieces, until)
        noun = queries("log")
        noun.insert_lines(conn, source_id=source.source_id, file_no=file.file_no, ingested_at=now, **columns)
        if keys is not None:
            _insert_blocks(session, keys, source, file, blocks)
        for gap in gaps:
            noun.insert_gap(
                conn, source_id=source.source_id, since=gap.since, until=gap.until, reason=gap.reason, at=now
            )
        append(session, Entry(
            "log.ingest", object=f"log-source:{source.name}", outcome="done",
            detail={"file": file.file_no, "from": file.read_to, "to": until, "lines": len(pieces),
                    "unreadable": sum(p.is_unreadable for p in pieces), "gaps": len(gaps)},
        ))  # fmt: skip


def _move_on(session: Session, source: Source, file: Known, pieces: Sequence[Piece], until: int) -> None:
    times = [piece.record.at for piece in pieces]
    moved = queries("log").move_on(
        session.conn, source_id=source.source_id, file_no=file.file_no, read_to=file.read_to, until=until,
        lines=len(pieces), unreadable=sum(piece.is_unreadable for piece in pieces),
        first_at=min(times, default=None), last_at=max(times, default=None), name=file.name,
        at=session.clock.now(),
    )  # fmt: skip
    if not moved:
        raise BusyError(
            f"another process reads {source.name!r} too",
            hint="its lines are in; run it again when that has ended",
        )


def _columns(session: Session, source: Source, file: Known, pieces: Sequence[Piece]) -> dict[str, Packed]:
    tenants = find_tenants(session, {p.record.tenant for p in pieces if p.record.tenant is not None})
    records, kinds = [piece.record for piece in pieces], [piece.kind for piece in pieces]
    return {
        "ids": Uuids.of(list(line_ids(source, file, pieces))),
        "ats": Times.of([one.at for one in records]),
        "places": Bigints.of([piece.place for piece in pieces]),
        "tenants": Bigints.of([tenants.get(one.tenant or "", 0) for one in records]),
        "subjects": Uuids.of([one.subject for one in records]),
        "actions": Texts.of([one.action for one in kinds]),
        "objects": Texts.of([one.object for one in kinds]),
        "outcomes": Texts.of([one.outcome for one in kinds]),
        "messages": Texts.of([one.message for one in kinds]),
        "actors": Texts.of([one.actor for one in records]),
        "behalves": Texts.of([one.on_behalf for one in records]),
        "purposes": Texts.of([one.purpose for one in records]),
        "addresses": Texts.of([one.address for one in records]),
        "sessions": Texts.of([one.session for one in records]),
        "applications": Texts.of([one.application for one in records]),
        "severities": Texts.of([one.severity for one in records]),
        "codes": Texts.of([one.code for one in records]),
    }


def _blocks(
    source: Source, file: Known, pieces: Iterable[Piece], until: int
) -> Iterator[tuple[datetime, Block, bytes]]:
    """Cut what was read where the month changes: each block dies with its month."""
    runs = [list(run) for _month, run in groupby(pieces, lambda piece: month(piece.record.at))]
    ends = [run[0].place for run in runs[1:]] + [until]
    for run, end in zip(runs, ends, strict=True):
        data = b"".join(piece.data for piece in run)
        yield run[0].record.at, Block(source.source_id, file.file_no, run[0].place, end), data


def _insert_blocks(
    session: Session, keys: TenantKeys, source: Source, file: Known,
    blocks: Sequence[tuple[datetime, Block, bytes]],
) -> None:  # fmt: skip
    periods = {month(at): keys.period(RetentionClass.LOG, month(at)) for at, _block, _data in blocks}
    queries("log").insert_blocks(
        session.conn, source_id=source.source_id, file_no=file.file_no,
        places=[block.place for _at, block, _data in blocks],
        untils=[block.until for _at, block, _data in blocks],
        period_ids=[periods[month(at)].period_id for at, _block, _data in blocks],
        sealed=[block.seal(data, periods[month(at)]) for at, block, data in blocks],
    )  # fmt: skip
