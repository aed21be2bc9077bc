"""Bookmarks and notes on lines of the log, and the way back to them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message

from .choose import Choose
from .command import Command
from .form import Field, ask_all
from .log_pages import Pages, surroundings
from .row import Column, Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from luactl.db import Session
    from luactl.log import Note, Query


class Bookmark(Command):
    """Bookmark: mark the line under the cursor for everybody."""

    keys, shown = "m", False


class WriteNote(Command):
    """Note: say something of the line under the cursor, for a case or for everybody."""

    keys, shown = "M", False


class Marks(Command):
    """Marks: choose a bookmark or note, and go to its line."""

    keys, shown = "apostrophe", False


ACTIONS = (Bookmark, WriteNote, Marks)


@dataclass
class Marked(Message, bubble=False):
    """A line was marked."""

    note: Note


@dataclass
class Listed(Message, bubble=False):
    """All bookmarks and notes."""

    notes: tuple[Note, ...]


@dataclass
class Around(Message, bubble=False):
    """A line and what lies around it; without rows it does not fit the query."""

    rows: Sequence[Row]
    at: int
    before: bool
    after: bool


class Marking(Pages):
    """A log on whose lines people leave marks."""

    case = ""
    """The case of the note before."""

    @on(Bookmark)
    def bookmark(self) -> None:
        """Mark the line."""
        line = self.lines.line
        if line is not None:
            self.work(partial(_add, line_id=line.id, text=None, case=None), about="mark", change=True)

    @on(WriteNote)
    def write_note(self) -> None:
        """Ask what is to be said, and for which case."""
        line = self.lines.line
        if line is None:
            return
        fields = [
            Field("Note on this line", "no personal data; it is never changed or taken back"),
            Field("For which case?", "may be empty", self.case, empty=True),
        ]

        def told(answers: list[str]) -> None:
            text, self.case = answers
            job = partial(_add, line_id=line.id, text=text, case=self.case or None)
            self.work(job, about="mark", change=True)

        ask_all(self.app, fields, told)

    @on(Marked)
    def marked(self, event: Marked) -> None:
        """Show the mark."""
        self.arrived()
        self.lines.note(event.note.line_id)
        self.say("noted" if event.note.text else "marked", "green")

    @on(Marks)
    def marks(self) -> None:
        """Look which marks there are."""
        self.work(_list, about="marks")

    @on(Listed)
    def choose(self, event: Listed) -> None:
        """Offer them."""
        self.arrived()
        zone = self.lines.shown.zone
        rows = [
            Row((one.line_at, one.line_id),
                (f"{one.line_at.astimezone(zone):%Y-%m-%d %H:%M:%S}", one.text or "–", one.case or "",
                 one.noted_by))
            for one in event.notes
        ]  # fmt: skip
        columns = [Column("TIME", 19), Column("NOTE"), Column("CASE", 10), Column("BY", 12)]
        self.app.push_screen(
            Choose("bookmarks and notes", columns, rows, empty="none yet: m and M"), self.go_to
        )

    def go_to(self, chosen: Row | None) -> None:
        """Go to the line of a mark."""
        if chosen is not None:
            size = self.app.size.height
            self.work(partial(_around, query=self.query_now(), place=chosen.key, size=size))

    @on(Around)
    def around(self, event: Around) -> None:
        """Show the line among its neighbours."""
        self.arrived()
        if event.rows:
            self.lines.land(event.rows, event.at, before=event.before, after=event.after)
        else:
            self.say("that line does not fit the query: backspace takes parts of it away")


def _add(session: Session, line_id: UUID, text: str | None, case: str | None) -> Marked:
    from luactl.log import add_note

    return Marked(add_note(session, line_id, text, case))


def _list(session: Session) -> Listed:
    from luactl.log import list_notes

    return Listed(list_notes(session))


def _around(session: Session, query: Query, place: object, size: int) -> Around:
    rows, before, after = surroundings(session, query, place, size)  # type: ignore[arg-type]
    at = next((n for n, one in enumerate(rows) if one.key.place == place), None)  # type: ignore[attr-defined]
    return Around([], 0, False, False) if at is None else Around(rows, at, before, after)
