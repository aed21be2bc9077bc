"""The check that nothing of an erased person can be reached."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
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
    from luactl.erasure import Erasure, Verification

STATES = {"holds": "good", "broken": "bad"}


@dataclass
class Verified(Message, bubble=False):
    """What came of trying to reach an erased person."""

    verification: Verification


class Checks(Frame):
    """One erasure, and what came of trying to reach the erased person: rows, keys, books, holders."""

    OPENS = False

    def __init__(self, erasure: Erasure) -> None:
        super().__init__()
        self.erasure = erasure

    def heading(self) -> str:
        """Return which erasure it is."""
        return f"Erasure {self.erasure.erasure_id}"

    def command_line(self) -> str:
        """Return the command that checks it."""
        return f"erasure verify {self.erasure.erasure_id}"

    def body(self) -> ComposeResult:
        """Lay out facts and checks."""
        yield Facts()
        yield Table(Column("CHECK"), Column("STATE", 14), Column("WHAT"))

    def load(self) -> None:
        """Show the record, and check."""
        one = self.erasure
        ended = f", ended {one.completed_at:%Y-%m-%d %H:%M}" if one.completed_at else ", not finished"
        self.query_one(Facts).tell([
            ("subject", str(one.subject_id) if one.subject_id else f"{one.people:,} people"),
            ("instruction", f"{one.instruction}, by {one.requested_by}"),
            ("when", f"begun {one.created_at:%Y-%m-%d %H:%M}{ended}, epoch {one.epoch}"),
        ])  # fmt: skip
        self.work(partial(_verify, erasure=one))

    @on(Verified)
    def show(self, event: Verified) -> None:
        """Show the checks."""
        self.show_rows([
            Row(one.check, (one.check, one.state, one.what), STATES.get(one.state, "dim"))
            for one in event.verification.checks
        ])  # fmt: skip


def _verify(session: Session, erasure: Erasure) -> Verified:
    from luactl.erasure import verify

    return Verified(verify(session, erasure.erasure_id))
