"""Home: what needs you, one line a matter. What cannot be looked up says so; the others go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from luactl.errors import LuactlError

from .frame import Frame
from .matter import JOBS, Matter
from .place import GoAccess, GoLog, GoRetention, GoTenants, Place
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session


@dataclass
class Looked(Message, bubble=False):
    """A matter was looked up."""

    matter: Matter


LEADS: dict[str, type[Place]] = {
    "tenants": GoTenants, "unfinished": GoTenants, "keys": GoLog, "ledger": GoLog,
    "retention": GoRetention, "access": GoAccess, "log": GoLog,
}  # fmt: skip
DOORS = (
    Matter("retention", "what is due to be purged"),
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
        commands = {
            "tenants": "tenant list", "keys": "key status", "ledger": "ledger status", "log": "log tail",
            "retention": "retention purge --all --dry-run", "access": "access list",
        }  # fmt: skip
        return commands.get(str(row.key), "") if row else ""

    def load(self) -> None:
        """Look everything up, one matter after the other, so that one connection does."""
        if not self.table.rows:
            waiting = [Matter(name, "…", "dim") for name in JOBS]
            self.table.fill([_row(matter) for matter in (*waiting, *DOORS)])
        first, self.console.first = self.console.first, None
        if first is not None:
            self.table.change(_row(first))
        self.after(first.name if first else "")

    def after(self, name: str) -> None:
        """Look up what comes after a matter; the first one after none."""
        names = ["", *JOBS, ""]
        self.looking = names[names.index(name) + 1]
        if self.looking:
            self.work(partial(_look, job=JOBS[self.looking]), about="matter")

    @on(Looked)
    def show(self, event: Looked) -> None:
        """Fill in one line."""
        self.arrived()
        self.table.change(_row(event.matter))
        self.after(event.matter.name)

    def failed(self, error: LuactlError, about: str) -> None:
        """Say in the line itself why it cannot be looked up; the others go on."""
        self.arrived()
        self.table.change(_row(Matter(self.looking, error.what, "dim")))
        self.after(self.looking)

    def opened(self, row: Row) -> None:
        """Go to what a line is about."""
        self.perform(LEADS[str(row.key)])


def _look(session: Session, job: Callable[[Session], Matter]) -> Looked:
    return Looked(job(session))


def _row(matter: Matter) -> Row:
    return Row(matter.name, (matter.name, matter.state), matter.style)
