"""Access: which login reaches what, and how."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .frame import Frame
from .notice import whole
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.access import Reach
    from luactl.db import Session

CELLS = ("login", "reaches", "rights", "how", "kind", "path")
HOW = {
    "now": "",
    "after SET ROLE": "dim",
    "after granting it to itself": "warn",
    "after planting code": "warn",
}


@dataclass
class Listed(Message, bubble=False):
    """Who reaches what."""

    reaches: tuple[Reach, ...]


class Access(Frame):
    """Each login, what it reaches, and how: now, after SET ROLE, by granting to itself, by planting code.

    Enter shows the whole way.
    """

    def __init__(self, slug: str | None = None) -> None:
        super().__init__()
        self.slug = slug

    def heading(self) -> str:
        """Return what is reached."""
        return f"Who reaches {self.slug or 'what'}"

    def command_line(self) -> str:
        """Return the command that lists it."""
        return f"access list --tenant {self.slug}" if self.slug else "access list"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("LOGIN", 16), Column("REACHES"), Column("RIGHTS"), Column("HOW", 14),
            Column("KIND", 16, wide=True), Column("PATH", wide=True),
        )  # fmt: skip

    def load(self) -> None:
        """Ask the catalog."""
        self.work(partial(_list, slug=self.slug))

    @on(Listed)
    def show(self, event: Listed) -> None:
        """Show it."""
        self.show_rows([
            Row(one, tuple(getattr(one, name) for name in CELLS), HOW[one.how], copy=one.login)
            for one in event.reaches
        ])  # fmt: skip

    def opened(self, row: Row) -> None:
        """Show the whole of a line."""
        self.app.push_screen(whole("reach", CELLS, row), self.copy)


def _list(session: Session, slug: str | None) -> Listed:
    from luactl.access import list_

    return Listed(list_(session, slug))
