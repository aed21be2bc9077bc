"""Home: what needs you, one line a matter. What cannot be looked up says so; the others go on.

A matter that a missing right or a time-out kept from being looked up is not asked for again until somebody
reloads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from luactl.errors import BusyError, LuactlError, RefusedError

from .frame import Frame
from .matter import JOBS, Matter
from .place import (
    GoAccess,
    GoApprovals,
    GoElevations,
    GoErasures,
    GoKeys,
    GoLedger,
    GoLog,
    GoPromises,
    GoRequests,
    GoRetention,
    GoReviews,
    GoStaff,
    GoTenants,
    GoUnfinished,
    Place,
)  # fmt: skip
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session


@dataclass
class Looked(Message, bubble=False):
    """A matter was looked up."""

    matter: Matter


LEADS: dict[str, type[Place]] = {
    "tenants": GoTenants, "approvals": GoApprovals, "elevations": GoElevations, "erasures": GoErasures,
    "unfinished": GoUnfinished,
    "retention": GoRetention, "requests": GoRequests, "reviews": GoReviews, "promises": GoPromises,
    "waivers": GoPromises, "findings": GoLog, "ledger": GoLedger, "keys": GoKeys, "staff": GoStaff,
    "access": GoAccess, "log": GoLog,
}  # fmt: skip
COMMANDS = {
    "tenants": "tenant list", "approvals": "approval list --mine",
    "elevations": "access elevation list", "erasures": "erasure queue --open",
    "unfinished": "key status", "retention": "retention purge --all --dry-run", "requests": "request list",
    "reviews": "access review list", "promises": "promise status", "waivers": "promise status",
    "findings": "log finding list --since -7d", "ledger": "ledger status",
    "keys": "key status", "staff": "staff list", "access": "access list", "log": "log tail",
}  # fmt: skip
LONGEST_SECONDS = 5.0
"""How long one matter may ask the database."""
DOORS = (
    Matter("access", "who can reach what, and how"),
    Matter("log", "who did what, and what happens right now"),
)


class Home(Frame):
    """What needs you, and the ways to everything else. Each line opens what it is about."""

    looking = ""

    def heading(self) -> str:
        """Return the name of the screen."""
        return "What needs you"

    def position(self) -> str:
        """Return nothing: the list is short."""
        return ""

    def body(self) -> ComposeResult:
        """Lay out the list of matters."""
        yield Table(Column("", 12), Column(""))

    def command_line(self) -> str:
        """Return the command behind the line under the cursor."""
        row = self.table.current
        return COMMANDS[str(row.key)] if row else ""

    def load(self) -> None:
        """Look everything up, one matter after the other, so that one connection does."""
        if not self.table.rows:
            waiting = [Matter(name, "…", "dim") for name in JOBS]
            self.table.fill([_row(matter) for matter in (*waiting, *DOORS)])
        first, self.console.first = self.console.first, None
        if first is not None:
            self.table.change(_row(first))
        # The screen first: a thread that looks things up meanwhile would slow its drawing.
        self.call_after_refresh(self.after, first.name if first else "")

    def after(self, name: str) -> None:
        """Look up what comes after a matter, the first one after none; then ask which clocks run."""
        names = [*JOBS]
        left = names[names.index(name) + 1 :] if name else names
        self.looking = next((one for one in left if one not in self.console.refused), "")
        if self.looking:
            self.work(partial(_look, job=JOBS[self.looking]), about="matter", seconds=LONGEST_SECONDS)
        else:
            self.console.ask_clocks()

    def reload(self) -> None:
        """Ask the database again, for what it refused as well."""
        self.console.refused.clear()
        self.console.running.unknown.clear()
        self.load()

    def on_screen_resume(self) -> None:
        """Look again when somebody comes back."""
        if self.table.rows and not self.looking and self.console.lost is None:
            self.load()

    @on(Looked)
    def show(self, event: Looked) -> None:
        """Fill in one line."""
        self.arrived()
        self.table.change(_row(event.matter))
        self.after(event.matter.name)

    def failed(self, error: LuactlError, about: str) -> None:
        """Say in the line itself why it cannot be looked up, and what to do; the others go on."""
        self.arrived()
        if isinstance(error, (BusyError, RefusedError)):
            self.console.refused[self.looking] = error
        hint = f": {error.hint}" if error.hint else ""
        self.table.change(_row(Matter(self.looking, f"{error.what}{hint}", "dim")))
        self.after(self.looking)

    def opened(self, row: Row) -> None:
        """Go to what a line is about, or tell in full why it could not be looked up."""
        error = self.console.refused.get(str(row.key))
        if error is None:
            self.perform(LEADS[str(row.key)])
            return
        from .notice import Notice

        text = f"{error.what}\n\n{error.hint or ''}\n\nr asks again"
        self.app.push_screen(Notice("not looked up", text, error=True))


def _look(session: Session, job: Callable[[Session], Matter]) -> Looked:
    return Looked(job(session))


def _row(matter: Matter) -> Row:
    return Row(matter.name, (matter.name, matter.state), matter.style)
