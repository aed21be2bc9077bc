"""The ledger: how far it is signed, what waits, and which anchors know."""

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
    from luactl.ledger import Status


@dataclass
class Shown(Message, bubble=False):
    """The state of the log."""

    status: Status


class Ledger(Frame):
    """How far the log is signed, how much waits for a checkpoint, and what each anchor knows of it."""

    OPENS = False

    def heading(self) -> str:
        """Return the name of the screen."""
        return "Ledger"

    def command_line(self) -> str:
        """Return the command that shows the same."""
        return "ledger status"

    def body(self) -> ComposeResult:
        """Lay out facts and anchors."""
        yield Facts()
        yield Table(
            Column("ANCHOR"), Column("ENTRIES", 9, right=True), Column("STATE"),
            empty="no anchor: nobody else knows the checkpoints",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for the state."""
        self.work(_status)

    @on(Shown)
    def show(self, event: Shown) -> None:
        """Show it."""
        one = event.status
        signed = f"{one.signed_at:%Y-%m-%d %H:%M}" if one.signed_at else "never"
        waits = f", the oldest since {int(one.lag_seconds) // 60:,} min" if one.pending else ""
        self.query_one(Facts).tell([
            ("origin", one.origin),
            ("signed", f"{one.size:,} entries, last {signed}"),
            ("waiting", f"{one.pending:,} entries{waits}"),
            ("here", "signs checkpoints" if one.signs_here else "does not sign: no signing key here"),
        ])  # fmt: skip
        self.show_rows([
            Row(
                anchor.anchor,
                (
                    anchor.anchor,
                    "–" if anchor.size is None else f"{anchor.size:,}",
                    anchor.problem or ("current" if anchor.current else "behind until the next integration"),
                ),
                "bad" if anchor.problem else "good" if anchor.current else "warn",
            )
            for anchor in one.anchors
        ])  # fmt: skip


def _status(session: Session) -> Shown:
    from luactl.ledger import status

    return Shown(status(session))
