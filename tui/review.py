"""Reviews of access: what waits for you, and the decisions themselves, hundreds of them, with single keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .by_state import ByState, NextState
from .place import make
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.access.review import Review
    from luactl.db import Session

YOURS = "for you"
STATES = {YOURS: "warn", "overdue": "bad", "open": "", "closed": "dim"}


@dataclass
class Listed(Message, bubble=False):
    """All reviews, and how much of each waits for this login's person."""

    found: tuple[Review, ...]
    mine: dict[UUID, int]


class Reviews(ByState):
    """Reviews of access: who holds what, frozen, and decided by somebody independent. Yours come first.

    Enter opens your items of one, to decide them with single keys. `t` goes through the states.
    """

    ACTIONS = (NextState,)
    AGAIN = True
    STATES = STATES

    def heading(self) -> str:
        """Return how many are in which state."""
        counts = self.counts()
        return f"Reviews of access: {counts}" if counts else "Reviews of access"

    def command_line(self) -> str:
        """Return the command that lists them."""
        return "access review list"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("STATE", 8), Column("TITLE"), Column("FOR YOU", 8, right=True),
            Column("DECIDED", 13, right=True), Column("UNTIL", 10),
            Column("FAILED", 6, right=True, wide=True),
            empty="no review was opened yet: `luactl access review open`",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for them."""
        self.work(_list)

    @on(Listed)
    def show(self, event: Listed) -> None:
        """Show them."""
        rows = [_row(one, event.mine.get(one.review_id, 0)) for one in event.found]
        self.show_rows(sorted(rows, key=lambda row: row.cells[0] != YOURS))
        self.retitle()

    def opened(self, row: Row) -> None:
        """Open one's items of it."""
        self.console.go(make("review_items:Items", row.key))


def _list(session: Session) -> Listed:
    from luactl.access import review

    return Listed(review.list_(session), review.waiting(session))


def _row(one: Review, mine: int) -> Row:
    state = YOURS if mine else one.state
    cells = (
        state, one.title, f"{mine:,}" if mine else "", f"{one.decided:,} of {one.items:,}",
        f"{one.due_at:%Y-%m-%d}", f"{one.failed:,}" if one.failed else "",
    )  # fmt: skip
    return Row(one.review_id, cells, STATES[state], copy=str(one.review_id))
