"""What commands that read tables have in common: the file, its columns, and what came of its lines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Protocol

import typer

from luactl.errors import Exit

from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.table import Reject

    from .render import Columns

TOLD_REJECTS = 20

Column = Annotated[
    list[str],
    typer.Option(
        "--column", metavar="FIELD=HEADER", help="Which column is which field; may be given several times."
    ),
]


class Report(Protocol):
    """What came of reading a table."""

    @property
    def dry_run(self) -> bool:
        """Whether it is what would come of it."""

    @property
    def unused_columns(self) -> tuple[str, ...]:
        """Columns that no field takes."""

    @property
    def rejects(self) -> Sequence[Reject]:
        """The first of the lines that did not go in."""


def origin(file: str) -> Path | BinaryIO:
    """Return what a FILE argument means: a path, or standard input for `-`."""
    return sys.stdin.buffer if file == "-" else Path(file)


def remarks(report: Report, rejected: int) -> list[str]:
    """Say which columns were not used and which lines did not go in, the first of them one by one."""
    said = [f"columns not used: {', '.join(report.unused_columns)}"] if report.unused_columns else []
    told = report.rejects[:TOLD_REJECTS]
    said += [f"{one.table}, line {one.line}: {one.reason}" for one in told]
    left = rejected - len(told)
    if left > 0:
        said.append(f"{left:,} more are not shown; -o json lists the first thousand")
    return said


def show_report(report: Report, columns: Columns, rejected: int) -> None:
    """Print what came of an import; rejected lines end it with exit code 6."""
    outcome = Exit.FINDINGS if rejected else Exit.DONE
    printed = show_plan if report.dry_run else show
    printed(report, columns, remarks(report, rejected), outcome=outcome)
