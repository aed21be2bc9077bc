"""Home: what needs you, one line a matter; each is looked up by a job of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from luactl.errors import LuactlError

from .frame import Frame
from .place import GoAccess, GoLog, GoRetention, GoTenants, Place
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session


@dataclass(frozen=True)
class Matter:
    """Something that may need you."""

    name: str
    state: str
    """One sentence."""
    style: str = ""


@dataclass
class Looked(Message, bubble=False):
    """A matter was looked up."""

    matter: Matter


def tenants(session: Session) -> Matter:
    """Count tenants, and name those that are not active."""
    from luactl.tenant import list_

    found = list_(session)
    idle = [one.slug for one in found if one.status != "active"]
    text = f"{len(found):,} tenants" if len(found) != 1 else "1 tenant"
    if not idle:
        return Matter("tenants", text)
    more = f" and {len(idle) - 3:,} more" if len(idle) > 3 else ""
    return Matter("tenants", f"{text}; not active: {', '.join(idle[:3])}{more}", "warn")


def unfinished(session: Session) -> Matter:
    """Name the oldest erasure or purge that was cut short."""
    from luactl.erasure import unfinished as cut_short

    found = cut_short(session)
    if not found:
        return Matter("unfinished", "no erasure or purge was cut short", "good")
    oldest = found[0]
    which = f"{oldest.kind} at {oldest.tenant}, {oldest.since:%Y-%m-%d %H:%M}"
    return Matter("unfinished", f"{len(found):,} cut short; the oldest: {which}", "bad")


def ledger(session: Session) -> Matter:
    """Tell how many entries wait for a checkpoint, and for how long."""
    from luactl.ledger import status

    found = status(session)
    broken = [anchor.problem for anchor in found.anchors if anchor.problem]
    if broken:
        return Matter("ledger", f"an anchor is at fault: {broken[0]}", "bad")
    if not found.pending:
        return Matter("ledger", f"{found.size:,} entries, all under a checkpoint", "good")
    waiting = "1 entry waits" if found.pending == 1 else f"{found.pending:,} entries wait"
    text = f"{waiting} for a checkpoint, since {int(found.lag_seconds) // 60:,} min"
    return Matter("ledger", text, "warn" if found.lag_seconds >= 3600 else "")


def keys(session: Session) -> Matter:
    """Tell whether tree, holders and key books agree."""
    from luactl.key import status

    found = status(session, count=False)
    state = found.state.value
    if state == "settled":
        return Matter("keys", f"settled at epoch {found.epoch:,}", "good")
    return Matter("keys", f"{state} at epoch {found.epoch:,}: `luactl key status` shows where", "bad")


JOBS: dict[str, Callable[[Session], Matter]] = {
    "tenants": tenants, "unfinished": unfinished, "keys": keys, "ledger": ledger,
}  # fmt: skip
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
        """Look everything up, each line on its own."""
        if not self.table.rows:
            waiting = [Matter(name, "…", "dim") for name in JOBS]
            self.table.fill([_row(matter) for matter in (*waiting, *DOORS)])
        for name, job in JOBS.items():
            self.work(lambda session, job=job: Looked(job(session)), about=name)  # type: ignore[misc]

    @on(Looked)
    def show(self, event: Looked) -> None:
        """Fill in one line."""
        self.arrived()
        self.table.change(_row(event.matter))

    def failed(self, error: LuactlError, about: str) -> None:
        """Say in the line itself why it cannot be looked up; the others go on."""
        self.table.change(_row(Matter(about, error.what, "dim")))

    def opened(self, row: Row) -> None:
        """Go to what a line is about."""
        self.perform(LEADS[str(row.key)])


def _row(matter: Matter) -> Row:
    return Row(matter.name, (matter.name, matter.state), matter.style)
