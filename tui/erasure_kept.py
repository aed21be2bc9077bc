"""One plan on record: what it would do now beside what it was, its approval, and carrying it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from . import erasure_lines as lines
from .answering import Answering, Deny, Grant, answers, standing
from .ask import Ask
from .command import Command
from .erasing import Erasing, Halt, Run
from .facts import Facts
from .place import make
from .row import Row, counted
from .table import Table

if TYPE_CHECKING:
    from luactl.approval import Approval
    from luactl.db import Session
    from luactl.erasure import ErasurePlan, ErasureResult, KeptPlan, Preview


@dataclass
class Looked(Message, bubble=False):
    """A plan as it was and as it is, and the places it would reach."""

    preview: Preview
    request: Approval | None
    """The request that counts."""
    places: tuple[dict[str, Any], ...]


@dataclass
class Begun(Message, bubble=False):
    """The plan is no longer on record: its erasure was begun."""

    erasure_id: UUID


@dataclass
class Asked(Message, bubble=False):
    """Approval was asked for."""

    request: Approval | None
    """None: the rule wants none."""


@dataclass
class Kept(Message, bubble=False):
    """The plan is on record anew."""

    kept: KeptPlan


@dataclass
class Withdrawn(Message, bubble=False):
    """The plan is off the record."""


class AskApproval(Command):
    """Ask: ask for the approval that this plan needs; somebody else answers."""

    keys = "a"


class PlanAgain(Command):
    """Plan again: put the plan on record as it is now, in your name."""

    keys, shown = "p", False


class Withdraw(Command):
    """Withdraw: take this plan off the record; nobody is erased by it."""

    keys, shown = "w", False


AHEAD = {"effective": "at once", "scheduled": "later"}
"""What the states of places are called before anything happened."""


class OnePlan(Erasing, Answering):
    """One plan: what goes and what stays, then and now; who may approve it, and who did.

    Nobody is erased before you typed the tenant's slug. Enter shows a line in full.
    """

    ACTIONS = (Run, Halt, AskApproval, Grant, Deny, PlanAgain, Withdraw)

    def __init__(self, plan_id: UUID) -> None:
        super().__init__()
        self.plan_id = plan_id
        self.preview: Preview | None = None
        self.asked: Approval | None = None
        self.begun: UUID | None = None
        """The erasure that the plan became."""

    def heading(self) -> str:
        """Return whose plan it is, and how far a run is."""
        if self.preview is None:
            return f"Plan {self.plan_id}"
        kept = self.preview.kept
        return f"Plan, {self.progress or self._state()}, at {kept.tenant}"

    def _state(self) -> str:
        if self.preview is None:
            return ""
        if self.preview.problem:
            return "not to be run as it is"
        if self.preview.kept.held and self.preview.now and self.preview.now.held:
            return "held back in part"
        if not self.preview.needed:
            return "needs no approval"
        return self.asked.state if self.asked else "not asked for approval yet"

    def command_line(self) -> str:
        """Return the command that runs it, or first asks for approval."""
        tenant = self.preview.kept.tenant if self.preview else "SLUG"
        left_out = " --except-held" if self.preview and self.preview.now and self.preview.now.held else ""
        return f"erasure run --tenant {tenant} --plan {self.plan_id}{left_out}"

    def body(self) -> ComposeResult:
        """Lay out facts and lines."""
        yield Facts()
        yield Table(*lines.COLUMNS)

    def load(self) -> None:
        """Plan again and look who approved, unless it runs."""
        if self.halt is None:
            now = self.preview.now if self.preview else None
            self.work(partial(_look, plan_id=self.plan_id, known=now))

    @on(Looked)
    def show(self, event: Looked) -> None:
        """Show plan, drift, approval and places."""
        self.preview, self.asked = event.preview, event.request
        kept, now = self.preview.kept, self.preview.now
        self.query_one(Facts).tell(_facts(self.preview, self.asked))
        self.show_rows([*lines.planned(kept, now), *lines.places(event.places, self.console.clock.now())])
        self.retitle()

    @on(Begun)
    def show_begun(self, event: Begun) -> None:
        """Go on to the erasure."""
        self.begun = event.erasure_id
        self._move_on()

    def on_screen_resume(self) -> None:
        """Go on to the erasure once nothing stands before it."""
        self._move_on()

    def _move_on(self) -> None:
        if self.begun is not None and self.app.screen is self:
            self.console.back()
            self.console.go(make("erasure_one:OneErasure", self.begun))

    def opened(self, row: Row) -> None:
        """Show the whole of a line."""
        self.app.push_screen(lines.full(row), self.copy)

    # What is done with it.

    def request(self) -> Approval | None:
        """Return the request for its approval."""
        return self.asked

    def answered(self) -> None:
        """Look again."""
        self.load()

    def _now(self) -> ErasurePlan | None:
        """Return the plan as it is now, if it may be used; else say why not."""
        if self.halt is not None or self.preview is None:
            self.say(self.progress or "still looking")
            return None
        if self.preview.problem:
            self.say(f"not possible: {self.preview.problem}")
            return None
        return self.preview.now

    @on(Run)
    def run_it(self) -> None:
        """Ask for the slug, then carry out the very plan that is shown."""
        now = self._now()
        if now is None or self.preview is None:
            return
        kept, rows = self.preview.kept, sum(one.rows for one in now.going)
        left_out = f" ({len(now.held):,} held are left out)" if now.held else ""
        question = f"Erase {now.people:,} people, {counted(rows, 'row')}{left_out}, for good?"
        self.confirm(question, kept.tenant, partial(_run, kept=kept, now=now), now.people)

    def erased(self, results: tuple[ErasureResult, ...]) -> None:
        """Open what came of it in this screen's place."""
        self.begun = results[0].erasure_id
        self._move_on()

    @on(AskApproval)
    def ask_approval(self) -> None:
        """Ask for approval."""
        now = self._now()
        if now is not None:
            self.work(partial(_ask, now=now), about="ask", change=True)

    @on(Asked)
    def was_asked(self, event: Asked) -> None:
        """Say who is asked."""
        self.arrived()
        one = event.request
        self.say(
            f"request {one.approval_id} is {one.state}" if one else "the rule wants no approval: x runs it",
            "green",
        )
        self.load()
        self.console.ask_clocks()

    @on(PlanAgain)
    def plan_again(self) -> None:
        """Put the plan on record as it is now."""
        if self.halt is None and self.preview is not None and self.preview.now is not None:
            self.work(partial(_keep, now=self.preview.now), about="keep", change=True)

    @on(Kept)
    def was_kept(self, event: Kept) -> None:
        """Show the plan that is on record now."""
        self.arrived()
        self.plan_id = event.kept.plan_id
        self.say("on record as it is now", "green")
        self.load()

    @on(Withdraw)
    def withdraw(self) -> None:
        """Ask, then take the plan off the record."""
        if self.halt is None:
            self.app.push_screen(Ask("Withdraw this plan? Type yes:", must="yes"), self._withdraw)

    def _withdraw(self, typed: str | None) -> None:
        if typed is not None:
            self.work(partial(_withdraw, plan_id=self.plan_id), about="withdraw", change=True)

    @on(Withdrawn)
    def gone_from_record(self) -> None:
        """Go back to the queue."""
        self.console.back()


def _facts(seen: Preview, asked: Approval | None) -> list[tuple[str, str]]:
    kept, now = seen.kept, seen.now
    people = f"{kept.people:,} when planned"
    people += f", {now.people:,} now; {len(now.held):,} held, {now.before:,} erased before" if now else ""
    facts = [
        ("plan", f"{kept.instruction}, {kept.scope}, by {kept.made_by} {kept.made_at:%Y-%m-%d %H:%M}"),
        ("people", people),
    ]
    drift = "; ".join(f"{one.what} {one.planned:,} → {one.now:,}" for one in seen.drift)
    drift = f"{drift}: p puts it on record as it is now" if drift else "none: it is as it was planned"
    facts.append(("drift", seen.problem or drift))
    wanted = counted(seen.needed, "approval")
    needs = f"needs {wanted}: a asks" if seen.needed else "none needed for so many people"
    facts.append(("approval", standing(asked) if asked else needs))
    return facts + (answers(asked) if asked else [])


def _look(session: Session, plan_id: UUID, known: ErasurePlan | None) -> Looked | Begun:
    from luactl.erasure import ahead, chosen, preview
    from luactl.errors import NotFoundError, RefusedError

    try:
        seen = preview(session, plan_id)
    except NotFoundError:
        erasure_id = _became(session, known) if known else None
        if erasure_id is None:
            raise
        return Begun(erasure_id)
    try:
        found = ahead(session, seen.now) if seen.now else ()
    except RefusedError:  # off a key host nobody can say what the holders are
        found = ()
    request = chosen(seen.requests, session.actor)
    return Looked(
        seen, request, tuple({**asdict(one), "state": AHEAD.get(one.state, one.state)} for one in found)
    )


def _became(session: Session, known: ErasurePlan) -> UUID | None:
    """Return the erasure that a plan became; None when it was withdrawn."""
    from luactl.erasure import plan
    from luactl.tenant import find

    tenant = find(session, known.tenant)
    return plan(session, tenant, known.subjects, known.instruction, scope=known.scope).erasure_id


def _ask(session: Session, now: ErasurePlan) -> Asked:
    from luactl.erasure import ask

    return Asked(ask(session, now))


def _keep(session: Session, now: ErasurePlan) -> Kept:
    from luactl.erasure import keep

    return Kept(keep(session, now))


def _withdraw(session: Session, plan_id: UUID) -> Withdrawn:
    from luactl.erasure import withdraw

    withdraw(session, plan_id)
    return Withdrawn()


def _run(
    session: Session, base: Path, heard: Callable[[int], None], kept: KeptPlan, now: ErasurePlan
) -> tuple[ErasureResult, ...]:
    from luactl.erasure import again, run

    again(kept.saved, now)
    return (run(session, now, base, progress=heard, except_held=bool(now.held)),)
