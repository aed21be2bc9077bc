"""Requests for approval of any kind: what waits for this login first, then for others, then the rest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .answering import Answering, Deny, Grant, answers, standing
from .by_state import ByState, NextState
from .command import Command
from .facts import Facts
from .place import make
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.approval import Approval
    from luactl.db import Session

MOST = 2_000
"""How many are asked for."""
YOURS = "for you"
"""The state of what waits for this login."""

STATES = {
    YOURS: "warn", "waiting": "", "granted": "warn", "used": "warn", "broken": "bad", "finished": "good",
    "denied": "dim", "expired": "dim", "void": "dim",
}  # fmt: skip


@dataclass
class Listed(Message, bubble=False):
    """The requests of everybody."""

    found: tuple[Approval, ...]
    yours: frozenset[UUID]
    """Which wait for this login."""
    cut: bool
    """Whether there are more."""


class Approvals(ByState):
    """Requests for approval: erasures, purges, releases of holds, ends of tenants. Yours come first.

    Enter opens one: what would happen, who asks, who answered. `t` goes through the states.
    """

    ACTIONS = (NextState,)
    AGAIN = True
    STATES = STATES

    def heading(self) -> str:
        """Return how many are in which state."""
        counts = self.counts()
        return f"Approvals: {counts}" if counts else "Approvals"

    def command_line(self) -> str:
        """Return the command that lists them."""
        return "approval list --mine" if self.state == YOURS else "approval list"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("STATE", 8), Column("ACTION", 16), Column("WHAT"), Column("BY", 14), Column("UNTIL", 16),
            Column("TENANT", 20, wide=True),
            empty="nobody asked for approval yet",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for them."""
        self.work(_list)

    @on(Listed)
    def show(self, event: Listed) -> None:
        """Show them."""
        self.cut = event.cut
        rows = [_row(one, YOURS if one.approval_id in event.yours else one.state) for one in event.found]
        self.show_rows(sorted(rows, key=lambda row: (row.cells[0] != YOURS, row.cells[0] != "waiting")))
        self.retitle()

    def opened(self, row: Row) -> None:
        """Open one of them."""
        if isinstance(row.key, UUID):
            self.console.go(OneApproval(row.key))


def _list(session: Session) -> Listed:
    from luactl.approval import list_, mine

    every = list_(session, limit=MOST + 1)
    found = every[:MOST]
    yours = frozenset(one.approval_id for one in mine(session, found))
    return Listed(found, yours, len(every) > MOST)


def _row(one: Approval, state: str) -> Row:
    cells = (
        state, one.action, one.request.summary, one.requested_by, f"{one.expires_at:%Y-%m-%d %H:%M}",
        one.request.tenant or "several",
    )  # fmt: skip
    return Row(one.approval_id, cells, STATES[state], copy=str(one.approval_id))


@dataclass
class Shown(Message, bubble=False):
    """One request."""

    request: Approval
    plan_id: UUID | None
    """The plan on record that it is about."""


class GoPlan(Command):
    """Plan: open the plan that this request is about."""

    keys = "p"


class OneApproval(Answering):
    """One request: what would happen, who asks, who may answer and who did. `p` opens the plan of an erasure.

    What must be the same when it runs is bound by digest; counts may drift as far as the rule lets them.
    """

    ACTIONS = (Grant, Deny, GoPlan)
    OPENS = False

    def __init__(self, approval_id: UUID) -> None:
        super().__init__()
        self.approval_id = approval_id
        self.shown: Shown | None = None

    def heading(self) -> str:
        """Return what is asked for."""
        return self.shown.request.request.summary if self.shown else f"Request {self.approval_id}"

    def position(self) -> str:
        """Return nothing: the list is short."""
        return ""

    def command_line(self) -> str:
        """Return the command that grants it, while it waits; else the one that shows it."""
        waits = self.shown is not None and self.shown.request.state == "waiting"
        return f"approval {'grant' if waits else 'show'} {self.approval_id}"

    def body(self) -> ComposeResult:
        """Lay out facts, and what the request is bound to."""
        yield Facts()
        yield Table(Column("BOUND TO", 24), Column("VALUE"), Column("MAY DRIFT BY", 20))

    def load(self) -> None:
        """Ask for it."""
        self.work(partial(_find, approval_id=self.approval_id))

    @on(Shown)
    def show(self, event: Shown) -> None:
        """Show it."""
        self.shown, one = event, event.request
        facts = [
            ("request", str(one.approval_id)),
            ("action", f"{one.action} at {one.request.tenant or 'several tenants'}"),
            ("state", standing(one)),
            *answers(one),
        ]
        if one.void_reason:
            facts.append(("void", one.void_reason))
        self.query_one(Facts).tell(facts)
        bound = one.request.bound
        drift = f"{bound.rows:,} or {bound.percent} %"
        rows = [(name, f"{count:,}", drift) for name, count in one.request.counts.items()]
        rows += [(name, value, "nothing") for name, value in one.request.exact.items()]
        self.show_rows([Row(cells[0], cells, copy=cells[1]) for cells in rows])
        self.retitle()

    def request(self) -> Approval | None:
        """Return it."""
        return self.shown.request if self.shown else None

    def answered(self) -> None:
        """Look again."""
        self.load()

    @on(GoPlan)
    def go_plan(self) -> None:
        """Open the plan of an erasure."""
        if self.shown is None or self.shown.plan_id is None:
            self.say("no plan of it is on record: carried out, withdrawn, or not an erasure")
        else:
            self.console.go(make("erasure_kept:OnePlan", self.shown.plan_id))


def _find(session: Session, approval_id: UUID) -> Shown:
    from luactl.approval import find
    from luactl.erasure import plan_of

    found = find(session, approval_id)
    return Shown(found, plan_of(session, found) if found.action == "erasure.run" else None)
