"""One line of the log, whole: every field, the detail of an entry, what a server said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .frame import Frame
from .log_narrow import Exclude, Include
from .log_pivot import Pivot, pivot
from .notice import whole
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.log import Line, Note

    from .log_narrow import Narrowing

FIELDS = {
    "actor": "actor", "behalf": "on_behalf", "action": "action", "outcome": "outcome", "tenant": "tenant",
    "object": "object", "purpose": "purpose", "subject": "subject", "address": "address",
    "session": "session", "application": "application", "severity": "severity", "code": "code",
    "source": "source", "text": "message", "kind": "kind", "id": "id",
}  # fmt: skip
"""Fields as queries name them, and what they are called in a line."""
NAMES = ("FIELD", "VALUE")


@dataclass
class Read(Message, bubble=False):
    """The line with its detail; None when it cannot be seen any more."""

    line: Line | None
    notes: tuple[Note, ...]


class Entry(Frame):
    """One line of the log, every field of it. + and - narrow the list down by a field, p goes on from it.

    Enter shows a long value whole.
    """

    ACTIONS = (Include, Exclude, Pivot)

    def __init__(self, line: Line, above: Narrowing | None = None) -> None:
        super().__init__()
        self.line, self.above = line, above

    def heading(self) -> str:
        """Return which line it is."""
        kind = "Entry" if self.line.kind == "ledger" else f"Line of {self.line.source}"
        return f"{kind} {self.line.id}"

    def position(self) -> str:
        """Return nothing: the list is short."""
        return ""

    def command_line(self) -> str:
        """Return the command that shows an entry with its proof, or the line."""
        id_ = self.line.id
        return f"ledger show {id_}" if self.line.kind == "ledger" else f"log search id:{id_} --output json"

    def body(self) -> ComposeResult:
        """Lay out the fields."""
        yield Table(Column("FIELD", 16), Column("VALUE"))

    def load(self) -> None:
        """Show what the list had, and ask for the rest."""
        fields = enumerate(_fields(self.line))
        self.show_rows([Row((at, name), (name, value), copy=value) for at, (name, value) in fields])
        self.work(partial(_read, id_=self.line.id))

    @on(Read)
    def show(self, event: Read) -> None:
        """Show all of it."""
        self.line = event.line or self.line
        fields = [*_fields(self.line), *(("noted", _told(one)) for one in event.notes)]
        self.show_rows(
            [Row((at, name), (name, value), copy=value) for at, (name, value) in enumerate(fields)]
        )

    def opened(self, row: Row) -> None:
        """Show a value whole."""
        self.app.push_screen(whole(row.cells[0], NAMES, row), self.copy)

    @on(Include)
    def include(self) -> None:
        """Keep only lines with this field."""
        self._narrow("")

    @on(Exclude)
    def exclude(self) -> None:
        """Leave out lines with this field."""
        self._narrow("-")

    def _narrow(self, sign: str) -> None:
        row, above = self.table.current, self.above
        if row is None or above is None or row.cells[0] == "noted":
            self.say("there is nothing to narrow down by")
            return
        self.console.back()
        name, value = row.cells
        if name == "time":
            value = self.line.at.isoformat()
        above.add(name if name in (*FIELDS, "time") else "text", value, sign)

    @on(Pivot)
    def pivot(self) -> None:
        """Go on from this field."""
        row = self.table.current
        if row is None or row.cells[0] not in (*FIELDS, "time") or row.cells[0] == "text":
            self.say("nothing is known of that; + finds lines that say the same")
            return
        from luactl.log import parse

        query = self.above.query_now() if self.above else parse("", self.line.at)
        pivot(self.console, row.cells[0], row.cells[1], self.line, query)


def _fields(line: Line) -> Iterator[tuple[str, str]]:
    yield "time", f"{line.at:%Y-%m-%d %H:%M:%S.%f} UTC"
    for name, own in FIELDS.items():
        value = getattr(line, own)
        if value is not None and value != "":
            yield name, str(value)
    for name, value in (line.detail or {}).items():
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read(session: Session, id_: UUID) -> Read:
    from luactl.log import list_notes, parse, search

    found = search(session, parse(f"id:{id_}", session.clock.now()), 1).lines
    return Read(found[0] if found else None, list_notes(session, line_id=id_))


def _told(note: Note) -> str:
    case = f" ({note.case})" if note.case else ""
    return f"{note.text or 'marked'}{case}, {note.noted_by}, {note.noted_at:%Y-%m-%d %H:%M} UTC"
