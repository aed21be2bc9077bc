"""Roles for a time: what is asked for, what goes on, what nobody looked at yet, and how long it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .by_state import ByState, NextState
from .command import Command
from .deadline import span
from .form import Field, ask_all
from .place import make
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from datetime import datetime

    from luactl.access.elevation import Elevation
    from luactl.approval import Approval
    from luactl.db import Session

MOST = 500
"""How many are shown."""
STATES = {
    "waiting": "warn", "granted": "good", "open": "warn", "over": "bad", "ending": "bad", "ended": "warn",
    "signed off": "dim",
}  # fmt: skip
FIELDS = (
    Field("Role", "operator, responder, auditor or accounting", "operator"),
    Field("Tenant", "its slug"),
    Field("For how long", "30m, 2h, 1h30m", "1h"),
    Field("Why", "the ledger keeps it; no personal data"),
)


@dataclass
class Listed(Message, bubble=False):
    """What is asked for, and elevations, newest first."""

    requests: tuple[Approval, ...]
    found: tuple[Elevation, ...]
    cut: bool
    """Whether there are more."""
    now: datetime


@dataclass
class Changed(Message, bubble=False):
    """Something began or ended."""

    text: str
    style: str = "green"


class AskFor(Command):
    """Ask: for a role on one tenant, for a time; somebody else approves it."""

    keys = "plus"


class Begin(Command):
    """Begin: what was granted, under the cursor; a profile beside your own enters with it."""

    keys = "b"


class BreakGlass(Command):
    """Break glass: have a role at once, without approval and with an alarm."""

    keys, shown = "exclamation_mark", False


class EndIt(Command):
    """End: end the one under the cursor now, with its sessions."""

    keys = "x"


class Elevations(ByState):
    """Roles for a time: requests that wait or are granted, what goes on, what ended and nobody signed off.

    Enter opens one: a request to answer it, an elevation to see what was done. The database ends each at its
    time.
    """

    ACTIONS = (AskFor, Begin, EndIt, NextState, BreakGlass)
    AGAIN = True
    STATES = STATES

    def heading(self) -> str:
        """Return how many are in which state."""
        counts = self.counts()
        return f"Elevations: {counts}" if counts else "Elevations"

    def command_line(self) -> str:
        """Return the command that lists them."""
        return "access elevation list"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("STATE", 10), Column("LEFT", 7, right=True), Column("WHO", 14), Column("ROLE", 10),
            Column("TENANT"), Column("WHY"), Column("UNTIL", 16, wide=True), Column("ID", 36, wide=True),
            empty="nobody has, or asks for, a role for a time",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for them."""
        self.work(_list)

    @on(Listed)
    def show(self, event: Listed) -> None:
        """Show them, what goes on first."""
        self.cut = event.cut
        rows = [_asked(one, event.now) for one in event.requests]
        rows += [_had(one, event.now) for one in event.found]
        order = list(STATES)
        self.show_rows(sorted(rows, key=lambda row: order.index(row.cells[0])))
        self.retitle()

    def opened(self, row: Row) -> None:
        """Open a request or an elevation."""
        asked = row.cells[0] in ("waiting", "granted")
        self.console.go(make("approval:OneApproval" if asked else "elevation_one:OneElevation", row.key))

    @on(AskFor)
    def ask_for(self) -> None:
        """Ask which, where, how long and why, then ask for the approval of somebody else."""
        ask_all(self.app, FIELDS, lambda told: self._change(partial(_ask, told=told)))

    @on(BreakGlass)
    def break_glass(self) -> None:
        """Ask which, where, how long and why, then for a word; begin at once."""
        ask_all(self.app, FIELDS, self._sure_of_glass)

    def _sure_of_glass(self, told: list[str]) -> None:
        question = f"Break glass: {told[0]} on {told[1]} for {told[2]}, with an alarm at once?"
        self.make_sure(question, told[1], lambda: self._change(partial(_break, told=told)))

    @on(Begin)
    def begin(self) -> None:
        """Begin what was granted."""
        row = self.table.current
        if row is None or row.cells[0] != "granted" or not isinstance(row.key, UUID):
            self.say("nothing to begin: a granted request of yours is needed")
        else:
            then = partial(self._change, partial(_begin, approval_id=row.key))
            self.make_sure(f"Begin now: {row.cells[3]} on {row.cells[4]}?", self.word(row.cells[4]), then)

    @on(EndIt)
    def end(self) -> None:
        """Ask, then end it."""
        row = self.table.current
        going = row is not None and row.cells[0] in ("open", "over", "ending")
        if row is None or not going or not isinstance(row.key, UUID):
            self.say("nothing to end: it is over, or never began")
        else:
            then = partial(self._change, partial(_end, elevation_id=row.key))
            self.make_sure(f"End what {row.cells[2]} has on {row.cells[4]}?", self.word(row.cells[4]), then)

    def _change(self, job: Callable[[Session], Changed]) -> None:
        self.say("working …")
        self.work(job, about="change", change=True)

    @on(Changed)
    def changed(self, event: Changed) -> None:
        """Say what was done, and look again."""
        self.arrived()
        self.say(event.text, event.style)
        self.load()
        self.console.ask_clocks()


def _list(session: Session) -> Listed:
    from luactl.access.elevation import list_
    from luactl.approval import list_ as asked

    requests = [one for one in asked(session, open_only=True) if one.action == "access.elevate"]
    waiting = tuple(one for one in requests if one.state in ("waiting", "granted"))
    every = list_(session, limit=MOST + 1)
    return Listed(waiting, every[:MOST], len(every) > MOST, session.clock.now())


def _asked(one: Approval, now: datetime) -> Row:
    said, left = one.request.exact, span(one.expires_at - now)
    cells = (
        one.state, left, one.requested_by, said["role"].removeprefix("lua_"), said["tenant"], said["reason"],
        f"{one.expires_at:%Y-%m-%d %H:%M}", str(one.approval_id),
    )  # fmt: skip
    return Row(one.approval_id, cells, STATES[one.state], copy=str(one.approval_id))


def _had(one: Elevation, now: datetime) -> Row:
    why = f"GLASS BROKEN: {one.reason}" if one.breaks_glass else one.reason
    left = span(one.left(now)) if one.state == "open" else ""
    style = "bad" if one.breaks_glass and one.state != "signed off" else STATES[one.state]
    cells = (
        one.state, left, one.person, one.role.removeprefix("lua_"), one.tenant, why,
        f"{one.ended_at or one.ends_at:%Y-%m-%d %H:%M}", str(one.elevation_id),
    )  # fmt: skip
    return Row(one.elevation_id, cells, style, copy=str(one.elevation_id))


def _ask(session: Session, told: list[str]) -> Changed:
    from luactl.access import elevation
    from luactl.approval import ApprovalNeededError

    role, tenant, time, reason = told
    order = elevation.prepare(role, tenant, elevation.minutes_of(time), reason)
    try:
        done = elevation.elevate(session, order)
    except ApprovalNeededError as needed:
        return Changed(f"asked: request {needed.approval_id} waits for somebody else", "yellow")
    return Changed(f"begun: `luactl --profile {done.profile}` enters with it")


def _break(session: Session, told: list[str]) -> Changed:
    from luactl.access import elevation

    role, tenant, time, reason = told
    order = elevation.prepare(role, tenant, elevation.minutes_of(time), reason, breaks_glass=True)
    done = elevation.elevate(session, order)
    heard = [one.channel for one in elevation.alarm(session, done) if one.problem is None]
    return Changed(
        f"begun; told: {', '.join(heard) or 'nobody yet'}; `luactl --profile {done.profile}` enters"
    )


def _begin(session: Session, approval_id: UUID) -> Changed:
    from luactl.access import elevation
    from luactl.approval import find

    done = elevation.elevate(session, elevation.order_of(find(session, approval_id).request))
    return Changed(f"begun: `luactl --profile {done.profile}` enters with it")


def _end(session: Session, elevation_id: UUID) -> Changed:
    from luactl.access.elevation import end

    done = end(session, elevation_id)
    return Changed(
        "ended; its sessions and its login are gone" if done.cleared else "ended; its login is still there"
    )
