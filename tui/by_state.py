"""Lists whose lines have a state: counted in the head, and shown one state at a time where `t` does that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import on

from .command import Command
from .frame import Frame
from .row import Row


class NextState(Command):
    """State: show only lines in one state; again: in the next; after the last: all."""

    keys = "t"


class ByState(Frame):
    """A list one of whose cells says in which state a line is."""

    STATES: ClassVar[Mapping[str, str]] = {}
    """Each state in the order of the head, with its style (a name of `row.STYLES`)."""
    AT: ClassVar[int] = 0
    """Which cell says it."""
    state = ""
    """The one state that is shown; empty: all."""
    cut = False
    """Whether there are more lines than were asked for."""

    def counts(self) -> str:
        """Return how many lines are in which state: `2 planned, 1 done`, and whether there are more."""
        states = [row.cells[self.AT] for row in self.every]
        counts = [f"{states.count(one):,} {one}" for one in self.STATES if one in states]
        return ", ".join([*counts, "and more"] if self.cut else counts)

    def position(self) -> str:
        """Return which state is shown, and where the cursor stands."""
        return f"{self.state}  {super().position()}" if self.state else super().position()

    def lets_through(self, row: Row, words: Sequence[str]) -> bool:
        """Keep what is in the chosen state, and what the words let through."""
        return self.state in ("", row.cells[self.AT]) and super().lets_through(row, words)

    @on(NextState)
    def next_state(self) -> None:
        """Go on to the next state that a line is in; after the last to all."""
        there = {row.cells[self.AT] for row in self.every}
        order = ["", *(one for one in self.STATES if one in there)]
        self.state = order[(order.index(self.state) + 1) % len(order)] if self.state in order else ""
        self._apply_filter()
        self.retitle()
