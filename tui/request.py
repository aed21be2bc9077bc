"""Open requests of data subjects, over all tenants: what is due first stands first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .frame import Frame
from .matter import pressing
from .place import make
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.request import Line


@dataclass
class Listed(Message, bubble=False):
    """The open requests."""

    found: tuple[Line, ...]


class Requests(Frame):
    """Open requests of data subjects, the one that is due first before the others. Enter opens the tenant."""

    def heading(self) -> str:
        """Return the name of the screen."""
        return "Requests"

    def command_line(self) -> str:
        """Return the command that shows the line under the cursor."""
        row = self.table.current
        return "request list" if row is None else f"request show {row.copy}"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("DUE", 10), Column("DAYS", 5, right=True), Column("RIGHT", 13), Column("TENANT"),
            Column("WAITS FOR", 15), Column("REFERENCE"), Column("RECEIVED", 10, wide=True),
            Column("REQUEST", 36, wide=True), empty="no request is open",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for them."""
        self.work(_list)

    @on(Listed)
    def show(self, event: Listed) -> None:
        """Show them."""
        self.show_rows([_row(one) for one in event.found])

    def opened(self, row: Row) -> None:
        """Open the tenant whose request it is."""
        self.console.go(make("tenant:OneTenant", row.cells[3]))


def _list(session: Session) -> Listed:
    from luactl.request import open_

    return Listed(open_(session))


def _row(one: Line) -> Row:
    waits = "who it is" if not one.identified else "a legal hold" if one.held else "the answer"
    cells = (
        f"{one.due_on}", f"{one.days_left:,}", one.right, one.tenant, waits, one.reference,
        f"{one.received_at:%Y-%m-%d}", str(one.request_id),
    )  # fmt: skip
    return Row(one.request_id, cells, pressing(one), copy=str(one.request_id))
