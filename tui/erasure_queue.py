"""The queue of erasures: planned, waiting for approval, approved, cut short, held back, done."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .by_state import ByState, NextState
from .command import Command
from .form import Field, ask_all
from .place import make
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.erasure import KeptPlan, Queued
    from luactl.erasure import Queue as Found

MOST = 2_000
"""How many are asked for."""
STATES = {
    "planned": "", "waiting": "warn", "approved": "warn", "denied": "dim", "broken": "bad",
    "unfinished": "bad", "held": "warn", "released": "warn", "done": "good",
}  # fmt: skip


@dataclass
class Listed(Message, bubble=False):
    """The queue."""

    found: Found


@dataclass
class Proposed(Message, bubble=False):
    """A plan was put on record."""

    kept: KeptPlan


@dataclass(frozen=True)
class Which:
    """What a line stands for."""

    kind: str
    """plan or erasure."""
    id: UUID


class Propose(Command):
    """Propose: plan the erasure of the people in a file, and put the plan on record; nobody is erased."""

    keys = "o"


class Queue(ByState):
    """Every erasure, newest first: planned, waiting for approval, approved, cut short, held back, done.

    Enter opens one: what goes, what stays, who approves it, and its certificate. `t` goes through the states.
    """

    ACTIONS = (NextState, Propose)
    AGAIN = True
    STATES = STATES

    def __init__(self, slug: str | None = None) -> None:
        super().__init__()
        self.slug = slug

    def heading(self) -> str:
        """Return how many are in which state."""
        where = f"Erasures at {self.slug}" if self.slug else "Erasures"
        counts = self.counts()
        return f"{where}: {counts}" if counts else where

    def command_line(self) -> str:
        """Return the command that lists them."""
        tenant = f" --tenant {self.slug}" if self.slug else ""
        return f"erasure queue{tenant}" + (f" --state {self.state}" if self.state else "")

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("STATE", 10), Column("SINCE", 10), Column("TENANT"), Column("PEOPLE", 7, right=True),
            Column("HELD", 5, right=True, wide=True), Column("INSTRUCTION"), Column("BY", 14),
            Column("SCOPE", 11, wide=True),
            empty="nobody is to be erased, and nobody was",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for them."""
        self.work(partial(_queue, slug=self.slug))

    @on(Listed)
    def show(self, event: Listed) -> None:
        """Show them."""
        self.cut = event.found.cut
        self.show_rows([_row(one) for one in event.found.items])
        self.retitle()

    def opened(self, row: Row) -> None:
        """Open one of them."""
        if isinstance(row.key, Which):
            screen = "erasure_kept:OnePlan" if row.key.kind == "plan" else "erasure_one:OneErasure"
            self.console.go(make(screen, row.key.id))

    @on(Propose)
    def propose(self) -> None:
        """Ask for tenant, file and instruction, then put the plan on record."""
        fields = [
            Field("Tenant", "its slug", self.slug or ""),
            Field("File of people", "one subject id or external id a line"),
            Field("Instruction", "where the tenant's order is found; no personal data"),
        ]
        ask_all(
            self.app, fields, lambda told: self.work(partial(_keep, told=told), about="propose", change=True)
        )

    @on(Proposed)
    def proposed(self, event: Proposed) -> None:
        """Open the plan that is on record now."""
        self.load()
        self.console.go(make("erasure_kept:OnePlan", event.kept.plan_id))


def _queue(session: Session, slug: str | None) -> Listed:
    from luactl.erasure import queue

    return Listed(queue(session, slug, limit=MOST))


def _keep(session: Session, told: list[str]) -> Proposed:
    from luactl.erasure import from_file, keep, plan
    from luactl.tenant import find

    slug, file, instruction = told
    tenant = find(session, slug)
    named = from_file(session, tenant, Path(file).expanduser())
    return Proposed(keep(session, plan(session, tenant, named.subjects, instruction)))


def _row(one: Queued) -> Row:
    cells = (
        one.state, f"{one.made_at:%Y-%m-%d}", one.tenant, f"{one.people:,}", f"{one.held:,}", one.instruction,
        one.made_by, one.scope,
    )  # fmt: skip
    return Row(Which(one.kind, one.id), cells, STATES[one.state], copy=str(one.id))
