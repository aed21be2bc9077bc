"""Narrowing the log down: a query that is typed, and its parts, added and taken away one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from luactl.errors import UsageError

from .ask import Ask
from .choose import Choose
from .command import Command
from .form import Field, ask_all
from .log_pages import Pages
from .row import Column, Row

if TYPE_CHECKING:
    from luactl.clock import Clock
    from luactl.db import Session
    from luactl.log import Saved

HINT = 'actor:anna -action:read* since:-2h "invoice"   up: asked before   empty: everything'


class NextField(Command):
    """Next field: go to the next field of the line."""

    keys, shown = "tab", False


class PreviousField(Command):
    """Previous field: go to the field before."""

    keys, shown = "shift+tab", False


class Include(Command):
    """Only: keep only lines with the field under the cursor; of the time: from here on."""

    keys = "plus"


class Exclude(Command):
    """Not: leave out lines with the field under the cursor; of the time: only what was before."""

    keys = "minus"


class Undo(Command):
    """Undo: take the last part of the query away."""

    keys, shown = "backspace", False


class Drop(Command):
    """Drop: choose a part of the query, and take it away."""

    keys, shown = "x", False


class Stores(Command):
    """Stores: the ledger's entries alone; again: only lines of servers; again: both."""

    keys, shown = "t", False


class OpenQuery(Command):
    """Queries: ask a saved query."""

    keys, shown = "o", False


class SaveQuery(Command):
    """Save: save this query under a name, for everybody."""

    keys, shown = "s", False


ACTIONS = (Include, Exclude, NextField, PreviousField, Undo, Drop, Stores, OpenQuery, SaveQuery)


class AskQuery(Ask):
    """Asks for a query until it is one; up and down go through those that were asked before."""

    LONGEST, REPLACES = 4_000, False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", show=False, priority=True),
        Binding("down", "step(1)", show=False, priority=True),
    ]

    def __init__(self, value: str, asked: Sequence[str], clock: Clock) -> None:
        super().__init__("Only lines that fit", HINT, value=value, empty=True)
        self.asked, self.at, self.clock = [*asked, value], len(asked), clock

    def action_step(self, by: int) -> None:
        """Show an earlier query, or a later one."""
        field = self.query_one(Input)
        self.asked[self.at] = field.value
        self.at = min(max(self.at + by, 0), len(self.asked) - 1)
        field.value = self.asked[self.at]
        field.cursor_position = len(field.value)

    def objection(self, text: str) -> str:
        """Say what is wrong with a query."""
        from luactl.log import parse

        try:
            parse(text, self.clock.now())
        except UsageError as error:
            return f"{error.what}: {error.hint}" if error.hint else error.what
        return ""


@dataclass
class Queries(Message, bubble=False):
    """The saved queries."""

    saved: tuple[Saved, ...]


@dataclass
class Kept(Message, bubble=False):
    """A query was saved."""

    saved: Saved


class Narrowing(Pages):
    """A log that is narrowed down."""

    # What is under the cursor.

    def under(self) -> tuple[str, str]:
        """Return the field under the cursor and what is in it; without one empty texts."""
        texts = self.lines.texts
        if self.lines.field == "time" and self.lines.line:
            return "time", self.lines.line.at.isoformat()
        return (self.lines.field, texts[self.lines.field]) if self.lines.field in texts else ("", "")

    @on(NextField)
    def next_field(self) -> None:
        """Go to the next field."""
        self.lines.step_field(1)

    @on(PreviousField)
    def previous_field(self) -> None:
        """Go to the field before."""
        self.lines.step_field(-1)

    # Parts of the query.

    @on(Include)
    def include_key(self) -> None:
        """Keep what is like the field under the cursor."""
        self.include()

    def include(self) -> None:
        """Keep what is like the field under the cursor."""
        self._with_field("")

    @on(Exclude)
    def exclude_key(self) -> None:
        """Leave out what is like the field under the cursor."""
        self.exclude()

    def exclude(self) -> None:
        """Leave out what is like the field under the cursor."""
        self._with_field("-")

    def _with_field(self, sign: str) -> None:
        name, value = self.under()
        if not name:
            self.say("tab chooses a field of the line")
        else:
            self.add(name, value, sign)

    def add(self, name: str, value: str, sign: str = "") -> None:
        """Add a part to the query; text is shown first, since it is seldom wanted whole."""
        from luactl.log import part

        if name == "time":
            self.bound(**{"until" if sign else "since": value})
            return
        if name == "text":
            words = " ".join(value.replace('"', " ").replace("\\", " ").split())[:200]
            self.type(" ".join([*self.parts, f'{sign}"{words}"']))
            return
        new = part(name, value)
        rest = [one for one in self.parts if one not in (new, f"-{new}")]
        self.ask([*rest, f"{sign}{new}"])

    def bound(self, **times: str) -> None:
        """Narrow the times of the query: `since`, `until` or both."""
        rest = [one for one in self.parts if one.partition(":")[0].lower() not in times]
        self.ask([*rest, *(f"{name}:{at}" for name, at in times.items())])

    @on(Undo)
    def undo(self) -> None:
        """Take the last part away."""
        if self.parts:
            self.ask(self.parts[:-1])
        else:
            self.say("everything is shown")

    @on(Drop)
    def drop(self) -> None:
        """Choose a part, and take it away."""
        if not self.parts:
            self.say("everything is shown")
            return
        rows = [Row(at, (one,)) for at, one in enumerate(self.parts)]

        def chosen(row: Row | None) -> None:
            if row is not None:
                self.ask([one for at, one in enumerate(self.parts) if at != row.key])

        self.app.push_screen(Choose("take away", [Column("PART OF THE QUERY")], rows), chosen)

    @on(Stores)
    def stores(self) -> None:
        """Go on to the next store, or both."""
        rest = [one for one in self.parts if one not in ("kind:ledger", "kind:line")]
        now = next((one for one in self.parts if one not in rest), "")
        after = {"": ["kind:ledger"], "kind:ledger": ["kind:line"], "kind:line": []}[now]
        self.ask([*rest, *after])

    # Whole queries.

    def filter(self) -> None:
        """Ask for a query."""
        self.type(self.text)

    def type(self, text: str) -> None:
        """Ask for a query, beginning with a text."""
        asked = self.console.asked
        self.app.push_screen(AskQuery(text, asked, self.console.clock), self.typed)

    def typed(self, text: str | None) -> None:
        """Ask the query that was typed, and remember it for the next time."""
        from luactl.log import parts

        if text is None:
            return
        asked = self.console.asked
        if text and text not in asked[-1:]:
            asked.append(text)
        self.ask(parts(text))

    @on(OpenQuery)
    def open_query(self) -> None:
        """Look which queries are saved."""
        self.work(_queries, about="queries")

    @on(Queries)
    def choose_query(self, event: Queries) -> None:
        """Offer the saved queries."""
        self.arrived()
        rows = [Row(one.query, (one.name, one.query, one.about)) for one in event.saved]
        columns = [Column("NAME", 16), Column("QUERY"), Column("WHAT FOR")]
        box = Choose("saved queries", columns, rows, empty="none is saved yet: s")
        self.app.push_screen(box, lambda row: self.typed(str(row.key)) if row else None)

    @on(SaveQuery)
    def save_query(self) -> None:
        """Ask for a name, and save the query."""
        if not self.parts:
            self.say("there is no query to save: f")
            return
        fields = [
            Field("Save this query as", "small letters, digits, hyphens; everybody sees it"),
            Field("What is it for?", "may be empty", empty=True),
        ]
        job = partial(_save, text=self.text)
        ask_all(self.app, fields, lambda told: self.work(partial(job, told=told), about="save", change=True))

    @on(Kept)
    def kept(self, event: Kept) -> None:
        """Say that it is saved."""
        self.arrived()
        self.say(f"saved as {event.saved.name}", "green")


def _queries(session: Session) -> Queries:
    from luactl.log import list_saved

    return Queries(list_saved(session))


def _save(session: Session, text: str, told: list[str]) -> Kept:
    from luactl.log import save

    return Kept(save(session, told[0], text, told[1]))
