"""The one list of this UI: draws only the lines in sight, and may hold only a window of what there is.

A list that is held whole has all its rows in `rows`. A list of pages has some, knows whether there are more
before and after them, and posts `Edge` when somebody wants to go there; the screen then extends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.style import Style
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from .row import STYLES, Column, Row, line, strip, widths

Direction = Literal["first", "previous", "next", "last"]
HEAD = Style(bold=True, underline=True)
CURSOR = Style(reverse=True)
KEPT = 200
"""Rows that a list of pages holds at most, unless two screens of a very tall terminal are more."""


class Table(Widget, can_focus=True):
    """Lines with a cursor."""

    DEFAULT_CSS = "Table { height: 1fr; }"

    @dataclass
    class Edge(Message):
        """Somebody wants rows that are not here."""

        direction: Direction

    class Moved(Message):
        """The cursor stands elsewhere, or on other rows."""

    def __init__(self, *columns: Column, empty: str = "nothing here", id: str | None = None) -> None:
        super().__init__(id=id)
        self.columns, self.empty = columns, empty
        self.rows: list[Row] = []
        self.cursor = self.top = 0
        self.before = self.after = False
        self.place: int | None = 0
        self._owed = 0
        self._loaded = False

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.rows else None

    @property
    def height(self) -> int:
        """How many rows are in sight."""
        return max(1, self.size.height - 1)

    @property
    def _most(self) -> int:
        return max(KEPT, 2 * self.height)

    def fill(self, rows: Sequence[Row]) -> None:
        """Show these rows, which are all there are; the cursor stays on the same key if it is there."""
        key = self.current.key if self.current else None
        self.rows, self.before, self.after, self.place, self._loaded = list(rows), False, False, 0, True
        at = next((n for n, row in enumerate(self.rows) if row.key == key), 0) if key is not None else 0
        self.cursor, self._owed = at, 0
        self._settle(draw_all=True)

    def change(self, row: Row) -> None:
        """Put a row in the place of the one with the same key, or at the end."""
        at = next((n for n, one in enumerate(self.rows) if one.key == row.key), None)
        self._loaded = True
        if at is None:
            self.rows.append(row)
            at = len(self.rows) - 1
            if at == 0:
                self.refresh()
        elif self.rows[at] == row:
            return
        else:
            self.rows[at] = row
        self._draw(at)

    def turn(self, rows: Sequence[Row], *, at_end: bool, more: bool, place: int | None) -> None:
        """Show one end of a list of pages: its first rows, or its last with the cursor on the very last.

        `place` is the place of the first of them in the whole list; None where nobody knows.
        """
        self.rows, self._owed, self._loaded = list(rows), 0, True
        self.before, self.after = (more, False) if at_end else (False, more)
        self.place = place
        self.top, self.cursor = 0, max(0, len(rows) - 1) if at_end else 0
        self._settle(draw_all=True)

    def extend(self, rows: Sequence[Row], *, at_end: bool, more: bool) -> None:
        """Add a page at one end, let go of what is too far off at the other, and move as was asked."""
        owed, self._owed = self._owed, 0
        if at_end:
            self.rows += rows
            self.after = more
            self._drop(max(0, len(self.rows) - self._most))
        else:
            self.rows[:0] = rows
            self.before = more
            self._shift(len(rows))
            self.after = self.after or len(self.rows) > self._most
            del self.rows[self._most :]
        self.move(owed)

    def _drop(self, count: int) -> None:
        if count:
            del self.rows[:count]
            self.before = True
            self._shift(-count)

    def _shift(self, count: int) -> None:
        self.cursor, self.top = max(0, self.cursor + count), max(0, self.top + count)
        self.place = None if self.place is None else max(0, self.place - count)

    def append(self, rows: Iterable[Row], *, follow: bool, most: int) -> None:
        """Add rows that came just now; with `follow` the cursor goes to the last one. Holds `most` rows."""
        self._loaded = True
        self.rows += rows
        dropped = max(0, len(self.rows) - most)
        if dropped:
            del self.rows[:dropped]
            self._shift(-dropped)
            self.place = 0
        if follow:
            self.cursor = max(0, len(self.rows) - 1)
        self._settle(draw_all=True)

    def move(self, by: int) -> None:
        """Move the cursor; past the rows that are here it asks for more and goes on when they come."""
        wanted = self.cursor + by
        last = len(self.rows) - 1
        if wanted > last and self.after:
            self._ask("next", wanted - last)
        elif wanted < 0 and self.before:
            self._ask("previous", wanted)
        self._go(min(max(wanted, 0), max(last, 0)))

    def _ask(self, direction: Direction, owed: int) -> None:
        waiting, self._owed = bool(self._owed), max(-self.height, min(self.height, self._owed + owed))
        if not waiting:
            self.post_message(self.Edge(direction))

    def to_first(self) -> None:
        """Go to the first row of all."""
        if self.before:
            self.post_message(self.Edge("first"))
        else:
            self._go(0)

    def to_last(self) -> None:
        """Go to the last row of all."""
        if self.after:
            self.post_message(self.Edge("last"))
        else:
            self._go(max(0, len(self.rows) - 1))

    def find(self, text: str, *, back: bool = False, stay: bool = False) -> bool:
        """Go to the next row with a text, round the end; False when there is none. `stay`: here, too."""
        count, step = len(self.rows), -1 if back else 1
        for far in range(0 if stay else 1, count + 1):
            at = (self.cursor + far * step) % count
            if self.rows[at].contains(text):
                self._go(at)
                return True
        return False

    def _go(self, at: int) -> None:
        before, top, self.cursor = self.cursor, self.top, at
        self._settle()
        if self.top == top:
            self._draw(before)
            self._draw(at)

    def _settle(self, *, draw_all: bool = False) -> None:
        """Bring the cursor into sight."""
        top = self.top
        self.cursor = min(self.cursor, max(0, len(self.rows) - 1))
        self.top = max(min(self.top, self.cursor), self.cursor - self.height + 1, 0)
        self.top = max(0, min(self.top, len(self.rows) - self.height))
        if draw_all or self.top != top:
            self.refresh()
        self.post_message(self.Moved())

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._settle(draw_all=True)

    def on_focus(self) -> None:
        """Draw nothing: the cursor is always there."""

    def _draw(self, at: int) -> None:
        self.refresh(Region(0, at - self.top + 1, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """Draw the titles, or one row."""
        width = self.size.width
        sizes = widths(self.columns, width)
        if y == 0:
            return strip(line([one.title for one in self.columns], self.columns, sizes, width), HEAD)
        at = self.top + y - 1
        if at >= len(self.rows):
            text = (self.empty if self._loaded else "…") if y == 1 and not self.rows else ""
            return strip(f" {text}".ljust(width)[:width], STYLES["dim"])
        row = self.rows[at]
        style = STYLES[row.style]
        return strip(
            line(row.cells, self.columns, sizes, width), style + CURSOR if at == self.cursor else style
        )
