"""Keys: where tree, holders and key books stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .facts import Facts
from .frame import Frame
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.key.status import BookStatus, HolderStatus, KeyStatus

ADVICE = {
    "settled": "tree, holders and books agree",
    "unfinished": "a change was cut short: `luactl key recover`",
    "behind": "the database is older than books or holders",
    "broken": "a place is at fault: see below",
}


@dataclass
class Shown(Message, bubble=False):
    """Where keys stand."""

    status: KeyStatus


class Keys(Frame):
    """The key tree's epoch in the database, at each holder of the root, and in each key book."""

    OPENS = False

    def heading(self) -> str:
        """Return the name of the screen."""
        return "Keys"

    def command_line(self) -> str:
        """Return the command that shows the same."""
        return "key status"

    def body(self) -> ComposeResult:
        """Lay out facts and places."""
        yield Facts()
        yield Table(Column("PLACE", 6), Column("NAME"), Column("EPOCHS", 10), Column("STATE"))

    def load(self) -> None:
        """Ask where they stand."""
        self.work(_status)

    @on(Shown)
    def show(self, event: Shown) -> None:
        """Show it."""
        one = event.status
        self.query_one(Facts).tell([
            ("state", f"{one.state}: {ADVICE[one.state]}"),
            ("epoch", f"{one.epoch:,}, change {one.change:,}"),
        ])  # fmt: skip
        self.show_rows([
            *(_holder(holder, one.epoch) for holder in one.holders),
            *(_book(book, one) for book in one.books),
        ])  # fmt: skip


def _status(session: Session) -> Shown:
    from luactl.key import status

    return Shown(status(session, count=False))


def _holder(one: HolderStatus, epoch: int) -> Row:
    epochs = ", ".join(str(number) for number in sorted({*one.epochs, *one.broken, *one.foreign}))
    fine = one.epochs == (epoch,) and not one.problem
    state = one.problem or (f"destroys at level {one.level}" if one.level else f"on {one.file_system}")
    return Row(
        one.name, ("holder", one.name, epochs or "none", state), "good" if fine else "bad", copy=one.name
    )


def _book(one: BookStatus, tree: KeyStatus) -> Row:
    fine = one.tree_id == tree.tree_id and one.epoch == tree.epoch
    stale = "" if fine else "empty" if one.tree_id is None else "stale: `luactl key recover`"
    cells = ("book", one.name, str(one.epoch), one.problem or stale or "current")
    return Row(one.name, cells, "good" if fine else "bad", copy=one.name)
