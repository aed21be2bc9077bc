"""Keys of tenants that are released to persons for a time: given, listed and taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .by_state import ByState
from .command import Command
from .form import Field, ask_all
from .notice import whole
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.key.release import NewRelease, Release, ReleasePlan

STATES = {"running": "warn", "expired": "bad", "ended": "dim"}
FIELDS = (
    Field("Tenant", "its slug"),
    Field("To whom", "the login of the database that opens with it"),
    Field("File with that person's public key", "what `luactl key person show` printed there"),
    Field("For how long", "30m, 8h, 3d; at most 31d", "8h"),
    Field("Why", "the ledger keeps it; no personal data"),
    Field("Key class", "main, special, accounting, medical-record; empty: all", empty=True),
)
NAMES = ("state", "tenant", "person", "until", "opens", "purpose", "by", "id")


@dataclass
class Listed(Message, bubble=False):
    """All releases, newest first."""

    found: tuple[Release, ...]


@dataclass
class Planned(Message, bubble=False):
    """What a release would open."""

    new: NewRelease
    plan: ReleasePlan


@dataclass
class Changed(Message, bubble=False):
    """Something was given or taken back."""

    text: str


class Give(Command):
    """Give: release keys of a tenant to a person for a time."""

    keys = "plus"


class Revoke(Command):
    """Revoke: take the keys under the cursor back: all they open gets new keys, in one epoch."""

    keys = "x"


class TakeBack(Command):
    """Expired: take back the keys of every release whose time is up."""

    keys = "t"


class Releases(ByState):
    """Releases of keys, newest first: running, expired (open until their keys are taken back), ended.

    Enter shows one in full.
    """

    ACTIONS = (Give, Revoke, TakeBack)
    STATES = STATES

    def heading(self) -> str:
        """Return how many are in which state."""
        counts = self.counts()
        return f"Releases: {counts}" if counts else "Releases"

    def command_line(self) -> str:
        """Return the command that lists them."""
        return "key release list"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("STATE", 8), Column("TENANT"), Column("PERSON"), Column("UNTIL", 16), Column("OPENS", 13),
            Column("PURPOSE", wide=True), Column("BY", 14, wide=True), Column("ID", 36, wide=True),
            empty="no keys are released to anybody",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for them."""
        self.work(_list)

    @on(Listed)
    def show(self, event: Listed) -> None:
        """Show them."""
        self.show_rows([_row(one) for one in event.found])
        self.retitle()

    def opened(self, row: Row) -> None:
        """Show the whole of a line."""
        self.app.push_screen(whole("release", NAMES, row), self.copy)

    @on(Give)
    def give(self) -> None:
        """Ask to whom, for what and how long, then show what it opens."""
        ask_all(self.app, FIELDS, lambda told: self.work(partial(_plan, told=told), about="plan"))

    @on(Planned)
    def confirm(self, event: Planned) -> None:
        """Ask once more, then give."""
        plan = event.plan
        until = f"{plan.expires_at:%Y-%m-%d %H:%M}"
        opens = ", ".join(plan.opens)
        question = f"Let {plan.person} open {opens} of {plan.tenant} until {until}?"
        hint = f"their key begins {plan.public_key[:16]}   enter: go on   esc: go back"
        then = partial(self._change, partial(_give, new=event.new))
        self.make_sure(question, self.word(plan.tenant), then, hint)

    def _change(self, job: Callable[[Session], Changed]) -> None:
        self.say("working …")
        self.work(job, about="change", change=True)

    @on(Revoke)
    def revoke(self) -> None:
        """Ask, then take the keys back."""
        row = self.table.current
        if row is None or not isinstance(row.key, UUID) or row.cells[0] == "ended":
            self.say("nothing to take back: its keys open nothing any more" if row else "there is none")
            return
        tenant, person = row.cells[1], row.cells[2]
        then = partial(self._change, partial(_revoke, release_id=row.key))
        self.make_sure(f"Take the keys of {tenant} back from {person}?", self.word(tenant), then)

    @on(TakeBack)
    def take_back(self) -> None:
        """Ask, then take back what has expired."""
        expired = sum(row.cells[0] == "expired" for row in self.every)
        if not expired:
            self.say("no release has expired")
            return
        question = f"Take back the keys of {expired:,} expired releases?"
        self.make_sure(question, self.word(self.console.profile.name), partial(self._change, _take_back))

    @on(Changed)
    def changed(self, event: Changed) -> None:
        """Say what was done, and look again."""
        self.arrived()
        self.say(event.text, "green")
        self.load()


def _list(session: Session) -> Listed:
    from luactl.key.release import list_

    return Listed(tuple(list_(session)))


def _plan(session: Session, told: list[str]) -> Planned:
    from luactl.key import release
    from luactl.key.person import read_public_file
    from luactl.tenant import find

    tenant, person, file, time, purpose, key_class = told
    there = find(session, tenant)
    key, parts = read_public_file(Path(file).expanduser()), release.parts_named(key_class or None)
    new = release.NewRelease(there.tenant_id, person, key, release.duration(time), purpose, parts)
    return Planned(new, release.plan(session, there.slug, new))


def _give(session: Session, new: NewRelease) -> Changed:
    from luactl.key.release import give

    done = give(session, new)
    return Changed(f"released to {done.person} until {done.expires_at:%Y-%m-%d %H:%M}")


def _revoke(session: Session, release_id: UUID) -> Changed:
    from luactl.key.release import revoke

    done = revoke(session, release_id).release
    return Changed(f"taken back from {done.person} with epoch {done.ended_epoch}")


def _take_back(session: Session) -> Changed:
    from luactl.key.rotate import plan_rotation, rotate

    done = rotate(session, plan_rotation(session, everything=False))
    return Changed(f"taken back, {done.nodes:,} nodes have new keys")


def _row(one: Release) -> Row:
    cells = (
        one.state, one.tenant, one.person, f"{one.ended_at or one.expires_at:%Y-%m-%d %H:%M}",
        ", ".join(one.opens), one.purpose, one.released_by, str(one.release_id),
    )  # fmt: skip
    return Row(one.release_id, cells, STATES[one.state], copy=str(one.release_id))
