"""What came of reading a table: counts, and each bad line with its number and the reason.

A reason names fields, never what stood in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..errors import LuactlError
from ..table import KEPT_REJECTS, Reject

BATCH = 10_000


@dataclass(frozen=True)
class Options:
    """How to import.

    `columns` maps fields to column names (before any guess), `batch` is the number of rows in a transaction,
    `all_or_nothing` makes it one transaction which one bad line undoes. `dry_run` checks and counts only.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    all_or_nothing: bool = False
    dry_run: bool = False
    batch: int = BATCH
    currency: str = "EUR"
    line_columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """The outcome of one import, or with `dry_run` what it would be.

    `rows` are the records read; each is imported, already there, or rejected. `rejects` holds the first
    thousand rejected ones, those of a second table included. `lines` are invoice lines that went in.
    """

    table: str
    encoding: str
    delimiter: str
    rows: int
    imported: int
    already_there: int
    rejected: int
    lines: int
    rejected_lines: int
    transactions: int
    dry_run: bool
    unused_columns: tuple[str, ...]
    rejects: tuple[Reject, ...]


def _bad(report: Report) -> str:
    records = f"{report.rejected:,} of {report.rows:,} records" if report.rejected else ""
    lines = f"{report.rejected_lines:,} lines of invoices" if report.rejected_lines else ""
    return " and ".join(part for part in (records, lines) if part)


class RejectedError(LuactlError):
    """Nothing was imported because not everything could be; `report` tells which lines."""

    def __init__(self, report: Report) -> None:
        super().__init__(
            f"{report.table}: {_bad(report)} cannot go in, so nothing was imported",
            hint="correct those lines, or leave out --all-or-nothing to import the rest",
        )
        self.report = report


@dataclass
class Tally:
    """Counts while an import runs."""

    table: str
    encoding: str
    delimiter: str
    unused: tuple[str, ...] = ()
    rows: int = 0
    imported: int = 0
    already_there: int = 0
    rejected: int = 0
    lines: int = 0
    rejected_lines: int = 0
    transactions: int = 0
    rejects: list[Reject] = field(default_factory=list)

    def reject(self, line: int, reason: str) -> None:
        """Count a record of the table that cannot go in."""
        self.rows += 1
        self.rejected += 1
        self.remark(self.table, line, reason)

    def reject_line(self, table: str, line: int, reason: str) -> None:
        """Count a record of the second table that cannot go in."""
        self.rejected_lines += 1
        self.remark(table, line, reason)

    def remark(self, table: str, line: int, reason: str) -> None:
        """Keep a reason, if it is one of the first."""
        if len(self.rejects) < KEPT_REJECTS:
            self.rejects.append(Reject(table, line, reason))

    def take(self) -> Tally:
        """Return what was counted so far, and begin again at nothing."""
        taken = replace(self)
        self.rows = self.rejected = 0
        self.rejects = []
        return taken

    def add(self, other: Tally) -> None:
        """Add what another reader of the same table counted as rejected."""
        self.rows += other.rows
        self.rejected += other.rejected
        self.rejects += other.rejects[: KEPT_REJECTS - len(self.rejects)]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was rejected so far."""
        return not self.rejected and not self.rejected_lines

    def report(self, *, dry_run: bool) -> Report:
        """Freeze the counts; bad lines in the order of table and line."""
        rejects = tuple(sorted(self.rejects, key=lambda one: (one.table != self.table, one.table, one.line)))
        return Report(
            self.table, self.encoding, self.delimiter, self.rows, self.imported, self.already_there,
            self.rejected, self.lines, self.rejected_lines, self.transactions, dry_run, self.unused, rejects,
        )  # fmt: skip
