"""Signed checkpoints that a growing tree has to meet: the database's own, of anchors, one kept elsewhere.

A source tells its checkpoints smallest first; whatever of them is not a checkpoint of this log is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from .anchor import Anchor, AnchorError, Record
from .merkle import CompactRange
from .note import Checkpoint, NoteError, Verifier, open_checkpoint
from .report import Report


class Source:
    """Checkpoints of one place, smallest first, each to be met by the growing tree."""

    def __init__(self, name: str, report: Report, claims: Iterator[Checkpoint], since: int = 0) -> None:
        """`since`: of smaller sizes nothing is asked, since the tree begins there."""
        self.name, self._report = name, report
        self._claims = (claim for claim in claims if claim.size >= since)
        self._next = next(self._claims, None)

    @property
    def size(self) -> int | None:
        """The size that the next checkpoint speaks of; None when there is none."""
        return None if self._next is None else self._next.size

    def meet(self, tree: CompactRange) -> bool:
        """Compare all that speak of the tree's present size; tell whether one did."""
        met = False
        while (claim := self._next) is not None and claim.size <= tree.size:
            if claim.size < tree.size:
                self._report.add(
                    f"{self.name}: a checkpoint of {claim.size:,} entries comes after a larger one"
                )
            else:
                met = True
                if claim.root != tree.root():
                    self._report.add(
                        f"{self.name}: another root was signed for {claim.size:,} entries", claim.size - 1
                    )
            self._advance()
        return met

    def finish(self, size: int) -> None:
        """Report what speaks of more than there is."""
        while (claim := self._next) is not None:
            self._report.add(f"{self.name}: {claim.size:,} entries were signed, the log has {size:,}", size)
            self._advance()

    def _advance(self) -> None:
        self._report.checkpoints += 1
        self._next = next(self._claims, None)


def anchored(anchor: Anchor, report: Report, keys: Sequence[Verifier]) -> Iterator[Checkpoint]:
    """Yield the checkpoints of an anchor. A torn write that was made good after it is no finding."""
    try:
        for record, after in pairwise(_last(anchor.records())):
            yield from _judge(anchor, record, after, report, keys)
    except AnchorError as error:
        report.add(error.what)


def unexplained(report: Report, claims: Iterator[Checkpoint]) -> Iterator[Checkpoint]:
    """Leave out checkpoints of a history that a restore lost, as far as the log itself tells of it."""
    for claim in claims:
        branch = report.forks.get(claim.origin)
        if branch is None or claim.size <= branch.kept:
            yield claim
        elif claim.size > branch.size or (claim.size == branch.size and claim.root.hex() != branch.root):
            report.add(
                f"{claim.origin} signed {claim.size:,} entries, and the log tells of {branch.size:,} only"
            )
        else:
            report.checkpoints += 1


def _last(records: Iterable[Record]) -> Iterator[Record | None]:
    yield from records
    yield None


def _judge(
    anchor: Anchor, record: Record | None, after: Record | None, report: Report, keys: Sequence[Verifier]
) -> Iterator[Checkpoint]:
    if record is None:
        return
    try:
        yield open_checkpoint(record.text, keys)
    except NoteError as error:
        torn = record.text.strip("\n").rstrip("\ufffd")  # a write can end inside a character
        if after is None or not after.text.startswith(torn):
            report.add(f"{anchor.name}: {error.what}: {torn[:80]!r}")


def given(note: str, report: Report, keys: Sequence[Verifier]) -> Iterator[Checkpoint]:
    """Yield the checkpoint that was kept elsewhere, if this log signed it."""
    try:
        yield open_checkpoint(note, keys)
    except NoteError as error:
        report.add(f"the given checkpoint: {error.what}")


def stored(rows: Iterable[tuple[Any, ...]], report: Report, keys: Sequence[Verifier]) -> Iterator[Checkpoint]:
    """Yield the database's own checkpoints, of rows (size, root, note)."""
    for size, root, note in rows:
        try:
            checkpoint = open_checkpoint(note, keys)
        except NoteError as error:
            report.add(f"the checkpoint of {size:,} entries: {error.what}", size - 1)
            continue
        if (checkpoint.size, checkpoint.root) != (size, root):
            report.add(f"the checkpoint of {size:,} entries says something else than was signed", size - 1)
        yield checkpoint
