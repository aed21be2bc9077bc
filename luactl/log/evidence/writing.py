"""The files of data of a lockbox while they are written: the merged timeline, the bytes of each source."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...errors import RefusedError
from ...portable.sheet import Sheet
from ..line import Line
from .facts import GAPS, LINES, PROOFS, File, Missing, text
from .normalised import of_entry, of_line, proof_of
from .opening import NotThere, Opener, Stood

if TYPE_CHECKING:
    from ...ledger.proof import Prover
    from ..search import Gap

TENANT, BODY, SOURCE = 3, 8, 17
"""Which columns of `collected` hold the tenant's number, the body, the source's id."""
MOST_RAW = 48
"""Files of bytes in one lockbox: whoever checks it reads no more than 64 files."""

People = frozenset[UUID] | None
"""Whose lines may be opened, since that is on record; None: nobody's, not even those about nobody."""


class RawFile:
    """The bytes of one source, one record after the other, hashed on the way."""

    def __init__(self, path: Path) -> None:
        """Create the file. Raises OSError."""
        self.name = path.name
        self.rows = self.bytes = 0
        self.digest = sha256()
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", 1 << 20)

    def add(self, data: bytes) -> dict[str, Any]:
        """Write a record; returns where it stands. Raises OSError."""
        place = {
            "file": self.name,
            "offset": self.bytes,
            "length": len(data),
            "sha256": sha256(data).hexdigest(),
        }
        self._file.write(data)
        self.digest.update(data)
        self.rows += 1
        self.bytes += len(data)
        return place

    def close(self) -> None:
        """Have it on the disk. Raises OSError."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()


class Writer:
    """Takes the rows of `collected` in their order."""

    def __init__(
        self, place: Path, stack: ExitStack, opener: Opener, prover: Prover | None, people: People
    ) -> None:
        """Create the files in a directory. Raises OSError."""
        self._place, self._stack, self._opener, self._prover = place, stack, opener, prover
        self._people = people
        self._lines = stack.enter_context(Sheet(place / LINES))
        self._proofs = stack.enter_context(Sheet(place / PROOFS))
        self._raw: dict[str, RawFile] = {}
        self._missing: dict[tuple[str, str], Missing] = {}
        self.entries = self.unproved = self.lines = 0
        self.tenants: dict[str, str] = {}
        self.by_source: Counter[str] = Counter()

    def add(self, line: Line, row: tuple[Any, ...]) -> None:
        """Write one row; it is what `page` gives and `collected` adds. Raises OSError, RefusedError."""
        if line.tenant is not None and row[TENANT]:
            self.tenants[str(row[TENANT])] = line.tenant
        if line.kind == "ledger":
            self._entry(line, bytes(row[BODY]), row[-1])
        else:
            self._line(line, row)

    def _entry(self, line: Line, body: bytes, index: int | None) -> None:
        hashes = None
        if index is not None and self._prover is not None:
            hashes = self._prover.hashes(index)
        holds = (
            index is not None
            and hashes is not None
            and self._prover is not None
            and self._prover.holds(index, body, hashes)
        )
        self.entries += 1
        self.unproved += not holds
        self._lines.add(of_entry(line, index))
        self._proofs.add(proof_of(line, body, index, hashes))

    def _line(self, line: Line, row: tuple[Any, ...]) -> None:
        source_id, (file_no, file, place, ingested_at) = row[SOURCE], row[-5:-1]
        source = line.source or str(source_id)
        raw, missing = None, None
        try:
            data = self._opener.bytes_of(Stood(source_id, file_no, place, line.at), self._is_late(line))
            raw = self._file(source).add(data)
        except NotThere as why:
            missing = str(why)
            self._miss(source, line, missing)
        self.lines += 1
        self.by_source[source] += 1
        self._lines.add(of_line(line, ingested_at, file, place, raw, missing))

    def _is_late(self, line: Line) -> bool:
        """Whether it was not there yet when the reading was recorded."""
        return self._people is None or (line.subject is not None and line.subject not in self._people)

    def _file(self, source: str) -> RawFile:
        if source not in self._raw:
            if len(self._raw) == MOST_RAW:
                raise RefusedError(
                    f"a lockbox holds the bytes of at most {MOST_RAW} sources",
                    hint="narrow the question by source: and collect the rest in a second one",
                )
            made = RawFile(self._place / f"raw-{len(self._raw) + 1}.log")
            self._raw[source] = made
            self._stack.callback(made.close)
        return self._raw[source]

    def _miss(self, source: str, line: Line, reason: str) -> None:
        known = self._missing.get((source, reason))
        self._missing[source, reason] = (
            Missing(source, line.at, line.at, 1, reason)
            if known is None
            else replace(known, until=line.at, lines=known.lines + 1)
        )

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What is not there, by source."""
        return tuple(self._missing[key] for key in sorted(self._missing))

    @property
    def raw_files(self) -> Mapping[str, str]:
        """File of bytes by source."""
        return {source: file.name for source, file in self._raw.items()}

    @property
    def raw_lines(self) -> int:
        """How many lines are there as they were written."""
        return sum(file.rows for file in self._raw.values())

    def files(self) -> tuple[File, ...]:
        """Return what was written, once all of it is."""
        sheets = (self._lines, self._proofs)
        return (
            *(File(one.path.name, one.rows, one.bytes, one.sha256) for one in sheets),
            *(File(one.name, one.rows, one.bytes, one.digest.hexdigest()) for one in self._raw.values()),
        )


@contextmanager
def writer(place: Path, opener: Opener, prover: Prover | None, people: People) -> Iterator[Writer]:
    """Give a writer whose files are on the disk in the end. Raises OSError."""
    with ExitStack() as stack:
        yield Writer(place, stack, opener, prover, people)


def write_gaps(place: Path, gaps: tuple[Gap, ...]) -> File:
    """Write gaps.jsonl. Raises OSError."""
    with Sheet(place / GAPS) as sheet:
        for gap in gaps:
            since, until = text(gap.since), text(gap.until)
            sheet.add({"source": gap.source, "since": since, "until": until, "reason": gap.reason})
    return File(GAPS, sheet.rows, sheet.bytes, sheet.sha256)
