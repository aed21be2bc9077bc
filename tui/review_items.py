"""The items of a review that this login's person decides: one key each, in order, and one to take it back.

A decision shows at once and is written behind it, in order, each by itself: so the time it took is its own.
When one is refused, what was not written yet is dropped, and the list shows again what the database has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .by_state import ByState, NextState
from .command import Command
from .notice import whole
from .row import Column, Row, counted
from .table import Table

if TYPE_CHECKING:
    from luactl.access.review import Item
    from luactl.db import Session
    from luactl.errors import LuactlError

WAITS = "waits"
STATES = {WAITS: "", "keep": "good", "revoke": "warn", "reduce": "warn"}
LONGEST = 200
"""Characters of a reason."""


@dataclass(frozen=True)
class Choice:
    """One decision on one item."""

    item_no: int
    decision: str
    reason: str | None = None
    to: str | None = None

    def words(self) -> str:
        """Return it as `access review decide` takes it."""
        options = [("--to", self.to), ("--reason", self.reason)]
        told = [f"{name} {quote(value)}" for name, value in options if value]
        return " ".join([str(self.item_no), self.decision, *told])


@dataclass
class Loaded(Message, bubble=False):
    """One's items of the review."""

    title: str
    found: tuple[Item, ...]


@dataclass
class Recorded(Message, bubble=False):
    """Decisions are on record."""

    count: int


class Keep(Command):
    """Keep: they should have it still."""

    keys = "plus"


class Revoke(Command):
    """Revoke: for what the suggestion says, or for the reason that you gave last."""

    keys = "minus"


class RevokeBecause(Command):
    """Because: revoke it, and say why."""

    keys = "w"


class Suggested(Command):
    """Suggested: decide as it is suggested."""

    keys = "s"


class Delegate(Command):
    """Delegate: hand it to somebody who knows."""

    keys = "d"


class Undo(Command):
    """Undo: take your last decision back."""

    keys = "u"


class Items(ByState):
    """What you decide in one review: who holds what, what speaks against it. After each key comes the next.

    Enter shows the whole of an item: by which path, what it leads to, what would take it back. `t` shows what
    waits, then what was kept, and so on. Nothing is taken from anybody before the review is closed.
    """

    ACTIONS = (Keep, Revoke, RevokeBecause, Suggested, Delegate, Undo, NextState)
    STATES = STATES

    def __init__(self, review_id: UUID) -> None:
        super().__init__()
        self.review_id, self.title_ = review_id, ""
        self.items: dict[int, Item] = {}
        self.at: dict[int, int] = {}
        self.queue: list[Choice] = []
        self.done: list[tuple[int, Choice]] = []
        self.writing, self.last_reason = 0, ""

    def heading(self) -> str:
        """Return how far it is."""
        if not self.items:
            return "Review of access"
        waits = sum(one.decision is None for one in self.items.values())
        return f"{self.title_}: {len(self.items) - waits:,} of {len(self.items):,} decided, {waits:,} wait"

    def command_line(self) -> str:
        """Return the command that decides the item under the cursor as was decided, else as is suggested."""
        one = self.current()
        if one is None:
            return f"access review show {self.review_id} --mine"
        choice = _as_suggested(one)
        if one.decision:
            choice = Choice(one.item_no, one.decision, one.reason, one.target)
        return f"access review decide {self.review_id} {choice.words()}"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("DECIDED", 7), Column("LOGIN", 16), Column("HOLDS", 18), Column("SUGGESTED", 9),
            Column("WHY"), Column("LAST SEEN", 10, wide=True), Column("LEADS TO", wide=True),
            empty="nothing of this review is yours to decide",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for them, unless decisions are still on their way."""
        if not self.writing and not self.queue:
            self.work(partial(_load, review_id=self.review_id))

    @on(Loaded)
    def show(self, event: Loaded) -> None:
        """Show them, what waits first under the cursor."""
        first = not self.items
        self.title_, self.items = event.title, {one.item_no: one for one in event.found}
        rows = [_row(one) for one in event.found]
        self.at = {one.item_no: n for n, one in enumerate(event.found)}
        self.show_rows(rows)
        if first and self.table.current is not None and self.table.current.cells[0] != WAITS:
            self.next_waiting()
        self.retitle()

    def opened(self, row: Row) -> None:
        """Show the whole of an item."""
        one = self.items[int(str(row.key))]
        names = ("login", "holds", "rights", "how", "path", "leads to", "reaches", "data", "last seen",
                 "suggested", "why", "taken back by", "decided", "reason", "reviewer")  # fmt: skip
        cells = (
            one.login, f"{one.kind}: {one.object}", ", ".join(one.rights), one.how, one.path,
            "; ".join(one.leads_to), counted(one.objects, "relation"), ", ".join(one.categories),
            one.last_seen or "unknown",
            one.suggestion, "; ".join(one.why), "; ".join(one.cut), one.decision or WAITS, one.reason or "",
            f"{one.reviewer} ({one.assigned_as})",
        )  # fmt: skip
        self.app.push_screen(whole(f"item {one.item_no}", names, replace(row, cells=cells)), self.copy)

    # Deciding.

    def current(self) -> Item | None:
        """Return the item under the cursor, if it can be decided."""
        row = self.table.current
        return self.items[int(str(row.key))] if row is not None else None

    @on(Keep)
    def keep(self) -> None:
        """Keep it."""
        self.choose("keep")

    @on(Revoke)
    def revoke(self) -> None:
        """Revoke it, asking why only where nothing says so."""
        one = self.current()
        if one is not None:
            reason = "; ".join(one.why)[:LONGEST] or self.last_reason
            if reason:
                self.choose("revoke", reason)
            else:
                self.because()

    @on(RevokeBecause)
    def because(self) -> None:
        """Ask why, and revoke it."""
        from .ask import Ask

        if self.current() is not None:
            self.app.push_screen(Ask("Revoke it, because", value=self.last_reason), self._because)

    def _because(self, text: str | None) -> None:
        if text:
            self.last_reason = text[:LONGEST]
            self.choose("revoke", self.last_reason)

    @on(Suggested)
    def suggested(self) -> None:
        """Decide as is suggested."""
        one = self.current()
        if one is not None:
            choice = _as_suggested(one)
            self.choose(choice.decision, choice.reason, choice.to)

    @on(Delegate)
    def delegate(self) -> None:
        """Ask to whom, and hand it on."""
        from .ask import Ask

        if self.current() is not None:
            self.app.push_screen(Ask("Hand it to (handle)"), self._delegate)

    def _delegate(self, handle: str | None) -> None:
        if handle:
            self.choose("delegate", "knows better", handle)

    def choose(self, decision: str, reason: str | None = None, to: str | None = None) -> None:
        """Decide the item under the cursor and go on to the next that waits."""
        one = self.current()
        if one is None:
            self.say("nothing here is yours to decide")
            return
        self.done.append(
            (one.item_no, Choice(one.item_no, one.decision or "withdraw", one.reason, one.target))
        )
        self.put(Choice(one.item_no, decision, reason, to))
        self.next_waiting()

    @on(Undo)
    def undo(self) -> None:
        """Put the last item back to what it was before."""
        if not self.done:
            self.say("nothing was decided here yet")
            return
        number, before = self.done.pop()
        self.put(before)
        at = next((n for n, row in enumerate(self.table.rows) if row.key == number), None)
        if at is not None:
            self.table.move(at - self.table.cursor)

    def put(self, choice: Choice) -> None:
        """Show a decision, and write it when those before it are written."""
        shown = None if choice.decision in ("withdraw", "delegate") else choice.decision
        one = replace(self.items[choice.item_no], decision=shown, reason=choice.reason, target=choice.to)
        self.items[one.item_no] = one
        row = _row(one)
        self.every[self.at[one.item_no]] = row
        self.table.change(row)
        self.queue.append(choice)
        self.write()
        self.retitle()

    def next_waiting(self) -> None:
        """Go to the next item that waits, or stay."""
        rows, cursor = self.table.rows, self.table.cursor
        after = (n for n in (*range(cursor + 1, len(rows)), *range(cursor)) if rows[n].cells[0] == WAITS)
        at = next(after, None)
        if at is not None:
            self.table.move(at - cursor)

    # Writing.

    def write(self) -> None:
        """Write what was decided, unless that is being done."""
        if self.queue and not self.writing:
            batch, self.queue = tuple(self.queue), []
            self.writing = len(batch)
            self.work(partial(_record, review_id=self.review_id, batch=batch), about="decide", change=True)

    @on(Recorded)
    def recorded(self, event: Recorded) -> None:
        """Go on writing."""
        self.arrived()
        self.writing = 0
        self.write()

    def failed(self, error: LuactlError, about: str) -> None:
        """Drop what was not written, and show again what the database has."""
        if about == "decide":
            self.writing, self.queue, self.done = 0, [], []
            self.load()
        super().failed(error, about)


def _load(session: Session, review_id: UUID) -> Loaded:
    from luactl.access import review

    return Loaded(review.find(session, review_id).title, review.show_mine(session, review_id))


def _record(session: Session, review_id: UUID, batch: tuple[Choice, ...]) -> Recorded:
    from luactl.access import review

    for one in batch:
        review.write_down(session, review_id, [one.item_no], one.decision, one.reason, one.to)
    return Recorded(len(batch))


def _as_suggested(one: Item) -> Choice:
    """Return the decision that is suggested; what is to be reduced loses the right to give it to others."""
    reason = "; ".join(one.why)[:LONGEST] or None
    return Choice(one.item_no, one.suggestion, reason, "no-admin" if one.suggestion == "reduce" else None)


def _row(one: Item) -> Row:
    state = one.decision or WAITS
    against = "; ".join(one.why)
    cells = (
        state, one.login, one.object, one.suggestion, against, (one.last_seen or "unknown")[:10],
        ", ".join(path.rpartition(" > ")[2] for path in one.leads_to),
    )  # fmt: skip
    style = STATES[state] or ("bad" if one.suggestion == "revoke" else "")
    return Row(one.item_no, cells, style, copy=one.path)
