"""Pages of the log by a query: the newest at once, older ones as somebody goes there, and what happens now.

A window of lines is held. Whoever goes on reads on from the line at its edge, so the millionth page costs
what the first one did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from luactl.errors import NoConnectionError

from .frame import Frame
from .log_bar import Chips
from .log_list import LogList, row
from .log_wake import Woken
from .row import Row, counted
from .table import KEPT, Direction, Table
from .work import Failed

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.log import Line, Page, Position, Query
    from luactl.log.search import Place


@dataclass
class Paged(Message, bubble=False):
    """A page at one end of what is here, oldest first."""

    direction: Direction
    rows: list[Row]
    more: bool
    position: Position | None
    """Of the newest page: from where to follow."""
    gaps: int = 0
    """Of the newest page: how often a source was silent without a reason within the times of the query."""


@dataclass
class Came(Message, bubble=False):
    """What was committed since."""

    rows: list[Row]
    position: Position


class Pages(Frame):
    """Lines of the log that fit a query."""

    def __init__(self, parts: Sequence[str] = ()) -> None:
        super().__init__()
        self.parts: tuple[str, ...] = tuple(parts)
        """The query, cut into what must hold side by side."""
        self.before: tuple[str, ...] = ()
        """The query before this one, to which a screen goes back when this one cannot be asked."""
        self.chips, self.lines = Chips(), LogList()
        self.since: Position | None = None
        self.held: list[Row] = []
        self.gaps = self.missed = 0
        """How many lines came while somebody looked at others."""

    @property
    def text(self) -> str:
        """The query as it is typed."""
        return " ".join(self.parts)

    def query_now(self) -> Query:
        """Return the query, its spans back counted from now. The text was read before, so it can be."""
        from luactl.log import parse

        return parse(self.text, self.console.clock.now())

    def heading(self) -> str:
        """Return the name of the screen, and whether something may be missing from it."""
        return f"Log, {counted(self.gaps, 'gap')} in coverage" if self.gaps else "Log"

    def position(self) -> str:
        """Return the day of the line under the cursor, and whether what happens is followed."""
        line = self.lines.line
        day = f"{line.at.astimezone(self.lines.shown.zone):%Y-%m-%d}  " if line else ""
        return f"{day}{self.state()}"

    def state(self) -> str:
        """Return whether what happens is followed."""
        if self.since is None or self.is_over:
            return ""
        if self.missed:
            return f"paused, +{self.missed:,} new"
        return "following" if self.at_end else "paused"

    def body(self) -> ComposeResult:
        """Lay out the query and the list."""
        self.tell_query()
        yield from (self.chips, self.lines)

    def tell_query(self) -> None:
        """Show the query."""
        self.lines.empty = "nothing fits" if self.parts else "nothing was recorded yet"
        self.chips.tell(self.parts)

    @property
    def is_over(self) -> bool:
        """Whether the query ends in the past, so that nothing more can come."""
        until = self.query_now().until
        return until is not None and until <= self.console.clock.now()

    @property
    def at_end(self) -> bool:
        """Whether the cursor stands on the very last line."""
        return not self.lines.after and self.lines.cursor >= len(self.lines.rows) - 1

    def on_screen_resume(self) -> None:
        """Hear of what comes while this screen is the one that is shown."""
        self.console.wake.tell(self)

    def on_screen_suspend(self) -> None:
        """Hear nothing while another one is."""
        self.console.wake.leave(self)

    # Pages.

    def load(self) -> None:
        """Begin anew with the newest lines."""
        self.page("last")

    def ask(self, parts: Sequence[str]) -> None:
        """Ask another query, which was read before."""
        self.before, self.parts = self.parts, tuple(parts)
        self.tell_query()
        self.page("last")

    def page(self, direction: Direction) -> None:
        """Ask for a page at one end of what is here, or at the end of all."""
        rows = self.lines.rows
        near = {"next": rows[-1], "previous": rows[0]}.get(direction) if rows else None
        line: Line | None = near.key if near else None  # type: ignore[assignment]
        size = max(self.lines.tall, self.app.size.height)  # before anything was drawn a list has no height
        self.work(partial(_page, query=self.query_now(), direction=direction, size=size, near=line))

    @on(Table.Edge)
    def at_edge(self, event: Table.Edge) -> None:
        """Fetch what somebody wants to see."""
        self.page(event.direction)

    @on(Paged)
    def paged(self, event: Paged) -> None:
        """Show a page; the newest one with what came from then on."""
        self.arrived()
        self.before = self.parts
        at_end = event.direction in ("last", "next")
        if event.direction in ("next", "previous"):
            self.lines.extend(event.rows, at_end=at_end, more=event.more)
            return
        if event.direction == "last":
            self.since, self.missed, self.gaps = event.position, 0, event.gaps
            if self.is_current:
                self.console.wake.tell(self)
            self.held.clear()
        self.lines.turn(event.rows, at_end=at_end, more=event.more, place=None)

    @on(Failed)
    def asked_in_vain(self, event: Failed) -> None:
        """Go back to the query that could be asked; what was asked in vain is told by the frame."""
        if event.about == "load" and not isinstance(event.error, NoConnectionError):
            self.parts = self.before
            self.tell_query()
        elif event.about == "follow":
            self.since = None  # told once, not at every look; whoever reloads follows again

    # What happens now.

    @on(Woken)
    def poll(self) -> None:
        """Ask what is new, unless nobody looks or there is no connection."""
        if self.since is None or not self.is_current or self.console.lost is not None:
            return
        if not self.is_over:
            self.work(partial(_follow, query=self.query_now(), position=self.since), about="follow")

    @on(Came)
    def came(self, event: Came) -> None:
        """Show what came, or count it while paused. Nothing new draws nothing."""
        if self.since is None:
            return
        self.since = event.position
        if event.position.more:
            self.poll()
        if not event.rows:
            return
        self.missed += len(event.rows)
        self.held += event.rows[-KEPT:] if self.missed <= KEPT else []
        if self.at_end and self.missed <= KEPT:
            self.release()
        elif self.at_end:
            self.page("last")
        else:
            self.retitle()

    @on(Table.Moved)
    def moved(self) -> None:
        """Follow again when the cursor reaches the end."""
        if self.held and self.at_end:
            self.to_last()

    def to_last(self) -> None:
        """Show what was held, and follow; the newest page when that is too far off."""
        if self.lines.after or self.missed > KEPT:
            self.page("last")
        else:
            self.release()

    def release(self) -> None:
        """Show what was held."""
        fresh, self.held, self.missed = self.held, [], 0
        above = self.lines.merge(fresh)
        if above:
            self.say(f"{counted(above, 'line')} with earlier times came in above")
        self.touch()

    def reload(self) -> None:
        """Ask again, for the newest lines."""
        self.load()


def surroundings(session: Session, query: Query, place: Place, size: int) -> tuple[list[Row], bool, bool]:
    """Return up to `size` rows before a place and as many from it on, and whether more lie on either side."""
    from luactl.log import later, search

    older = search(session, query, size, before=place)
    newer = later(session, query, size, **({"after": older.lines[0].place} if older.lines else {}))
    return rows_of(session, (*newer.lines, *older.lines)), older.more, newer.more


def rows_of(session: Session, lines: Sequence[Line]) -> list[Row]:
    """Return rows, oldest first, of lines that come newest first; marked ones as such."""
    from luactl.log import noted

    marked = noted(session, [line.id for line in lines])
    return [row(line, noted=line.id in marked) for line in reversed(lines)]


def _page(session: Session, query: Query, direction: Direction, size: int, near: Line | None) -> Paged:
    from luactl.log import gaps, later, search, start

    position, silent = None, 0
    if direction == "last":
        _none, position = start(session, query, 0)
        silent = len(gaps(session, query))
    found: Page
    if direction in ("first", "next"):
        found = later(session, query, size, **({"after": near.place} if near else {}))
    else:
        found = search(session, query, size, **({"before": near.place} if near else {}))
    return Paged(direction, rows_of(session, found.lines), found.more, position, silent)


def _follow(session: Session, query: Query, position: Position) -> Came:
    from luactl.log import follow

    lines, position = follow(session, query, position)
    return Came([row(line) for line in lines], position)
