"""Retention: what is due to be purged now, at one tenant or at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .command import Command
from .frame import Frame
from .place import make
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.retention import DuePeriod, PurgePlan


@dataclass
class Planned(Message, bubble=False):
    """What a purge would take."""

    plan: PurgePlan


class Purge(Command):
    """Purge: plan the purge of this; nothing happens before you confirm."""

    keys = "x"


class Due(Frame):
    """What a purge would take now: each period of a tenant in which everything is due.

    Enter opens the tenant, whose rules say why; `x` leads to the purge.
    """

    ACTIONS = (Purge,)

    def __init__(self, slug: str | None = None) -> None:
        super().__init__()
        self.slug = slug
        self.summary = "looking"

    def heading(self) -> str:
        """Return whose purge it is, and what it comes to."""
        return f"Due at {self.slug or 'all tenants'}: {self.summary}"

    def command_line(self) -> str:
        """Return the command that shows the same plan."""
        whom = f"--tenant {self.slug}" if self.slug else "--all"
        return f"retention purge {whom} --dry-run"

    def body(self) -> ComposeResult:
        """Lay out the plan."""
        yield Table(
            Column("TENANT"), Column("CLASS", 11), Column("PERIOD", 6, right=True), Column("DUE SINCE", 10),
            Column("INTERACT.", 9, right=True), Column("INVOICES", 8, right=True),
            Column("LINES", 7, right=True, wide=True), Column("KEY", 4), empty="nothing is due",
        )  # fmt: skip

    def load(self) -> None:
        """Plan the purge."""
        self.work(partial(_plan, slug=self.slug))

    @on(Planned)
    def show(self, event: Planned) -> None:
        """Show the plan and what it comes to."""
        plan = event.plan
        rows = sum(one.rows for one in plan.periods)
        self.summary = f"{rows:,} rows in {len(plan.periods):,} periods"
        self.show_rows([_row(one) for one in plan.periods])
        warnings = [f"not admitted to: {', '.join(plan.unreadable)}"] if plan.unreadable else []
        cut = [one.slug for one in plan.tenants if one.unfinished]
        warnings += [f"a purge was cut short at {', '.join(cut)}"] if cut else []
        self.say("; ".join(warnings))
        self.retitle()

    def opened(self, row: Row) -> None:
        """Open the tenant."""
        self.console.go(make("tenant:OneTenant", row.copy))

    @on(Purge)
    def purge(self) -> None:
        """Go to the purge."""
        self.console.go(make("retention_purge:Purge", self.slug))


def _plan(session: Session, slug: str | None) -> Planned:
    from luactl.retention import plan
    from luactl.tenant import find, list_

    return Planned(plan(session, [find(session, slug)] if slug else list_(session)))


def _row(one: DuePeriod) -> Row:
    cells = (
        one.tenant, one.retention_class, str(one.period), f"{one.due_at:%Y-%m-%d}", f"{one.interactions:,}",
        f"{one.invoices:,}", f"{one.invoice_lines:,}", "yes" if one.key else "gone",
    )  # fmt: skip
    return Row((one.tenant, one.retention_class, one.period), cells, copy=one.tenant)
