"""The list of the log: lines of any width, cut at the edge or wrapped, one field of one under the cursor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast
from uuid import UUID

from textual.strip import Strip

from .log_line import OUTCOMES, Body, Shown, body, drawn
from .row import STYLES, Row, strip
from .table import HEAD, KEPT, Table

if TYPE_CHECKING:
    from luactl.log import Line

MOST_KNOWN = 2_000
"""Of how many rows it is remembered how many lines they take."""


def row(line: Line, *, noted: bool = False) -> Row:
    """Return the row of a line. Details stay in the database: whoever opens the line asks for them."""
    from luactl.log import LONGEST, said

    kept = replace(line, detail=None, message=line.message and line.message[:LONGEST])
    cells = ("*" if noted else "", *said(kept).values())
    return Row(kept, cells, OUTCOMES[line.outcome], copy=str(line.id))


class LogList(Table):
    """Lines of the log, oldest first; holds a window of them, and posts `Edge` for more."""

    def __init__(self, empty: str = "nothing fits") -> None:
        super().__init__(empty=empty)
        self.shown = Shown(80)
        self.field = ""
        self._known: dict[UUID, int] = {}

    @property
    def line(self) -> Line | None:
        """The line under the cursor."""
        return _line(self.current) if self.current else None

    @property
    def texts(self) -> dict[str, str]:
        """What is shown of it, by field."""
        return _texts(self.current) if self.current else {}

    @property
    def tall(self) -> int:
        """How many lines of the screen there are."""
        return super().height

    @property
    def height(self) -> int:
        """How many lines of the log are in sight, or would be."""
        if not self.shown.wrap or not self.rows:
            return self.tall
        room, count = self.tall, 0
        for one in self.rows[self.top :]:
            room -= self._lines(one)
            if room < 0:
                break
            count += 1
        return max(1, count)

    def land(self, rows: Sequence[Row], cursor: int, *, before: bool, after: bool) -> None:
        """Show these rows, which lie somewhere among all, with the cursor on one of them."""
        self.rows, self._owed, self._loaded = list(rows), 0, True
        self.before, self.after, self.place = before, after, None
        self.cursor, self.top = cursor, max(0, cursor - self.tall // 2)
        self._settle(draw_all=True)

    def merge(self, rows: Iterable[Row]) -> int:
        """Add rows that came just now, each in its place, and follow to the last.

        Returns how many of them belong before the window: these come when somebody goes there.
        """
        begin = _line(self.rows[0]).place if self.rows and self.before else None
        fresh = list(rows)
        fitting = [one for one in fresh if begin is None or _line(one).place > begin]
        held = {_line(one).id: one for one in (*self.rows, *fitting)}
        self.rows = sorted(held.values(), key=lambda one: _line(one).place)
        self._loaded = True
        self._drop(max(0, len(self.rows) - max(KEPT, 2 * self.tall)))
        self._known.clear()
        self.cursor = max(0, len(self.rows) - 1)
        self._settle(draw_all=True)
        return len(fresh) - len(fitting)

    def note(self, id_: UUID) -> None:
        """Show that a line has a mark."""
        for at, one in enumerate(self.rows):
            if one.copy == str(id_):
                self.rows[at] = replace(one, cells=("*", *one.cells[1:]))
                self._draw(at)

    def show(self, **changes: object) -> None:
        """Show lines otherwise."""
        self._known.clear()
        self.shown = replace(self.shown, **changes)  # type: ignore[arg-type]
        self._settle(draw_all=True)

    def step_field(self, by: int) -> None:
        """Go to the next field of the line under the cursor, or the one before."""
        names = ["time", *self.texts]
        if self.rows:
            at = names.index(self.field) + by if self.field in names else (0 if by > 0 else -1)
            self.field = names[at % len(names)]
            self._draw(self.cursor)

    def on_resize(self) -> None:
        """Lay the lines out anew."""
        self.show(width=self.size.width)

    def widest(self) -> int:
        """Return how many cells the longest line in sight takes."""
        here = self.rows[self.top : self.top + self.tall]
        return max((self._body(one).strip.cell_length for one in here), default=0)

    def _body(self, one: Row) -> Body:
        return body(_texts(one), self.shown, STYLES[""])

    def _lines(self, one: Row) -> int:
        """Return how many lines of the screen a row takes; known from the last time it was asked."""
        if not self.shown.wrap:
            return 1
        id_ = _line(one).id
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        if id_ not in self._known:
            self._known[id_] = min(self._body(one).lines(self.shown.room), self.tall)
        return self._known[id_]

    def _settle(self, *, draw_all: bool = False) -> None:
        """Bring the cursor into sight, all of its line; below the end of the list nothing is left empty."""
        if not self.shown.wrap or not self.rows:
            super()._settle(draw_all=draw_all)
            return
        top, last = self.top, len(self.rows) - 1
        self.cursor = min(self.cursor, last)
        self.top = max(min(top, self.cursor), self._highest(self.cursor))
        self.top = min(self.top, self._highest(last))
        if draw_all or self.top != top:
            self.refresh()
        self.post_message(self.Moved())

    def _highest(self, at: int) -> int:
        """Return the first row from which on everything down to `at` is in sight."""
        room = self.tall - self._lines(self.rows[at])
        while at and room >= self._lines(self.rows[at - 1]):
            at -= 1
            room -= self._lines(self.rows[at])
        return at

    def _draw(self, at: int) -> None:
        if self.shown.wrap:
            self.refresh()
        else:
            super()._draw(at)

    def render_line(self, y: int) -> Strip:
        """Draw the titles, or one line on the screen."""
        if y == 0:
            return strip(self.shown.head().ljust(self.size.width)[: self.size.width], HEAD)
        at, part = self._at(y - 1)
        if at >= len(self.rows):
            text = (self.empty if self._loaded else "…") if y == 1 and not self.rows else ""
            return strip(f" {text}".ljust(self.size.width)[: self.size.width], STYLES["dim"])
        here = at == self.cursor
        line = _line(self.rows[at])
        return drawn(
            line, _texts(self.rows[at]), self.shown, self.tall,
            cursor=here, field=self.field if here else "", noted=bool(self.rows[at].cells[0]),
        )[part]  # fmt: skip

    def _at(self, y: int) -> tuple[int, int]:
        """Return which row is on a line of the screen, and which of its own lines that is."""
        if not self.shown.wrap:
            return self.top + y, 0
        at = self.top
        while at < len(self.rows) and y >= self._lines(self.rows[at]):
            y -= self._lines(self.rows[at])
            at += 1
        return at, y


def _line(one: Row) -> Line:
    return cast("Line", one.key)


def _texts(one: Row) -> dict[str, str]:
    from luactl.log import said

    return said(_line(one))
