"""The wall of promises: each with what the last proof came to. What nobody proved is never shown as kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .by_state import ByState, NextState
from .place import make
from .proving import Prove, Proving, Stop
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.promise import Proof, Standing, Verdict

UNPROVEN = "never proven"
STATES = {"broken": "bad", UNPROVEN: "dim", "not observable": "warn", "waived": "warn", "kept": "good"}
"""Every state with its style, in the order in which the filter goes through them."""


@dataclass
class Standings(Message, bubble=False):
    """Where all promises stand."""

    found: tuple[Standing, ...]


class Wall(Proving, ByState):
    """All promises of the page with what the last proof came to. `never proven`: this login sees no proof.

    Enter shows the evidence, `p` proves what the filter leaves, `t` goes through the states.
    """

    ACTIONS = (Prove, Stop, NextState)
    STATES, AT = STATES, 1

    def __init__(self) -> None:
        super().__init__()
        self.verdicts: dict[str, Verdict] = {}
        self.standings: dict[str, Standing] = {}

    def heading(self) -> str:
        """Return how far a run is, else how many promises are in which state."""
        told = self.progress or self.counts()
        return f"Promises: {told}" if told else "Promises"

    def command_line(self) -> str:
        """Return the command that lists the last states."""
        return "promise status"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("ID", 5), Column("STATE", 14), Column("PROMISE"), Column("PROVEN", 10),
            Column("BY", 14, wide=True), Column("WAIVED UNTIL", 12, wide=True), Column("BY", 14, wide=True),
            empty="no promise is in that state",
        )  # fmt: skip

    def load(self) -> None:
        """Ask where they stand."""
        self.work(_standings)

    @on(Standings)
    def show(self, event: Standings) -> None:
        """Show them."""
        self.standings = {one.id: one for one in event.found}
        self.show_rows([_row(one) for one in event.found])
        self.retitle()

    def chosen(self) -> Sequence[str]:
        """Return what the filters leave."""
        return [str(row.key) for row in self.table.rows]

    def proven(self, proof: Proof) -> None:
        """Keep the evidence for whoever opens a line, and show the new states."""
        self.verdicts |= {one.id: one for one in proof.promises}
        self.load()
        self.console.ask_clocks()

    def opened(self, row: Row) -> None:
        """Open one promise with what is known of it."""
        id = str(row.key)
        self.console.go(make("promise_one:OnePromise", self.standings[id], self.verdicts.get(id)))


def _standings(session: Session) -> Standings:
    from luactl.promise import load, standings

    return Standings(standings(session, load()))


def _state(one: Standing) -> str:
    return one.state or UNPROVEN


def _row(one: Standing) -> Row:
    waiver = one.waiver
    cells = (
        one.id, _state(one), one.promise, f"{one.at:%Y-%m-%d}" if one.at else "–", one.proven_by or "",
        f"{waiver.valid_until:%Y-%m-%d}" if waiver else "", waiver.waived_by if waiver else "",
    )  # fmt: skip
    return Row(one.id, cells, STATES[_state(one)], copy=one.id)
