"""Reading the files of a source: from where it was left, across rotation, each record once.

A file is known by its first line, not by its name or inode: renamed, copied or truncated files are told apart
by what they say.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar

from ...db import Session, queries
from ...errors import LuactlError, UsageError
from .classify import Kind, classify
from .form import Form
from .house import house
from .postgres import LONGEST
from .record import Record
from .source import Source
from .store import UNREADABLE, Gap, Known, Piece, store

CHUNK = 2 << 20
BACK = timedelta(minutes=1)
"""How far lines may be out of order before the clock is said to have gone back."""


T = TypeVar("T")


@dataclass(frozen=True)
class Brought:
    """What came in from one source."""

    source: str
    files: int
    lines: int
    unreadable: int
    gaps: int
    sealed: bool
    """Whether the lines as they were are kept too, sealed: only on a key host."""


@dataclass(frozen=True)
class Waiting:
    """What a run would read of one file."""

    source: str
    file: str
    read_to: int
    size: int
    """Bytes in all."""


def plan(session: Session, sources: Sequence[Source]) -> tuple[Waiting, ...]:
    """Return what there is to read. Raises UsageError when a file of a source cannot be read."""
    found = []
    for source in sources:
        known = {file.identity: file for file in _known(session, source)}
        for path in _paths(source):
            identity = _identity(path)
            read_to = known[identity].read_to if identity in known else 0
            if identity is not None and path.stat().st_size > read_to:
                found.append(Waiting(source.name, str(path), read_to, path.stat().st_size))
    return tuple(found)


class Watch:
    """Reads a source again and again; the newest file stays open, so that a renamed one loses nothing."""

    def __init__(self, session: Session, source: Source) -> None:
        self._session, self.source = session, source
        self._keys = house(session)
        self._held: tuple[BinaryIO, _Reader] | None = None

    def look(self, tell: Callable[[int], object] = lambda _bytes: None) -> Brought:
        """Read all that there is now; hears of each batch by its bytes. Resumable: call it again.

        Raises UsageError when a file cannot be read, BusyError when another process reads the same source.
        """
        total = Brought(self.source.name, 0, 0, 0, 0, self._keys is not None)
        if self._held is not None:
            total = self._drain(*self._held, total, tell)
            self._let_go_of_the_renamed()
        for path, file, lost in _files(self._session, self.source):
            stream = path.open("rb")
            self._hold(stream, _Reader(self.source, file, [lost] if lost else []))
            total = self._drain(stream, self._reader, replace(total, files=total.files + 1), tell)
        return total

    def close(self) -> None:
        """Let go of the open file."""
        if self._held is not None:
            self._held[0].close()
            self._held = None

    @property
    def _reader(self) -> _Reader:
        assert self._held is not None
        return self._held[1]

    def _hold(self, stream: BinaryIO, reader: _Reader) -> None:
        self.close()
        self._held = stream, reader

    def _let_go_of_the_renamed(self) -> None:
        """A file that no pattern finds any more was read to its end just now: nothing of it is lost."""
        present = {_identity(path) for path in _paths(self.source, is_there=False)}
        if self._held is not None and self._reader.file.identity not in present:
            _end(self._session, self.source, self._reader.file)
            self.close()

    def _drain(
        self, stream: BinaryIO, reader: _Reader, total: Brought, tell: Callable[[int], object]
    ) -> Brought:
        for pieces, until, gaps in ahead(reader.batches(stream)):
            store(self._session, self.source, reader.file, pieces, until, gaps, self._keys)
            tell(until - reader.file.read_to)
            reader.file = replace(reader.file, read_to=until)
            total = replace(
                total, lines=total.lines + len(pieces), gaps=total.gaps + len(gaps),
                unreadable=total.unreadable + sum(piece.is_unreadable for piece in pieces),
            )  # fmt: skip
        return total


def bring(session: Session, source: Source, tell: Callable[[int], object] = lambda _bytes: None) -> Brought:
    """Read all that a source has now, once."""
    watch = Watch(session, source)
    try:
        return watch.look(tell)
    finally:
        watch.close()


def follow(session: Session, sources: Sequence[Source], wait: Callable[[], object]) -> Iterator[Brought]:
    """Go on reading, and say what came in when something did; calls `wait` between looks."""
    watches = [Watch(session, source) for source in sources]
    try:
        while True:
            for watch in watches:
                brought = watch.look()
                if brought.lines:
                    yield brought
            wait()
    finally:
        for watch in watches:
            watch.close()


def _known(session: Session, source: Source) -> list[Known]:
    return [Known(*row) for row in queries("log").files(session.conn, source_id=source.source_id)]


def _paths(source: Source, *, is_there: bool = True) -> list[Path]:
    """The files of a source, the one written longest ago first. Raises UsageError when none is there."""
    paths = list(Path("/").glob(source.path.lstrip("/")))
    if is_there and not paths and not any(sign in source.path for sign in "*?["):
        raise UsageError(f"{source.path} is not there", hint=f"is this the host of source {source.name!r}?")
    return sorted(
        (path for path in paths if path.is_file()), key=lambda path: (path.stat().st_mtime_ns, path)
    )


def _identity(path: Path) -> str | None:
    """A hash of the first line; None while there is no whole one."""
    try:
        with path.open("rb") as stream:
            line = stream.readline(LONGEST)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", hint="the account that runs this needs to read it"
        ) from error
    return hashlib.sha256(line).hexdigest() if line.endswith(b"\n") else None


def _files(session: Session, source: Source) -> Iterator[tuple[Path, Known, Gap | None]]:
    """Yield each file that may have more, what is known of it, and what was lost before it."""
    known = {file.identity: file for file in _known(session, source)}
    newest = max((f for f in known.values() if f.last_at), key=lambda f: f.last_at or f.file_no, default=None)
    paths = [(path, _identity(path)) for path in _paths(source)]
    present = {identity for _path, identity in paths}
    is_lost = newest is not None and newest.identity not in present and newest.ended_at is None
    for path, identity in paths:
        if identity is None or (identity in known and path.stat().st_size <= known[identity].read_to):
            continue
        lost = None
        if identity not in known:
            known[identity] = _new_file(session, source, identity, path)
            if is_lost and newest is not None and newest.last_at is not None:
                begins = _begins(path, source.form) or newest.last_at
                reason = f"{Path(newest.name).name} is gone: what it said after its last line is not known"
                lost = Gap(newest.last_at, max(newest.last_at, begins), reason)
                _end(session, source, newest)
                is_lost = False
        yield path, replace(known[identity], name=str(path)), lost


def _begins(path: Path, form: Form) -> datetime | None:
    with path.open("rb") as stream:
        data = stream.read(CHUNK)
    for begin, end in form.split(data, is_end=True):
        try:
            return form.read(data[begin:end]).at
        except ValueError:
            continue
    return None


def _new_file(session: Session, source: Source, identity: str, path: Path) -> Known:
    queries("log").insert_file(
        session.conn, source_id=source.source_id, identity=identity, name=str(path), at=session.clock.now()
    )
    found = next((file for file in _known(session, source) if file.identity == identity), None)
    if found is None:
        raise LuactlError("another process added a file at the same time", hint="run it again")
    return found


def _end(session: Session, source: Source, file: Known) -> None:
    queries("log").end_file(
        session.conn, source_id=source.source_id, file_no=file.file_no, at=session.clock.now()
    )


def ahead(batches: Iterator[T]) -> Iterator[T]:
    """Yield the same; the next one is made while the database takes the one before."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch


class _Reader:
    """Reads one file from where it was left."""

    def __init__(self, source: Source, file: Known, gaps: list[Gap]) -> None:
        self.source, self.form, self.file = source, source.form, file
        self._gaps = gaps
        self._last = file.last_at
        self._numbers: dict[str, tuple[int, datetime]] = {}

    def batches(self, stream: BinaryIO) -> Iterator[tuple[list[Piece], int, list[Gap]]]:
        """Yield records, the place after them and what is missing, up to the end of the file as it is."""
        fd = stream.fileno()
        place, size = self.file.read_to, CHUNK
        while data := os.pread(fd, size, place):
            is_end = len(data) < size
            spans = list(self.form.split(data, is_end=is_end))
            if not spans and not is_end and size < LONGEST:
                size *= 2
                continue
            if not spans and not is_end:
                spans = [(0, len(data))]
            if not spans:
                return
            pieces = [self._piece(place + begin, data[begin:end]) for begin, end in spans]
            place, size = place + spans[-1][1], CHUNK
            found, self._gaps = self._gaps, []
            yield pieces, place, found

    def _piece(self, place: int, data: bytes) -> Piece:
        try:
            record = self.form.read(data)
        except (ValueError, RecursionError):
            at = self._last or self.source.created_at.astimezone(UTC)
            record = Record(at, "", code=UNREADABLE)
            return Piece(place, data, record, Kind("line", "done", None, f"unreadable: {len(data)} bytes"))
        self._look(record)
        return Piece(place, data, record, classify(record))

    def _look(self, record: Record) -> None:
        """Notice what is missing: line numbers of a session that jump, a clock that goes back."""
        if self._last is not None and record.at < self._last - BACK:
            self._gaps.append(Gap(record.at, self._last, "the clock of the source went back"))
        self._last = record.at
        if record.session is None or record.number is None:
            return
        before = self._numbers.get(record.session)
        if before is not None and record.number > before[0] + 1:
            reason = f"lines {before[0] + 1} to {record.number - 1} of session {record.session} are missing"
            self._gaps.append(Gap(before[1], record.at, reason))
        self._numbers[record.session] = (record.last or record.number, record.at)
