"""How many lines there are when: a strip of blocks over the list, and a brush that chooses a span of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Static

from luactl.errors import LuactlError

from . import command as c
from .log_narrow import Exclude, Include, Narrowing
from .log_view import Left, Right

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.log import Query

BLOCKS = "▁▂▃▄▅▆▇█"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800,
    604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000, 315_360_000,
)  # fmt: skip
"""How wide one block may be."""
PATIENCE = 20.0
"""Seconds after which counting is given up."""
KEYS = "left right: move   + -: widen, narrow   enter: only that time   v: close"


@dataclass(frozen=True)
class Counts:
    """How many lines there are in each stretch of time, without a hole."""

    begin: datetime
    width: timedelta
    counts: tuple[int, ...]

    def at(self, place: int) -> datetime:
        """Return when a stretch begins."""
        return self.begin + place * self.width

    def place(self, at: datetime) -> int:
        """Return in which stretch a time lies, or which is nearest."""
        return min(max((at - self.begin) // self.width, 0), max(len(self.counts) - 1, 0))


@dataclass
class Counted(Message, bubble=False):
    """The strip was counted; None: nothing fits the query."""

    counts: Counts | None


def width_for(span: timedelta, most: int) -> timedelta:
    """Return the narrowest stretch of which at most so many cover a span, wherever it begins."""
    return next(
        (timedelta(seconds=one) for one in SECONDS if span // timedelta(seconds=one) + 2 <= most),
        timedelta(seconds=SECONDS[-1]),
    )


def blocks(counts: Sequence[int]) -> str:
    """Return a block for each count; one that is not zero is never blank."""
    most = max(counts, default=0)
    return "".join(BLOCKS[(n * len(BLOCKS) - 1) // most] if n else " " for n in counts)


class Histogram(Static):
    """Blocks, and below them times and what the brush holds; not there until somebody asks for it."""

    DEFAULT_CSS = "Histogram { height: 2; text-wrap: nowrap; display: none; }"

    counts: Counts | None = None
    brush = (0, 1)
    """First stretch, and the one after the last."""
    zone: tzinfo | None = UTC

    def tell(self, counts: Counts | None, at: datetime | None, zone: tzinfo | None) -> None:
        """Show counts, the brush where the cursor of the list is."""
        self.counts, self.zone = counts, zone
        here = counts.place(at) if counts and at else 0
        self.brush = (here, here + 1)
        self.draw_it()

    def move(self, by: int) -> None:
        """Move the brush."""
        if self.counts:
            begin, end = self.brush
            by = min(max(by, -begin), len(self.counts.counts) - end)
            self.brush = (begin + by, end + by)
            self.draw_it()

    def widen(self, by: int) -> None:
        """Widen the brush at its end, or narrow it; at the right edge at its beginning."""
        if self.counts:
            begin, end = self.brush
            wanted = max(end + by, begin + 1)
            over = max(0, wanted - len(self.counts.counts))
            self.brush = (max(0, begin - over), wanted - over)
            self.draw_it()

    def span(self) -> tuple[datetime, datetime] | None:
        """Return the times that the brush holds."""
        return (self.counts.at(self.brush[0]), self.counts.at(self.brush[1])) if self.counts else None

    def on_resize(self) -> None:
        """Lay it out anew."""
        self.draw_it()

    def draw_it(self) -> None:
        """Draw blocks, brush and times."""
        one, room = self.counts, max(1, self.app.size.width - 2)
        if one is None:
            self.update(Text(" nothing to count\n", "dim"), layout=False)
            return
        begin, end = self.brush
        strip = Text(f" {blocks(one.counts)}", "cyan", no_wrap=True)
        strip.stylize("reverse", begin + 1, end + 1)
        held = f"{self._time(one.at(begin))} to {self._time(one.at(end))}: {sum(one.counts[begin:end]):,}"
        ends = (self._time(one.begin), self._time(one.at(len(one.counts))))
        least = len(held) + sum(map(len, ends)) + 4
        free = max(len(one.counts), least) - least + 4
        told = f"{ends[0]}{held.center(len(held) + free)}{ends[1]}" if least <= room else held
        self.update(Text.assemble(strip, "\n", (f" {told[:room]}", "dim")), layout=False)

    def _time(self, at: datetime) -> str:
        form = "%H:%M:%S" if self.counts and self.counts.width < timedelta(minutes=1) else "%m-%d %H:%M"
        return at.astimezone(self.zone).strftime(form)


class ShowStrip(c.Command):
    """When: count the lines over time; left, right, + and - choose a span, enter narrows the query to it."""

    keys = "v"


class Brushing(Narrowing):
    """A log whose times are narrowed by a brush."""

    def __init__(self, parts: Sequence[str] = ()) -> None:
        super().__init__(parts)
        self.strip = Histogram()

    def body(self) -> ComposeResult:
        """Lay out the strip above the list."""
        chips, *rest = super().body()
        yield from (chips, self.strip, *rest)

    @on(ShowStrip)
    def strip_key(self) -> None:
        """Show the strip, or take it away."""
        self.strip.display = not self.strip.display
        if self.strip.display:
            self.count()

    def ask(self, parts: Sequence[str]) -> None:
        """Count anew for another query."""
        super().ask(parts)
        if self.strip.display:
            self.count()

    def count(self) -> None:
        """Count the lines of the query over time."""
        self.say(KEYS)
        most = max(10, self.app.size.width - 2)
        self.work(partial(_counts, query=self.query_now(), most=most), about="count", seconds=PATIENCE)

    @on(Counted)
    def counted(self, event: Counted) -> None:
        """Show the counts."""
        self.arrived()
        line = self.lines.line
        self.strip.tell(event.counts, line.at if line else None, self.lines.shown.zone)

    def failed(self, error: LuactlError, about: str) -> None:
        """Do without a strip that takes too long."""
        if about == "count":
            self.strip.display = False
            self.say(f"not counted: {error.what}; narrow the query down")
        else:
            super().failed(error, about)

    def perform(self, command: type[c.Command]) -> None:
        """Let keys move the brush while it is there."""
        does: dict[type[c.Command], Callable[[], object]] = {
            Left: partial(self.strip.move, -1),
            Right: partial(self.strip.move, 1),
            Include: partial(self.strip.widen, 1),
            Exclude: partial(self.strip.widen, -1),
            c.Open: self.narrow,
            c.Back: self.strip_key,
        }
        if self.strip.display and command in does:
            does[command]()
        else:
            super().perform(command)

    def narrow(self) -> None:
        """Narrow the times of the query to the brush."""
        span = self.strip.span()
        if span is not None:
            self.bound(since=span[0].isoformat(), until=span[1].isoformat())


def _counts(session: Session, query: Query, most: int) -> Counted:
    from luactl.log import histogram, later, search

    newest, oldest = search(session, query, 1).lines, later(session, query, 1).lines
    if not newest or not oldest:
        return Counted(None)
    begin = max(query.since or oldest[0].at, oldest[0].at)
    width = width_for(newest[0].at - begin, most)
    found = {one.begins: one.count for one in histogram(session, query, width)}
    first = EPOCH + (begin - EPOCH) // width * width
    count = (newest[0].at - first) // width + 1
    times = (first + n * width for n in range(count))
    return Counted(Counts(first, width, tuple(found.get(at, 0) for at in times)))
