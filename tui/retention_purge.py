"""A purge, carried out from here: the same object that is shown is what runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from luactl.errors import LuactlError

from .command import Command
from .facts import Facts
from .frame import Frame
from .row import Column, Row, counted
from .table import Table
from .work import Step

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.retention import DuePeriod, PurgePlan, PurgeResult

ABOUT = "purge"
OF_ROWS = ("purge locked", "batch deleted", "about to commit", "committed")
"""Steps that say nothing beside the number of rows."""


@dataclass
class Planned(Message, bubble=False):
    """What a purge would take."""

    plan: PurgePlan


@dataclass
class Deleted(Message, bubble=False):
    """So many rows of a batch are gone."""

    rows: int


@dataclass
class Purged(Message, bubble=False):
    """What came of it."""

    result: PurgeResult


class Confirm(Command):
    """Purge now: carry this plan out, after you confirmed it."""

    keys = "x"


class Purge(Frame):
    """What a purge deletes for good: rows in batches, then the keys of their periods.

    Without its key a period is gone from every backup too. Nothing happens before you confirm; on production
    you type the name that is asked for.
    """

    ACTIONS = (Confirm,)
    OPENS = False

    def __init__(self, slug: str | None) -> None:
        super().__init__()
        self.slug = slug
        self.plan: PurgePlan | None = None
        self.state = "planning"
        self.gone = 0
        self.begun = False

    @property
    def rows(self) -> int:
        """How many rows the plan takes."""
        return sum(one.rows for one in self.plan.periods) if self.plan else 0

    def heading(self) -> str:
        """Return whose purge it is, and how far it is."""
        return f"Purge at {self.slug or 'all tenants'}: {self.state}"

    def command_line(self) -> str:
        """Return the command that runs it."""
        return f"retention purge {f'--tenant {self.slug}' if self.slug else '--all'}"

    def body(self) -> ComposeResult:
        """Lay out the plan."""
        yield Facts()
        yield Table(
            Column("TENANT"), Column("CLASS", 11), Column("PERIOD", 6, right=True),
            Column("ROWS", 9, right=True), Column("LINES", 9, right=True), Column("KEY", 12),
            empty="nothing is due",
        )  # fmt: skip

    def load(self) -> None:
        """Plan, unless it runs or has run."""
        if not self.begun:
            self.work(partial(_plan, slug=self.slug))

    @on(Planned)
    def show(self, event: Planned) -> None:
        """Show the plan and what it comes to."""
        self.plan, self.state = event.plan, "planned"
        self.query_one(Facts).tell(_facts(event.plan, self.rows))
        self.show_rows([_row(one) for one in event.plan.periods])
        self.retitle()

    @on(Confirm)
    def confirm(self) -> None:
        """Ask, then purge."""
        if self.plan is None or self.begun or not self.plan.tenants:
            self.say("there is nothing to purge")
            return
        word = self.word(self.slug or self.console.profile.name)
        what = f"{counted(self.rows, 'row')} of {counted(len(self.plan.tenants), 'tenant')}"
        self.make_sure(f"Delete {what} for good?", word, partial(self.purge, self.plan))

    def purge(self, plan: PurgePlan) -> None:
        """Carry out the very plan that was shown."""
        self.begun, self.state = True, "running"
        self.retitle()
        self.say("purging …")
        heard = self.post_message
        job = partial(
            _purge,
            plan=plan,
            deleted=lambda rows: heard(Deleted(rows)),
            step=lambda name: heard(Step(name)),
        )
        self.work(job, about=ABOUT, change=True)

    @on(Deleted)
    def deleted(self, event: Deleted) -> None:
        """Show how many rows are gone."""
        self.gone += event.rows
        self.say(f"purging: {self.gone:,} of {self.rows:,} rows deleted")

    @on(Step)
    def stepped(self, event: Step) -> None:
        """Show how far the keys are."""
        if event.text not in OF_ROWS:
            self.say(f"purging: {self.gone:,} rows deleted; keys: {event.text}")

    @on(Purged)
    def done(self, event: Purged) -> None:
        """Show what came of it."""
        one = event.result
        self.arrived()
        self.state = "done"
        epoch = f", epoch {one.epoch}" if one.epoch else ""
        facts = [
            ("purge", str(one.purge_id)),
            (
                "deleted",
                f"{one.interactions:,} interactions, {one.invoices:,} invoices, {one.invoice_lines:,} lines",
            ),
            ("keys", f"{counted(one.keys, 'period key')} destroyed{epoch}"),
        ]
        if one.finished:
            facts.append(("finished", f"{counted(one.finished, 'earlier purge')}, cut short before"))
        self.query_one(Facts).tell(facts)
        self.say(f"purged at {counted(one.tenants, 'tenant')}", "green")
        self.retitle()
        self.console.ask_clocks()

    def failed(self, error: LuactlError, about: str) -> None:
        """Tell what went wrong; what is left can be planned anew."""
        if about == ABOUT:
            self.plan, self.begun, self.gone = None, False, 0
            self.state = "cut short; r plans what is left"
            self.say("")
            self.retitle()
        super().failed(error, about)


def _plan(session: Session, slug: str | None) -> Planned:
    from luactl.retention import plan
    from luactl.tenant import find, list_

    return Planned(plan(session, [find(session, slug)] if slug else list_(session)))


def _purge(
    session: Session, plan: PurgePlan, deleted: Callable[[int], object], step: Callable[[str], object]
) -> Purged:
    from luactl.retention import purge

    def gone(rows: int) -> None:
        deleted(rows)

    def told(name: str) -> None:
        step(name)

    return Purged(purge(replace(session, step=told), plan, gone))


def _facts(plan: PurgePlan, rows: int) -> list[tuple[str, str]]:
    keys = sum(one.key for one in plan.periods)
    taken = f"{counted(rows, 'row')} and {counted(keys, 'period key')}"
    facts = [("takes", f"{taken} of {counted(len(plan.tenants), 'tenant')}")]
    notes = {
        "not active": [one.slug for one in plan.tenants if one.status != "active"],
        "cut short": [one.slug for one in plan.tenants if one.unfinished],
        "not visible": list(plan.unreadable),
    }
    return [*facts, *((name, ", ".join(slugs)) for name, slugs in notes.items() if slugs)]


def _row(one: DuePeriod) -> Row:
    cells = (
        one.tenant, one.retention_class, str(one.period), f"{one.rows:,}", f"{one.invoice_lines:,}",
        "is destroyed" if one.key else "is gone",
    )  # fmt: skip
    return Row(
        (one.tenant, one.retention_class, one.period), cells, "bad" if one.key else "", copy=one.tenant
    )
