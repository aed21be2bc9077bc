"""Names and values above a list."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from .safe import visible

NAME = 12


def grid(facts: Sequence[tuple[str, str]], width: int, style: str) -> Table:
    """Return lines `name  value`, long values folded below themselves."""
    lines = Table.grid(padding=(0, 1))
    lines.add_column(width=width)
    lines.add_column(overflow="fold")
    for name, value in facts:
        lines.add_row(Text(visible(name), style), Text(visible(value)))
    return lines


class Facts(Static):
    """A few facts; never more than half of the screen."""

    DEFAULT_CSS = "Facts { height: auto; max-height: 50%; margin: 0 1 1 1; }"

    told: tuple[tuple[str, str], ...] = ()

    def tell(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show facts, if they changed."""
        if tuple(facts) != self.told:
            self.told = tuple(facts)
            self.update(grid(facts, NAME, "dim"))
