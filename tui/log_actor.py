"""What one login did within a time: people, tenants, addresses, against its usual day and that of others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from luactl.errors import LuactlError, NotFoundError

from .facts import Facts
from .frame import Frame
from .place import make
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from datetime import datetime

    from luactl.db import Session
    from luactl.log import Actor


@dataclass
class Told(Message, bubble=False):
    """What it did."""

    actor: Actor


class Doings(Frame):
    """What one login did: how many people, where, from where, and how that compares with its usual day.

    Enter opens its lines at a tenant, or from an address.
    """

    def __init__(self, actor: str, since: datetime, until: datetime | None = None) -> None:
        super().__init__()
        self.actor, self.since, self.until = actor, since, until

    def heading(self) -> str:
        """Return whose doings they are."""
        return f"Doings of {self.actor}"

    def command_line(self) -> str:
        """Return the command that tells the same."""
        until = f" --until {self.until.isoformat()}" if self.until else ""
        return f"log actor {self.actor} --since {self.since.isoformat()}{until}"

    def body(self) -> ComposeResult:
        """Lay out the sums, then tenants and addresses."""
        yield Facts()
        yield Table(
            Column("WHERE", 7), Column("NAME"), Column("ENTRIES", 9, right=True),
            Column("PEOPLE", 7, right=True), Column("FIRST", 16, wide=True), Column("LAST", 16),
            Column("NEW", 3), empty="nowhere",
        )  # fmt: skip

    def load(self) -> None:
        """Ask what it did."""
        self.work(partial(_actor, name=self.actor, since=self.since, until=self.until))

    @on(Told)
    def show(self, event: Told) -> None:
        """Show it."""
        one = event.actor
        self.query_one(Facts).tell(_facts(one))
        self.show_rows([
            Row(
                (kind, at.name),
                (kind, at.name, f"{at.entries:,}", "–" if at.people is None else f"{at.people:,}",
                 f"{at.first_at:%Y-%m-%d %H:%M}", f"{at.last_at:%Y-%m-%d %H:%M}", "new" if at.is_new else ""),
                "warn" if at.is_new else "",
                copy=at.name,
            )
            for kind, found in (("tenant", one.tenants), ("address", one.addresses))
            for at in found
        ])  # fmt: skip

    def failed(self, error: LuactlError, about: str) -> None:
        """Show what servers wrote of a login that no entry of the ledger names."""
        if isinstance(error, NotFoundError):
            self.console.back()
            self.console.go(make("log:Log", self.parts()))
        else:
            super().failed(error, about)

    def opened(self, row: Row) -> None:
        """Open its lines there."""
        from luactl.log import part

        self.console.go(make("log:Log", [part(row.cells[0], row.cells[1]), *self.parts()]))

    def parts(self) -> list[str]:
        """Return the query for all of its lines in that time."""
        from luactl.log import part

        until = [f"until:{self.until.isoformat()}"] if self.until else []
        return [part("actor", self.actor), f"since:{self.since.isoformat()}", *until]


def _facts(one: Actor) -> list[tuple[str, str]]:
    busiest = f"{one.busiest_people:,} people on {one.busiest_day:%Y-%m-%d}" if one.busiest_day else "nobody"
    return [
        ("from", f"{one.since:%Y-%m-%d %H:%M} to {one.until:%Y-%m-%d %H:%M} UTC"),
        ("entries", f"{one.entries:,}, {one.reads:,} of them readings"),
        ("people", f"{one.people:,}, {one.new_people:,} not touched in the 90 days before"),
        ("busiest day", busiest),
        ("usual day", f"{_usual(one.usual_people)}; of others {_usual(one.peers_people)}"),
    ]


def _usual(people: float | None) -> str:
    return "unknown" if people is None else f"{people:,.0f} people"


def _actor(session: Session, name: str, since: datetime, until: datetime | None) -> Told:
    from luactl.log import actor

    return Told(actor(session, name, since, until))
