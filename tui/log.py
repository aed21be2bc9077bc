"""The log as it grows. Following pauses while the cursor stands above the end, and counts what comes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .facts import Facts
from .frame import Frame
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.log import Line, Position

POLL_SECONDS = 1.0
FIRST = 200
MOST = 5_000
FACTS = (
    "actor", "on_behalf", "action", "outcome", "tenant", "object", "purpose", "subject", "address", "session",
)  # fmt: skip
OUTCOMES = {"done": "", "intent": "warn", "failed": "bad", "refused": "bad"}


@dataclass
class Begun(Message, bubble=False):
    """The newest entries, and from where to follow."""

    lines: tuple[Line, ...]
    position: Position


@dataclass
class Came(Message, bubble=False):
    """What was committed since."""

    lines: tuple[Line, ...]
    position: Position


class Log(Frame):
    """Who did what, newest at the bottom, and what happens right now. Going up pauses; G follows again.

    Enter opens an entry.
    """

    def __init__(self) -> None:
        super().__init__()
        self.since: Position | None = None
        self.held: list[Row] = []

    def heading(self) -> str:
        """Return the name of the screen."""
        return "Log"

    def position(self) -> str:
        """Return whether it follows, or how much came since it was paused."""
        state = f"paused, +{len(self.held):,} new" if self.held else "following" if self.at_end else "paused"
        return f"{super().position()}  {state}"

    def command_line(self) -> str:
        """Return the command that follows the log."""
        return "log tail --follow"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("TIME", 19), Column("ACTOR", 14), Column("ACTION"), Column("OUTCOME", 7),
            Column("TENANT", 14), Column("OBJECT", wide=True), Column("PURPOSE", wide=True),
            empty="nothing was recorded yet",
        )  # fmt: skip

    @property
    def at_end(self) -> bool:
        """Whether the cursor stands on the last line."""
        return self.table.cursor >= len(self.table.rows) - 1

    def on_mount(self) -> None:
        """Begin to follow."""
        self.set_interval(POLL_SECONDS, self.poll)

    def load(self) -> None:
        """Begin anew with the newest entries."""
        self.work(_begin)

    def poll(self) -> None:
        """Ask what is new, unless nobody looks or there is no connection."""
        if self.since is not None and self.is_current and self.console.lost is None:
            self.work(partial(_follow, position=self.since), about="follow")

    @on(Begun)
    def show(self, event: Begun) -> None:
        """Show the newest entries, the cursor on the last."""
        self.since = event.position
        self.held.clear()
        self.show_rows([_row(line) for line in event.lines])
        self.table.to_last()

    @on(Came)
    def came(self, event: Came) -> None:
        """Show what came, or hold it while paused. Nothing new draws nothing."""
        self.since = event.position
        if not event.lines:
            return
        self.held += [_row(line) for line in event.lines]
        del self.held[:-MOST]
        if self.at_end:
            self.release()
        else:
            self.retitle()

    @on(Table.Moved)
    def moved(self) -> None:
        """Follow again when the cursor reaches the end."""
        if self.held and self.at_end:
            self.release()

    def to_last(self) -> None:
        """Show what was held, and follow."""
        self.release()
        self.table.to_last()

    def release(self) -> None:
        """Show what was held."""
        fresh, self.held = self.held, []
        self.every = [*self.every, *fresh][-MOST:]
        words = self.words.split()
        shown = [row for row in fresh if self.lets_through(row, words)]
        self.table.append(shown, follow=True, most=MOST)
        self.touch()

    def opened(self, row: Row) -> None:
        """Open an entry."""
        from luactl.log import Line

        if isinstance(row.key, Line):
            self.console.go(Entry(row.key))


def _begin(session: Session) -> Begun:
    from luactl.log import parse, start

    return Begun(*start(session, parse("", session.clock.now()), FIRST))


def _follow(session: Session, position: Position) -> Came:
    from luactl.log import follow, parse

    return Came(*follow(session, parse("", session.clock.now()), position))


def _row(line: Line) -> Row:
    cells = (
        f"{line.at:%Y-%m-%d %H:%M:%S}", line.actor or "", line.action, line.outcome, line.tenant or "",
        line.object or "", line.purpose or "",
    )  # fmt: skip
    return Row(line, cells, OUTCOMES[line.outcome], copy=str(line.id))


class Entry(Frame):
    """One entry of the log, whole."""

    OPENS = False

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line

    def heading(self) -> str:
        """Return which entry it is."""
        return f"Entry {self.line.id}"

    def position(self) -> str:
        """Return nothing: the list is short."""
        return ""

    def command_line(self) -> str:
        """Return the command that shows the entry with its proof."""
        return f"ledger show {self.line.id}"

    def body(self) -> ComposeResult:
        """Lay out facts and detail."""
        yield Facts()
        yield Table(Column("DETAIL", 16), Column("VALUE"), empty="no detail")

    def load(self) -> None:
        """Show it: the list had all of it."""
        line = self.line
        facts = [(name, getattr(line, name)) for name in FACTS]
        self.query_one(Facts).tell([
            ("at", f"{line.at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"),
            *((name, str(value)) for name, value in facts if value),
        ])  # fmt: skip
        self.table.fill([
            Row(name, (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
            for name, value in (line.detail or {}).items()
        ])  # fmt: skip
