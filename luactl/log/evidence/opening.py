"""Bytes of log lines as they were written: opened from lua.log_block on a key host, after it is on record."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...db import Session, queries, transaction
from ...errors import NotFoundError, RefusedError, UsageError
from ...key import RetentionClass, SealError, period_id
from ...ledger import record_read
from ...ledger.entry import time_of
from ..ingest.block import Block, month
from ..ingest.house import HOUSE, has_keys, house
from ..ingest.source import sources

if TYPE_CHECKING:
    from ...key import PeriodKey, TenantKeys
    from ..ingest.form import Form

OBJECT = "table:lua.log_block"
MOST_HELD = 64 << 20
"""Opened bytes that are kept at once: lines of many files come one after the other."""
NO_KEYS = "sealed, and this host holds no keys"
NEVER_KEPT = "its bytes were never kept: it was brought in where there were no keys"
ALTERED = "its sealed bytes do not open: moved or altered"
LATE = "it came in while the lockbox was written, after the reading was recorded"
ELSEWHERE = "no record begins where it stood in its sealed bytes"


class NotThere(Exception):
    """The bytes of a line cannot be had; the text says why."""


@dataclass(frozen=True)
class Stood:
    """Where a line stood."""

    source_id: UUID
    file_no: int
    place: int
    at: datetime


@dataclass(frozen=True)
class Raw:
    """A line as its server wrote it."""

    id: UUID
    at: datetime
    source: str
    file: str
    """The file's name when it was read last."""
    place: int
    """Byte offset in that file."""
    length: int | None
    text: str | None
    """As UTF-8, without the last line feed; what is none stands as U+FFFD."""
    data: bytes | None
    missing: str | None
    """Why there are no bytes."""


@dataclass(frozen=True)
class Opened:
    """An opened block."""

    block: Block
    data: bytes
    ends: dict[int, int]
    """The end of each record by its beginning."""


class Opener:
    """Opens sealed blocks and cuts them into the records that went in. For one run of one login."""

    def __init__(self, session: Session, keys: TenantKeys | None) -> None:
        self._session, self._keys = session, keys
        self._forms: Mapping[UUID, Form] = {source.source_id: source.form for source in sources(session)}
        self._months: dict[int, PeriodKey | None] = {}
        self._held: OrderedDict[tuple[UUID, int], Opened] = OrderedDict()

    def bytes_of(self, line: Stood, is_late: bool = False) -> bytes:
        """Return the bytes of a line, its line feed included; not of one whose reading is not recorded.

        Within a transaction it must be in the context of the house. Raises NotThere.
        """
        if self._keys is None:
            raise NotThere(NO_KEYS)
        if is_late:
            raise NotThere(LATE)
        found = self._block(self._keys, line)
        begin = line.place - found.block.place
        if begin not in found.ends:
            raise NotThere(ELSEWHERE)
        return found.data[begin : found.ends[begin]]

    def _block(self, keys: TenantKeys, line: Stood) -> Opened:
        file = line.source_id, line.file_no
        held = self._held.get(file)
        if held is not None and held.block.place <= line.place < held.block.until:
            self._held.move_to_end(file)
            return held
        number = month(line.at.astimezone(UTC))
        row = queries("log_evidence").block(
            self._session.conn, source_id=line.source_id, file_no=line.file_no, place=line.place,
            period_id=period_id(RetentionClass.LOG, number),
        )  # fmt: skip
        if row is None:
            raise NotThere(NEVER_KEPT)
        block = Block(line.source_id, line.file_no, row[0], row[1])
        data = self._opened(keys, block, bytes(row[2]), number)
        self._held.pop(file, None)
        found = self._held[file] = Opened(block, data, self._cut(block, data))
        while len(self._held) > 1 and sum(len(one.data) for one in self._held.values()) > MOST_HELD:
            self._held.popitem(last=False)
        return found

    def _opened(self, keys: TenantKeys, block: Block, sealed: bytes, number: int) -> bytes:
        if number not in self._months:
            self._months[number] = keys.existing_period(RetentionClass.LOG, number)
        period = self._months[number]
        if period is None:
            raise NotThere(gone(number))
        try:
            return block.unseal(sealed, period)
        except (SealError, zlib.error):
            raise NotThere(ALTERED) from None

    def _cut(self, block: Block, data: bytes) -> dict[int, int]:
        """Return the end of each record by its beginning, as they were cut when they came in."""
        spans = list(self._forms[block.source_id].split(data, is_end=True))
        rest = spans[-1][1] if spans else 0
        if rest < len(data):  # a record without an end, taken whole because it was too long
            spans.append((rest, len(data)))
        return dict(spans)


def gone(number: int) -> str:
    """Say that the key of a month (yyyymm) is gone."""
    return f"the key of {number // 100}-{number % 100:02} is gone, and with it what was sealed"


def raw(session: Session, ids: Sequence[UUID], purpose: str) -> tuple[Raw, ...]:
    """Return lines as they were written; that they are read is on record before any is opened.

    Raises NotFoundError for what is no line, UsageError for an entry of the ledger, RefusedError off a key
    host and for a login that may not read them.
    """
    if not purpose.strip():
        raise UsageError("why are they read?", hint="say it with --purpose; the ledger keeps it")
    if not queries("log_evidence").may_collect(session.conn):
        raise RefusedError(
            f"{session.actor} may not read lines as they were written",
            hint="run it as a login that has lua_responder, lua_auditor or lua_dpo",
        )
    if not has_keys(session):
        raise RefusedError(
            "lines are kept sealed, and this host holds no keys of theirs", hint="run it on a key host"
        )
    rows = _stood(session, list(dict.fromkeys(ids)))
    people = list(dict.fromkeys(row[2] for row in rows if row[2] is not None))
    record_read(session, 0, people, purpose, OBJECT, len(rows))
    session.step("reading recorded")
    with transaction(session, HOUSE, snapshot=True):
        opener = Opener(session, house(session))
        return tuple(_raw(opener, row) for row in rows)


def _stood(session: Session, ids: list[UUID]) -> list[tuple[Any, ...]]:
    telling = [id_ for id_ in ids if id_.int < 1 << 127]
    rows = list(
        queries("log_evidence").stood(session.conn, ids=telling, ats=[time_of(id_) for id_ in telling])
    )
    for id_ in set(ids) - {row[0] for row in rows}:
        raise NotFoundError(
            f"there is no line {id_}",
            hint="`luactl log search kind:line` lists lines; `luactl ledger show` shows an entry",
        )
    return rows


def _raw(opener: Opener, row: tuple[Any, ...]) -> Raw:
    id_, at, _subject, source_id, source, file_no, file, place = row
    told = id_, at.astimezone(UTC), source, file, place
    try:
        data = opener.bytes_of(Stood(source_id, file_no, place, at))
    except NotThere as why:
        return Raw(*told, None, None, None, str(why))
    return Raw(*told, len(data), data.decode("utf-8", "replace").removesuffix("\n"), data, None)
