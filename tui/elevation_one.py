"""One elevation: whose it is, for what, and what was done with it; another person signs it off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .command import Command
from .facts import Facts
from .form import Field, ask_all
from .frame import Frame
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.access.elevation import Act, Elevation, Review
    from luactl.db import Session

REASON = Field("What was found", "the ledger keeps it; no personal data")


@dataclass
class Shown(Message, bubble=False):
    """What was done."""

    seen: Review


@dataclass
class SignedOff(Message, bubble=False):
    """Somebody looked at it."""

    text: str


class SignOff(Command):
    """Sign off: write down that you, another person, looked at all of it."""

    keys = "s"


class OneElevation(Frame):
    """One elevation, and what its login did, out of the ledger. `s` signs it off, once it has ended.

    What was done past luactl stands in the server's log; how many of its lines name the login is counted.
    """

    ACTIONS = (SignOff,)
    OPENS = False

    def __init__(self, elevation_id: UUID) -> None:
        super().__init__()
        self.elevation_id = elevation_id
        self.seen: Review | None = None

    def heading(self) -> str:
        """Return whose it is."""
        if self.seen is None:
            return f"Elevation {self.elevation_id}"
        one = self.seen.elevation
        return f"{one.person}: {one.role} on {one.tenant}, {one.state}"

    def command_line(self) -> str:
        """Return the command that shows the same."""
        return f"access elevation review {self.elevation_id}"

    def body(self) -> ComposeResult:
        """Lay out facts, and what was done."""
        yield Facts()
        yield Table(
            Column("ACTION"), Column("OUTCOME", 8), Column("TENANT", 18), Column("ENTRIES", 7, right=True),
            Column("PEOPLE", 6, right=True), Column("LAST", 16),
            empty="the login did nothing that the ledger has",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for it."""
        self.work(partial(_look, elevation_id=self.elevation_id))

    @on(Shown)
    def show(self, event: Shown) -> None:
        """Show it."""
        self.seen = event.seen
        self.query_one(Facts).tell(_facts(event.seen))
        self.show_rows([_row(one) for one in event.seen.acts])
        self.retitle()

    @on(SignOff)
    def sign_off(self) -> None:
        """Ask what was found, then write it down."""
        if self.seen is None or self.seen.elevation.state not in ("ended", "ending"):
            self.say("nothing to sign off: it goes on, or is signed off")
        else:
            ask_all(self.app, (REASON,), partial(self._sign_off, self.seen))

    def _sign_off(self, seen: Review, told: list[str]) -> None:
        self.work(partial(_sign_off, seen=seen, reason=told[0]), about="change", change=True)

    @on(SignedOff)
    def signed_off(self, event: SignedOff) -> None:
        """Say so, and look again."""
        self.arrived()
        self.say(event.text, "green")
        self.load()


def _look(session: Session, elevation_id: UUID) -> Shown:
    from luactl.access.elevation import review

    return Shown(review(session, elevation_id))


def _sign_off(session: Session, seen: Review, reason: str) -> SignedOff:
    from luactl.access.elevation import sign_off

    done = sign_off(session, seen, reason)
    return SignedOff(f"signed off: {done.entries:,} entries about {done.people:,} people")


def _facts(seen: Review) -> list[tuple[str, str]]:
    one = seen.elevation
    facts = [
        ("login", one.login),
        (
            "asked by",
            f"{one.asked_by}, {'GLASS BROKEN' if one.breaks_glass else f'approval {one.approval_id}'}",
        ),
        ("why", one.reason),
        ("from, to", f"{one.begun_at:%Y-%m-%d %H:%M} to {one.ended_at or one.ends_at:%Y-%m-%d %H:%M}"),
        ("seen", f"{seen.entries:,} entries, {len(seen.people):,} people, {seen.lines:,} lines of servers"),
    ]
    return [*facts, *_signed(one)]


def _signed(one: Elevation) -> list[tuple[str, str]]:
    if one.signed_off_at is None:
        return []
    return [
        ("signed off", f"{one.signed_off_at:%Y-%m-%d %H:%M} by {one.signed_off_by}: {one.signed_off_for}")
    ]


def _row(one: Act) -> Row:
    cells = (
        one.action, one.outcome, one.tenant or "none", f"{one.entries:,}", f"{one.people:,}",
        f"{one.last_at:%Y-%m-%d %H:%M}",
    )  # fmt: skip
    return Row((one.action, one.outcome, one.tenant), cells, copy=one.action)
