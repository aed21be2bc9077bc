"""Access, explored: from somebody to what they reach, from an object to all who reach it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .access import HOW
from .command import Command
from .frame import Frame
from .place import make
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.access import Access, Entrant, Object
    from luactl.db import Session

SHORT = {
    "now": "now", "after SET ROLE": "SET ROLE", "after granting it to itself": "by grant",
    "after planting code": "by code",
}  # fmt: skip


@dataclass
class Entrants(Message, bubble=False):
    """All logins."""

    found: tuple[Entrant, ...]


@dataclass
class Things(Message, bubble=False):
    """All objects."""

    found: tuple[Object, ...]


@dataclass
class Found(Message, bubble=False):
    """The ways to an object, or of somebody."""

    ways: tuple[Access, ...]


class Objects(Command):
    """Objects: what can be reached, to ask who does."""

    keys = "o"


class Logins(Command):
    """Logins: who can come in, to ask what they reach."""

    keys = "l"


class All(Command):
    """All: every login with what it reaches of luactl's own schemas, in one list."""

    keys = "a"


class Who(Command):
    """Who: everybody else who reaches this object."""

    keys = "w"


class What(Command):
    """What: all that this login reaches."""

    keys = "t"


class Explorer(Frame):
    """Who can come in: each login, whose it is, and from where. Enter shows all that it reaches."""

    ACTIONS = (Objects, All)

    def heading(self) -> str:
        """Return what is listed."""
        return "Access: who can come in"

    def command_line(self) -> str:
        """Return the command that lists what they reach."""
        return "access list"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("LOGIN", 20), Column("PERSON", 16), Column("IS", 20), Column("LAST SEEN", 10),
            Column("GETS IN", wide=True), empty="nobody",
        )  # fmt: skip

    def load(self) -> None:
        """Ask the catalog."""
        self.work(_logins)

    @on(Entrants)
    def show(self, event: Entrants) -> None:
        """Show them; who has an attribute stands out."""
        self.show_rows([
            Row(one.login, (one.login, one.person or "–", ", ".join(one.attributes),
                f"{one.last_seen:%Y-%m-%d}" if one.last_seen else "unknown", one.enters),
                "warn" if one.attributes else "dim" if one.enters.startswith("no:") else "", copy=one.login)
            for one in event.found
        ])  # fmt: skip

    def opened(self, row: Row) -> None:
        """Show what it reaches."""
        self.console.go(Reached(row.copy))

    @on(Objects)
    def objects(self) -> None:
        """Begin at the other end."""
        self.console.go(Reachable())

    @on(All)
    def all_of_them(self) -> None:
        """Show the list of old."""
        self.console.go(make("access:Access"))


class Reachable(Frame):
    """What can be reached: each object, role and attribute. Enter shows everybody who reaches it."""

    ACTIONS = (Logins,)

    def heading(self) -> str:
        """Return what is listed."""
        return "Access: what can be reached"

    def command_line(self) -> str:
        """Return the command that asks about the one under the cursor."""
        row = self.table.current
        return f"access who {quote(row.copy)}" if row else ""

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("OBJECT"), Column("KIND", 18), Column("OWNER", 14), Column("ROWS", 6), Column("SEALED", 14)
        )

    def load(self) -> None:
        """Ask the catalog."""
        self.work(_objects)

    @on(Things)
    def show(self, event: Things) -> None:
        """Show them."""
        self.show_rows([
            Row(one.asked, (one.asked, one.kind, one.owner, "policy" if one.rows_secured else "",
                ", ".join(one.sealed)), copy=one.asked)
            for one in event.found
        ])  # fmt: skip

    def opened(self, row: Row) -> None:
        """Show who reaches it."""
        self.console.go(Reaching(row.copy))

    @on(Logins)
    def logins(self) -> None:
        """Begin at the other end."""
        self.console.go(Explorer())


class Ways(Frame):
    """Ways of logins to objects."""

    OF = ""
    """The verb that tells them."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name_of = name

    def command_line(self) -> str:
        """Return the command that shows the same."""
        return f"access {self.OF} {quote(self.name_of)}"

    def load(self) -> None:
        """Work the ways out."""
        self.work(partial(_ways, verb=self.OF, name=self.name_of))

    @on(Found)
    def show(self, event: Found) -> None:
        """Show them."""
        self.show_rows([
            Row(one, self.cells(one), "dim" if one.rows == "none" else HOW[one.how], copy=one.cut)
            for one in event.ways
        ])  # fmt: skip

    def cells(self, one: Access) -> tuple[str, ...]:
        """Return a line."""
        raise NotImplementedError

    def opened(self, row: Row) -> None:
        """Draw the way."""
        self.console.go(make("access_way:OneWay", row.key))

    @property
    def way(self) -> Access | None:
        """The one under the cursor."""
        row = self.table.current
        return row.key if row else None  # type: ignore[return-value]


class Reached(Ways):
    """All that somebody reaches, each by the shortest way: yellow after a grant to itself, or by code.

    Enter draws the way, says what cuts it and what else that breaks; `w` asks who else reaches the object;
    `y` copies what cuts the way.
    """

    ACTIONS = (Who,)
    OF = "what"

    def heading(self) -> str:
        """Return who reaches."""
        return f"{self.name_of} reaches"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("OBJECT"), Column("RIGHTS", 22), Column("HOW", 8), Column("ROWS", 6), Column("VIA", 14),
            Column("KIND", 18, wide=True), Column("OPENS", 24, wide=True), empty="nothing",
        )  # fmt: skip

    def cells(self, one: Access) -> tuple[str, ...]:
        """Return a line."""
        return one.object, one.rights, SHORT[one.how], one.rows, one.via, one.kind, one.opens

    @on(Who)
    def who(self) -> None:
        """Turn round: who reaches this object?"""
        if self.way and self.way.asked:
            self.console.go(Reaching(self.way.asked))
        else:
            self.say("nobody else can reach this")


class Reaching(Ways):
    """Everybody who reaches an object, each by the shortest way: yellow after a grant to itself, or by code.

    Enter draws the way, says what cuts it and what else that breaks; `t` asks what else the login reaches;
    `y` copies what cuts the way.
    """

    ACTIONS = (What,)
    OF = "who"

    def heading(self) -> str:
        """Return what is reached."""
        return f"Who reaches {self.name_of}"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("LOGIN", 18), Column("PERSON", 13), Column("RIGHTS"), Column("HOW", 8), Column("ROWS", 6),
            Column("VIA", 14), Column("OBJECT", wide=True), Column("OPENS", 24, wide=True), empty="nobody",
        )  # fmt: skip

    def cells(self, one: Access) -> tuple[str, ...]:
        """Return a line."""
        who = one.login, one.person or "–"
        return *who, one.rights, SHORT[one.how], one.rows, one.via, one.object, one.opens

    @on(What)
    def what(self) -> None:
        """Turn round: what does this login reach?"""
        if self.way:
            self.console.go(Reached(self.way.login))
        else:
            self.say("nobody is here")


def _logins(session: Session) -> Entrants:
    from luactl.access import logins

    return Entrants(logins(session))


def _objects(session: Session) -> Things:
    from luactl.access import objects

    return Things(objects(session))


def _ways(session: Session, verb: str, name: str) -> Found:
    from luactl import access

    return Found(access.who(session, name) if verb == "who" else access.what(session, name))
