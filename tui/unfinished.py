"""Erasures, purges and ends of tenants that were begun and not finished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .frame import Frame
from .place import make
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.erasure import Unfinished as CutShort

VERBS = {
    "erasure": "erasure run --tenant {} --resume",
    "purge": "retention purge --tenant {}",
    "termination": "tenant terminate {}",
    "notice": "processor notice list --tenant {}",
}
"""What shows or finishes work of each kind."""


@dataclass
class Listed(Message, bubble=False):
    """What was cut short."""

    found: tuple[CutShort, ...]


class Unfinished(Frame):
    """Erasures, purges and ends of tenants that were cut short, oldest first. Run again, each is finished.

    Besides, notices that their processors have not confirmed for 14 days.

    Enter opens where that is done: what is due at the tenant, the erasure, or the tenant that ends.
    """

    AGAIN = True

    def heading(self) -> str:
        """Return the name of the screen."""
        return "Cut short"

    def command_line(self) -> str:
        """Return the command that finishes the line under the cursor."""
        row = self.table.current
        if row is None:
            return "key status"
        kind, _started, tenant, *_rest = row.cells
        return VERBS[kind].format(tenant)

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("KIND", 11), Column("STARTED", 16), Column("TENANT"), Column("ID", 36, wide=True),
            empty="nothing was cut short",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for them."""
        self.work(_list)

    @on(Listed)
    def show(self, event: Listed) -> None:
        """Show them."""
        self.show_rows([_row(one) for one in event.found])

    def opened(self, row: Row) -> None:
        """Go where it is finished."""
        kind, _started, tenant, *_rest = row.cells
        where = {"purge": "retention:Due", "erasure": "erasure_one:OneErasure"}.get(kind, "tenant:OneTenant")
        self.console.go(make(where, row.key if kind == "erasure" else tenant))


def _list(session: Session) -> Listed:
    from luactl.erasure import unfinished

    return Listed(unfinished(session))


def _row(one: CutShort) -> Row:
    return Row(
        one.id, (one.kind, f"{one.since:%Y-%m-%d %H:%M}", one.tenant, str(one.id)), "bad", copy=str(one.id)
    )
