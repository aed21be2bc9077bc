"""The plan of an erasure, carried out from here: the same object that is shown is what runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .command import Command
from .facts import Facts
from .frame import Frame
from .place import make
from .row import Column, Row
from .table import Table
from .work import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from luactl.db import Session
    from luactl.erasure import ErasurePlan, ErasureResult
    from luactl.tenant import Tenant


@dataclass
class Planned(Message, bubble=False):
    """What an erasure would do."""

    plan: ErasurePlan


@dataclass
class Erased(Message, bubble=False):
    """What came of it."""

    result: ErasureResult


@dataclass
class Proposed(Message, bubble=False):
    """The plan is on record."""

    plan_id: UUID


class Confirm(Command):
    """Erase now: carry this plan out, after you typed the tenant's slug."""

    keys = "x"


class Propose(Command):
    """Propose: put this plan on record, for somebody else to approve or to run; nobody is erased."""

    keys = "o"


class Plan(Frame):
    """What erasing this person takes, destroys and keeps. Nothing happens before you typed the slug."""

    ACTIONS = (Confirm, Propose)
    OPENS = False

    def __init__(self, tenant: Tenant, subject_id: UUID, instruction: str) -> None:
        super().__init__()
        self.tenant, self.subject_id, self.instruction = tenant, subject_id, instruction
        self.plan: ErasurePlan | None = None
        self.state = ""
        self.steps: list[str] = []

    def heading(self) -> str:
        """Return whose erasure is planned."""
        return f"Erasure at {self.tenant.slug}: {self.state or 'planning'}"

    def position(self) -> str:
        """Return nothing: the list is short."""
        return ""

    def command_line(self) -> str:
        """Return the command that runs it."""
        who = f"--tenant {self.tenant.slug} --subject {self.subject_id}"
        return f"erasure run {who} --instruction {quote(self.instruction)}"

    def body(self) -> ComposeResult:
        """Lay out the plan."""
        yield Facts()
        yield Table(
            Column("WHAT", 24), Column("COUNT", 6, right=True), Column("FATE", 24), Column("UNTIL", 10),
            Column("GROUND"),
        )  # fmt: skip

    def load(self) -> None:
        """Ask what the erasure would do, unless it runs or has run."""
        if not self.steps:
            self.work(partial(_plan, tenant=self.tenant, who=self.subject_id, instruction=self.instruction))

    @on(Planned)
    def show(self, event: Planned) -> None:
        """Show the plan."""
        self.plan, self.state = event.plan, event.plan.state
        known = "on record" if event.plan.instruction_on_record else "not on record here"
        self.query_one(Facts).tell([
            ("subject", str(self.subject_id)),
            ("instruction", f"{event.plan.instruction} ({known})"),
        ])  # fmt: skip
        self.show_rows(_rows(event.plan))
        if event.plan.state == "erased":
            self.say("erased before; x writes the certificate anew")

    @on(Confirm)
    def confirm(self) -> None:
        """Ask for the tenant's slug, then erase."""
        if self.plan is None or self.steps:
            self.say("there is nothing to confirm")
            return
        rows = sum(one.rows for one in self.plan.going)
        question = f"Erase this person, {rows:,} rows and their keys, for good?"
        self.make_sure(question, self.tenant.slug, partial(self.erase, self.plan))

    def erase(self, plan: ErasurePlan) -> None:
        """Carry out the very plan that was shown."""
        self.steps.append("begun")
        self.state = "running"
        self.retitle()
        self.say("erasing …")
        self.work(partial(_run, plan=plan, heard=self.post_message), about="erase", change=True)

    @on(Propose)
    def propose(self) -> None:
        """Put the plan on record, and open it there."""
        if self.plan is None or self.steps:
            self.say("there is nothing to propose")
        else:
            self.work(partial(_keep, plan=self.plan), about="propose", change=True)

    @on(Proposed)
    def proposed(self, event: Proposed) -> None:
        """Open the plan that is on record now, in this screen's place."""
        self.console.back()
        self.console.go(make("erasure_kept:OnePlan", event.plan_id))

    @on(Step)
    def stepped(self, event: Step) -> None:
        """Show how far it is."""
        self.steps.append(event.text)
        self.say(f"erasing: {event.text}")

    @on(Erased)
    def done(self, event: Erased) -> None:
        """Show what came of it."""
        result = event.result
        self.arrived()
        self.state = result.outcome
        facts = [
            ("subject", str(result.subject_id)),
            ("erasure", f"{result.erasure_id}, epoch {result.epoch}"),
            ("certificate", result.certificate),
        ]
        if result.pending:
            facts.append(("pending", result.pending))
        self.query_one(Facts).tell(facts)
        self.say(f"{result.outcome}; steps done: {len(self.steps) - 1}", "green")
        self.retitle()


def _plan(session: Session, tenant: Tenant, who: UUID, instruction: str) -> Planned:
    from luactl.erasure import plan

    return Planned(plan(session, tenant, who, instruction))


def _keep(session: Session, plan: ErasurePlan) -> Proposed:
    from luactl.erasure import keep

    return Proposed(keep(session, plan).plan_id)


def _run(session: Session, plan: ErasurePlan, heard: Callable[[Step], object]) -> Erased:
    from luactl.config import find_paths
    from luactl.erasure import run

    def told(name: str) -> None:
        heard(Step(name))

    return Erased(run(replace(session, step=told), plan, find_paths().certificates))


def _rows(plan: ErasurePlan) -> list[Row]:
    going = [Row(one.table, (one.table, f"{one.rows:,}", "goes", "", "")) for one in plan.going]
    keys = [Row(name, (f"key of class {name}", "1", "is destroyed", "", ""), "bad") for name in plan.keys]
    staying = [
        Row(
            (one.table, one.period),
            (
                f"{one.table} {one.period}", f"{one.rows:,}", f"for {one.readable_by} alone",
                f"{one.until:%Y-%m-%d}" if one.until else "–", one.ground,
            ),
            "warn",
        )
        for one in plan.staying
    ]  # fmt: skip
    return [*going, *keys, *staying]
