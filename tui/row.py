"""Lines of a table: their data, how wide their cells are, and how a line is drawn. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from .safe import visible

WIDE = 110
"""From this many columns on tables show what is only nice to have."""
GAP = 2
STYLES = {
    "": Style(),
    "bad": Style(color="red", bold=True),
    "warn": Style(color="yellow"),
    "good": Style(color="green"),
    "dim": Style(dim=True),
    "head": Style(bold=True),
}


def counted(number: int, noun: str) -> str:
    """Return how many of a thing: `1 tenant`, `2,000 tenants`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    title: str
    width: int = 0
    """In cells; 0 shares what is left with the other columns of width 0."""
    right: bool = False
    """Whether cells end at the right edge, as numbers do."""
    wide: bool = False
    """Whether it needs a wide terminal."""


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    key: object
    """What it stands for; opening hands it on."""
    cells: tuple[str, ...]
    """As many as columns."""
    style: str = ""
    """A name of STYLES."""
    copy: str = ""
    """What `y` copies."""

    def contains(self, text: str) -> bool:
        """Tell whether a cell has this text, in whatever case."""
        wanted = text.casefold()
        return any(wanted in cell.casefold() for cell in self.cells)


def widths(columns: Sequence[Column], width: int) -> list[int]:
    """Return the cells that each column gets in a line of that width; 0: it is not shown."""
    shown = [not column.wide or width >= WIDE for column in columns]
    fixed = [column.width if show else 0 for column, show in zip(columns, shown, strict=True)]
    elastic = [at for at, column in enumerate(columns) if shown[at] and not column.width]
    left = width - sum(fixed) - GAP * (sum(shown) - 1) - 2
    for number, at in enumerate(elastic):
        share = left // (len(elastic) - number)
        fixed[at] = max(4, share)
        left -= share
    return fixed


def fitted(text: str, width: int, right: bool) -> str:
    """Return text in exactly that many cells, with an ellipsis where it was cut."""
    text = visible(text)
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1).rstrip() + "…"
    return " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)


def line(cells: Sequence[str], columns: Sequence[Column], sizes: Sequence[int], width: int) -> str:
    """Return one line of a table in exactly `width` cells."""
    parts = [
        fitted(cell, size, column.right)
        for cell, column, size in zip(cells, columns, sizes, strict=True)
        if size
    ]
    return set_cell_size(f" {(' ' * GAP).join(parts)}", width)


def strip(text: str, style: Style) -> Strip:
    """Return a line that is ready to be drawn."""
    return Strip([Segment(text, style)], cell_len(text))
