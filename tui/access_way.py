"""One way of a login to an object: drawn, with the statement that cuts it, and what else that breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from shlex import quote
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .access_explorer import Reached, Reaching, What, Who
from .facts import Facts
from .frame import Frame
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.access import Access, Loss
    from luactl.db import Session

ITSELF = ("grant", "owner", "PUBLIC", "membership", "attribute", "superuser", "setting", "user mapping")
"""What a way leads over that is no stop of its own."""


@dataclass
class Broken(Message, bubble=False):
    """What the cut takes."""

    losses: tuple[Loss, ...]


class OneWay(Frame):
    """One way, from whoever logs in to what is reached, and what would cut it; `y` copies that.

    The list is what the cut takes, from this login and from everybody else. Nothing is run from here.
    """

    ACTIONS = (Who, What)
    OPENS = False

    def __init__(self, way: Access) -> None:
        super().__init__()
        self.way = way

    def heading(self) -> str:
        """Return who reaches what."""
        return f"{self.way.login} to {self.way.object}: {self.way.how}"

    def command_line(self) -> str:
        """Return the command that explains it."""
        return (
            f"access who {quote(self.way.asked)} --explain {quote(self.way.login)}" if self.way.asked else ""
        )

    def body(self) -> ComposeResult:
        """Lay out the way, and what cutting it takes."""
        facts = Facts()
        facts.tell([*_told(self.way)])
        yield facts
        yield Table(
            Column("ALSO TAKEN FROM", 18), Column("OBJECT"), Column("LOSES", 20), Column("STILL REACHED"),
            empty="the cut takes nothing",
        )  # fmt: skip

    def load(self) -> None:
        """Ask what the cut takes."""
        if self.way.asked:
            self.work(partial(_explain, way=self.way))
        else:
            self.show_rows([])

    @on(Broken)
    def show(self, event: Broken) -> None:
        """Show what is lost; what is reached all the same is only a change."""
        mine = self.way.login
        self.show_rows([
            Row(one, (one.login, one.object, one.rights, one.still or "no"),
                "dim" if one.still else "" if one.login == mine else "warn", copy=one.login)
            for one in event.losses
        ])  # fmt: skip

    def copy_row(self) -> None:
        """Copy what cuts the way."""
        self.copy(self.way.cut)

    @on(Who)
    def who(self) -> None:
        """Show who else reaches it."""
        if self.way.asked:
            self.console.go(Reaching(self.way.asked))
        else:
            self.say("nobody else can reach this")

    @on(What)
    def what(self) -> None:
        """Show what else the login reaches."""
        self.console.go(Reached(self.way.login))


def drawn(way: Access) -> Iterator[str]:
    """Yield a way as lines, each step one deeper: person, login, roles, what leads around, the object."""
    stops = [*([way.person] if way.person else []), *way.path.split(" > ")]
    if way.via not in (*ITSELF, *stops):
        stops.append(way.via)
    end = f"{way.object}: {way.rights}"
    end += f", rows: {way.rows}" if way.rows else ""
    for depth, stop in enumerate([*stops, end]):
        yield f"{'  ' * (depth - 1)}└ {stop}" if depth else stop


def _told(way: Access) -> Iterator[tuple[str, str]]:
    yield from zip(chain(["way"], repeat("")), drawn(way), strict=False)
    yield "by", way.via
    yield "cut by", way.cut
    if way.opens:
        yield "opens", way.opens
    yield "gets in", way.enters
    yield "last seen", f"{way.last_seen:%Y-%m-%d %H:%M}" if way.last_seen else "unknown"


def _explain(session: Session, way: Access) -> Broken:
    from luactl.access import explain

    return Broken(tuple(one for one in explain(session, way.asked, way.login) if one.cut == way.cut))
