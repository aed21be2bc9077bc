"""Keys: where tree, holders and key books stand, how old the root is, and what became of those before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from luactl.errors import LuactlError

from .command import Command
from .deadline import span
from .facts import Facts
from .frame import Frame
from .notice import whole
from .place import make
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from datetime import datetime

    from luactl.db import Session
    from luactl.key.age import RootAge
    from luactl.key.holder import Destroyed
    from luactl.key.register import Place
    from luactl.key.release import Release
    from luactl.key.status import BookStatus, HolderStatus, KeyStatus

ADVICE = {
    "settled": "tree, holders and books agree",
    "unfinished": "a change was cut short: `luactl key recover`",
    "behind": "the database is older than books or holders",
    "broken": "a place is at fault: see below",
}


@dataclass
class Shown(Message, bubble=False):
    """Where keys stand."""

    status: KeyStatus


@dataclass
class Aged(Message, bubble=False):
    """How old roots are, and to whom keys are released."""

    age: RootAge
    releases: tuple[Release, ...]


class Releases(Command):
    """Releases: keys that are released to persons; give one, take one back."""

    keys = "l"


class Keys(Frame):
    """The key tree's epoch in the database, at each holder of the root, and in each key book; how old today's
    root is, what became of those before it, and how many releases run. `l` lists the releases.

    Enter shows a line in full.
    """

    ACTIONS = (Releases,)
    AGAIN = True

    def __init__(self) -> None:
        super().__init__()
        self.status: KeyStatus | None = None
        self.aged: Aged | None = None
        self.unknown = "…"
        """Why ages and releases are not shown."""

    def heading(self) -> str:
        """Return the name of the screen."""
        return "Keys"

    def command_line(self) -> str:
        """Return the command that shows the same."""
        return "key status"

    def body(self) -> ComposeResult:
        """Lay out facts and places."""
        yield Facts()
        yield Table(
            Column("PLACE", 7), Column("NAME"), Column("EPOCHS", 8), Column("SINCE", 16), Column("STATE"),
        )  # fmt: skip

    def load(self) -> None:
        """Ask where they stand."""
        self.work(_status)

    @on(Shown)
    def show(self, event: Shown) -> None:
        """Show it, then ask how old all that is."""
        self.status = event.status
        self.tell()
        epochs = {book.epoch for book in event.status.books}
        epochs |= {epoch for holder in event.status.holders for epoch in holder.epochs}
        self.work(partial(_age, epochs=epochs), about="age")

    @on(Aged)
    def show_age(self, event: Aged) -> None:
        """Show how old it is."""
        self.aged = event
        self.tell()

    def failed(self, error: LuactlError, about: str) -> None:
        """Say in its place why ages are not known; places are shown all the same."""
        if about == "age":
            self.aged, self.unknown = None, error.what
            self.tell()
        else:
            super().failed(error, about)

    def tell(self) -> None:
        """Show what is known so far."""
        one, now = self.status, self.console.clock.now()
        if one is None:
            return
        age = self.aged.age if self.aged else None
        since = f", in use since {age.since:%Y-%m-%d %H:%M} ({span(now - age.since)})" if age else ""
        releases = _count(self.aged.releases) if self.aged else self.unknown
        self.query_one(Facts).tell([
            ("state", f"{one.state}: {ADVICE[one.state]}"),
            ("epoch", f"{one.epoch:,}, change {one.change:,}{since}"),
            ("releases", releases),
        ])  # fmt: skip
        self.show_rows([
            *(_holder(holder, one.epoch, age) for holder in one.holders),
            *(_book(book, one, age) for book in one.books),
            *(_left_out(place) for place in one.left_out),
            *([_old(one, now) for one in age.old] if age else []),
        ])  # fmt: skip

    def opened(self, row: Row) -> None:
        """Show the whole of a line."""
        self.app.push_screen(whole("place", ("place", "name", "epochs", "since", "state"), row), self.copy)

    @on(Releases)
    def releases(self) -> None:
        """Open the releases."""
        self.console.go(make("key_release:Releases"))


def _status(session: Session) -> Shown:
    from luactl.key import status

    return Shown(status(session, count=False))


def _age(session: Session, epochs: set[int]) -> Aged:
    from luactl.key import root_age
    from luactl.key.release import list_

    return Aged(root_age(session, epochs), tuple(list_(session)))


def _count(found: tuple[Release, ...]) -> str:
    states = [one.state for one in found]
    late = "; l takes their keys back" if "expired" in states else ""
    return f"{states.count('running'):,} running, {states.count('expired'):,} expired{late}"


def _since(epoch: int, now: int, age: RootAge | None) -> str:
    """Return since when a place has today's root, or since when it is behind."""
    if age is None:
        return ""
    at: datetime | None = age.since if epoch == now else age.ended.get(epoch)
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def _holder(one: HolderStatus, epoch: int, age: RootAge | None) -> Row:
    epochs = ", ".join(str(number) for number in sorted({*one.epochs, *one.broken, *one.foreign}))
    fine = one.epochs == (epoch,) and not one.problem
    state = one.problem or (f"destroys at level {one.level}" if one.level else f"on {one.file_system}")
    since = _since(max(one.epochs), epoch, age) if one.epochs else ""
    cells = ("holder", one.name, epochs or "none", since, state)
    return Row(one.name, cells, "good" if fine else "bad", copy=one.name)


def _left_out(one: Place) -> Row:
    state = f"left out: of host {one.host}, see `luactl key place list`"
    return Row(str(one.place_id), (one.kind, one.name, "", "", state), "bad", copy=str(one.place_id))


def _book(one: BookStatus, tree: KeyStatus, age: RootAge | None) -> Row:
    fine = one.tree_id == tree.tree_id and one.epoch == tree.epoch
    stale = "" if fine else "empty" if one.tree_id is None else "stale: `luactl key recover`"
    since = _since(one.epoch, tree.epoch, age)
    cells = ("book", one.name, str(one.epoch), since, one.problem or stale or "current")
    return Row(one.name, cells, "good" if fine else "bad", copy=one.name)


def _old(one: Destroyed, now: datetime) -> Row:
    gone = one.effective_at is None or one.effective_at <= now
    level = f"destroyed, level {one.level}" if one.level else "destroyed, no level"
    at = f"{one.effective_at:%Y-%m-%d %H:%M}" if one.effective_at else ""
    cells = ("old", one.holder, str(one.epoch), at, level if gone else "can come back until then")
    return Row(("old", one.holder, one.epoch), cells, "dim" if gone else "warn", copy=one.holder)
