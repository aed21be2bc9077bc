"""Collecting evidence: what a question found, and everything that says what it is worth, into one folder.

What is opened is on record first. The folder is put in its place at the very end, after the ledger has the
digest of what it says: a run that was cut short leaves nothing that looks like a lockbox.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from ... import certificate
from ...certificate.evidence import issue
from ...certificate.folder import Attachment, beside, tidy
from ...db import Session, transaction
from ...disk import create
from ...errors import LuactlError, RefusedError
from ...ledger import Entry, append, new_id, record_read
from ...table import Progress, nothing
from ..ingest.house import HOUSE, has_keys, house
from ..ingest.source import Source, sources
from ..line import line
from ..query import Query
from ..search import Gap, gaps, prepared
from . import facts
from .custody import digest, first
from .document import document
from .facts import CHECKPOINT, KIND, File, Lockbox, Missing, Share
from .opening import NO_KEYS, OBJECT, Opener, gone
from .ordering import Order
from .writing import Writer, write_gaps, writer

if TYPE_CHECKING:
    from ...ledger.proof import Prover

QUERIES = "log_evidence"
QUIET = timedelta(minutes=1)
"""How long a source may have said nothing before the end of the span without its being told as a gap."""
ROWS = 2_000
"""Rows that are fetched at once."""
QUIET_REASON = "nothing came in after its newest line: nothing was written, or it was not brought in yet"
NEVER_REASON = "nothing ever came in"
COLUMNS = 20
"""How many columns of `collected`, from the first on, are those of `page`."""


@dataclass(frozen=True)
class _Written:
    """What came of writing the files of data."""

    writer: Writer
    files: tuple[File, ...]
    prover: Prover | None
    """What proved the entries; None when nothing is signed."""
    first_at: datetime | None
    last_at: datetime | None


def collect(
    session: Session, order: Order, folder: Path, *, dry_run: bool = False, progress: Progress = nothing
) -> Lockbox:
    """Write a lockbox into a new folder of mode 0700; `progress` is told lines.

    Off a key host the bytes of lines are not in it, which it says. Raises RefusedError when something stands
    in the folder's place, NotFoundError for a tenant or source that is not there, LuactlError when the disk
    does not take it. Whatever it raises, no folder is left.
    """
    if not dry_run:
        tidy(folder)
    certificate.check_free(folder, None)
    planned = _plan(session, order, folder)
    if dry_run:
        return planned
    lockbox_id = new_id(session.clock.now())
    people = _record(session, order, planned)
    _integrate(session)
    with beside(folder, "lockbox") as place:
        silent = _silent(session, order)
        written = _write(session, order, place, people, progress)
        session.step("lines written")
        files = (*written.files, write_gaps(place, silent), *_checkpoint(place, written.prover))
        stated = facts.certificate(session, lockbox_id, order, _counted(session, written, silent), files)
        pending, custody = _hand_over(session, order, lockbox_id, stated, written, files, place, folder)
    done = written.writer
    return replace(
        planned, lockbox_id=lockbox_id, entries=done.entries, unproved=done.unproved, lines=done.lines,
        raw=done.raw_lines, missing=done.missing, gaps=silent, files=files, custody=custody,
        pending=pending,
    )  # fmt: skip


def _plan(session: Session, order: Order, folder: Path) -> Lockbox:
    """Count what there is, and say which of it cannot be opened here."""
    rows = _ask(session, "collected_sum", order.query)
    keys = house(session)
    missing, raw = list[Missing](), 0
    for source, number, lines, first_at, last_at in rows:
        if source is None:
            continue
        why = _closed(keys, int(number))
        if why is None:
            raw += lines
        else:
            missing.append(Missing(source, first_at.astimezone(UTC), last_at.astimezone(UTC), lines, why))
    entries = sum(row[2] for row in rows if row[0] is None)
    return Lockbox(
        lockbox_id=None, case=order.case, lockbox=str(folder), purpose=order.purpose, query=order.resolved,
        since=order.query.since, until=order.until, entries=entries, unproved=0,
        lines=sum(row[2] for row in rows) - entries, raw=raw, shares=_shares(rows), missing=_joined(missing),
        gaps=_silent(session, order), files=(), custody=None, pending=None,
    )  # fmt: skip


def _ask(session: Session, name: str, query: Query) -> list[tuple[Any, ...]]:
    statement, values = prepared(session, name, query, QUERIES)
    return session.conn.execute(statement, values).fetchall()


def _closed(keys: Any, number: int) -> str | None:
    """Why lines of a month (yyyymm) cannot be opened here; None when they can, as far as is known."""
    from ...key import RetentionClass

    if keys is None:
        return NO_KEYS
    return None if keys.existing_period(RetentionClass.LOG, number) is not None else gone(number)


def _shares(rows: Sequence[tuple[Any, ...]]) -> tuple[Share, ...]:
    found: dict[str | None, Share] = {}
    for source, _month, lines, first_at, last_at in rows:
        first, last = first_at.astimezone(UTC), last_at.astimezone(UTC)
        known = found.get(source)
        if known is not None:
            lines, first, last = known.lines + lines, min(known.first_at, first), max(known.last_at, last)
        found[source] = Share(source, lines, first, last)
    return tuple(found.values())


def _joined(missing: Sequence[Missing]) -> tuple[Missing, ...]:
    """One for each source and reason."""
    found: dict[tuple[str, str], Missing] = {}
    for one in missing:
        known = found.get((one.source, one.reason))
        found[one.source, one.reason] = one if known is None else replace(
            known, until=one.until, lines=known.lines + one.lines
        )  # fmt: skip
    return tuple(found[key] for key in sorted(found))


def _silent(session: Session, order: Order) -> tuple[Gap, ...]:
    """Return the known gaps that touch the span, and of each source what follows its newest line."""
    found = list(gaps(session, order.query))
    for source in sources(session):
        end = min(order.until, source.ended_at or order.until)
        begin = source.last_at or max(source.created_at, order.query.since or source.created_at)
        if begin + QUIET <= end and (order.query.since is None or end > order.query.since):
            why = QUIET_REASON if source.last_at else NEVER_REASON
            found.append(Gap(source.name, begin.astimezone(UTC), end.astimezone(UTC), why))
    return tuple(sorted(found, key=lambda gap: (gap.since, gap.source, gap.until, gap.reason)))


def _record(session: Session, order: Order, planned: Lockbox) -> frozenset[UUID] | None:
    """Have it on record whose lines are opened, and why, before any of them is.

    Returns the ledger references of those concerned; None: nothing is to be opened.
    """
    if not planned.raw:
        return None
    people = [row[0] for row in _ask(session, "collected_people", order.query)]
    record_read(session, 0, people, order.purpose, OBJECT, planned.raw)
    session.step("reading recorded")
    return frozenset(people)


def _integrate(session: Session) -> None:
    """Have the newest entries under a checkpoint, where this login and this host can."""
    from ...ledger import integrate

    with suppress(LuactlError, psycopg.errors.LockNotAvailable, psycopg.errors.InsufficientPrivilege):
        integrate(session)


def _write(
    session: Session, order: Order, place: Path, people: frozenset[UUID] | None, progress: Progress
) -> _Written:
    """Write the timeline, its proofs and bytes, all as of one moment."""
    with transaction(session, HOUSE if has_keys(session) else None, snapshot=True) as conn:
        prover = _prover(conn)
        opener = Opener(session, house(session))
        first_at = last_at = None
        with writer(place, opener, prover, people) as out:
            for row in _rows(session, order, prover.size if prover else 0):
                one = line(row[:COLUMNS])
                first_at, last_at = first_at or one.at, one.at
                out.add(one, row)
                progress(1)
    return _Written(out, out.files(), prover, first_at, last_at)


def _prover(conn: Any) -> Prover | None:
    from ...ledger.proof import Prover

    try:
        return Prover(conn)
    except RefusedError:  # nothing is signed yet
        return None


def _checkpoint(place: Path, prover: Prover | None) -> Iterator[File]:
    """Write the checkpoint that entries are proved under, if there is one. Raises OSError."""
    if prover is not None:
        data = prover.checkpoint.encode()
        create(place / CHECKPOINT, data)
        yield File(CHECKPOINT, 1, len(data), sha256(data).hexdigest())


def _rows(session: Session, order: Order, size: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `collected`, few at a time."""
    statement, values = prepared(session, "collected", order.query, QUERIES)
    with session.conn.cursor(name="collected") as cursor:
        cursor.itersize = ROWS
        yield from cursor.execute(statement, {**values, "size": size})


def _counted(session: Session, written: _Written, silent: Sequence[Gap]) -> dict[str, Any]:
    """Return what certificate.json says of what was found."""
    out, prover = written.writer, written.prover
    return {
        "entries": out.entries,
        "unproved": out.unproved,
        "lines": out.lines,
        "raw": out.raw_lines,
        "first_at": facts.maybe(written.first_at),
        "last_at": facts.maybe(written.last_at),
        "checkpoint": prover and {"size": prover.size, "vkey": prover.vkey},
        "tenants": dict(sorted(out.tenants.items())),
        "sources": _sources(sources(session), out.by_source, out.raw_files),
        "missing": facts.stated_missing(out.missing),
        "gaps": len(silent),
    }


def _sources(known: Sequence[Source], lines: Counter[str], raw: Any) -> list[dict[str, Any]]:
    return [facts.stated_source(source, lines[source.name], raw.get(source.name)) for source in known]


def _hand_over(
    session: Session, order: Order, lockbox_id: UUID, stated: dict[str, Any], written: _Written,
    files: Sequence[File], place: Path, folder: Path,
) -> tuple[str | None, str]:  # fmt: skip
    """Record it, then put the folder in its place.

    Returns why it is pending, and the digest of the first entry of its custody log.
    """
    stated_bytes = certificate.canonical(stated)
    detail = {
        "case": order.case,
        "query": order.outline,
        "entries": written.writer.entries,
        "lines": written.writer.lines,
        "raw": written.writer.raw_lines,
        "certificate": sha256(stated_bytes).hexdigest(),
    }
    log = first(session.actor, order.case, session.clock.now(), stated_bytes)
    with transaction(session, durable=True):
        entry = Entry("log.export", object=f"{KIND}:{lockbox_id}", purpose=order.purpose, detail=detail)
        entry_id = append(session, entry)
    session.step("lockbox recorded")
    attached = {file.name: Attachment(place / file.name, file.sha256) for file in files}
    act = certificate.Act(KIND, str(lockbox_id), stated_bytes, document(stated), attached, custody=log)
    return issue(session, act, entry_id, folder), digest(log)
