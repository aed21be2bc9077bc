"""How one line of the log is drawn: time, then its fields side by side, the text that is sought marked. Pure.

Fields stand in columns as far as they are short and go on where they are long, so that nothing is cut but at
the edge: sideways, or wrapped, all of it can be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from .row import GAP, STYLES, WIDE
from .safe import visible

if TYPE_CHECKING:
    from luactl.log import Line, Needle

NARROWEST = 60
"""Below this many columns a line shows no date, and fields have no columns."""
OUTCOMES = {"done": "", "intent": "warn", "failed": "bad", "refused": "bad"}
HIT = Style(color="black", bgcolor="yellow", bold=True, reverse=False, underline=False, dim=False)
CURSOR = Style(reverse=True)
FIELD = Style(reverse=False, bold=True, underline=True)
MORE = "…"


@dataclass(frozen=True)
class Shown:
    """How lines are shown right now."""

    width: int
    zone: tzinfo | None = UTC
    """None: local time."""
    zone_name: str = "UTC"
    needle: Needle | None = None
    left: int = 0
    """Cells that are scrolled out of sight at the left, times aside."""
    wrap: bool = False

    @property
    def time_format(self) -> str:
        """Return how a time is written."""
        if self.width < NARROWEST:
            return "%H:%M:%S"
        return "%Y-%m-%d %H:%M:%S" if self.width >= WIDE else "%m-%d %H:%M:%S"

    @property
    def columns(self) -> Mapping[str, int]:
        """Return the fields that stand in columns, and how wide these are at least."""
        if self.width < NARROWEST:
            return {}
        return (
            {"actor": 14, "action": 20, "tenant": 14} if self.width >= WIDE else {"actor": 10, "action": 14}
        )

    @property
    def indent(self) -> int:
        """Return how many cells stand before the fields."""
        return len(self.time(None)) + 1 + GAP

    @property
    def room(self) -> int:
        """Return how many cells there are for the fields."""
        return max(1, self.width - self.indent)

    def time(self, line: Line | None) -> str:
        """Return the time of a line; without one blanks."""
        if line is None:
            return " " * {"%H:%M:%S": 8, "%m-%d %H:%M:%S": 14}.get(self.time_format, 19)
        return line.at.astimezone(self.zone).strftime(self.time_format)

    def head(self) -> str:
        """Return the titles."""
        titles = "".join(name.upper().ljust(width + GAP) for name, width in self.columns.items())
        return f" {self.zone_name[: self.indent - GAP - 1].ljust(self.indent - 1)}{titles}WHAT"


@dataclass(frozen=True)
class Body:
    """The fields of a line, laid out on one endless line."""

    strip: Strip
    hits: tuple[tuple[int, int], ...]
    """Cells that are marked."""

    def cut(self, left: int, room: int, *, more: bool) -> Strip:
        """Return what is in sight of it; a mark that is not shows at the edge where it is."""
        right = left + room
        strip = self.strip.crop(left, right)
        if left and more:
            strip = Strip.join([self._edge(any(begin < left for begin, _end in self.hits)), strip.crop(1)])
        if self.strip.cell_length > right and more:
            hidden = any(end > right - 1 for _begin, end in self.hits)
            strip = Strip.join([strip.crop(0, room - 1), self._edge(hidden)])
        return strip

    def _edge(self, hit: bool) -> Strip:
        return Strip([Segment(MORE, HIT if hit else STYLES["dim"])])

    def lines(self, room: int) -> int:
        """Return how many lines it takes when it is wrapped."""
        return max(1, -(-self.strip.cell_length // room))


def body(texts: Mapping[str, str], shown: Shown, style: Style, field: str = "") -> Body:
    """Lay out the texts of a line by the names of their fields; `field` is the one under the cursor."""
    segments: list[Segment] = []
    hits: list[tuple[int, int]] = []
    at = column = 0
    for name in [*shown.columns, *(one for one in texts if one not in shown.columns)]:
        own = style + FIELD if name == field else style
        for text, marked in _marked(texts.get(name, ""), shown.needle):
            safe = visible(text)
            segments.append(Segment(safe, HIT if marked else own))
            if marked:
                hits.append((at, at + cell_len(safe)))
            at += cell_len(safe)
        column += shown.columns.get(name, -GAP) + GAP
        gap = max(column - at, GAP)
        segments.append(Segment(" " * gap, style))
        at += gap
    return Body(Strip(segments[:-1] if segments else []), tuple(hits))


def _marked(text: str, needle: Needle | None) -> Iterator[tuple[str, bool]]:
    done = 0
    for begin, end in needle.spans(text) if needle else ():
        if begin > done:
            yield text[done:begin], False
        yield text[begin:end], True
        done = end
    if done < len(text):
        yield text[done:], False


def drawn(line: Line, texts: Mapping[str, str], shown: Shown, most: int, **at: bool | str) -> Sequence[Strip]:
    """Return the lines on the screen that a line of the log takes, at most so many.

    `at`: `cursor` and `noted`, whether it has them; `field` under the cursor.
    """
    style = STYLES[OUTCOMES[line.outcome]]
    if at.get("cursor"):
        style += CURSOR
    field = str(at.get("field", ""))
    laid = body(texts, shown, style, field)
    first = [
        Segment("*" if at.get("noted") else " ", style),
        Segment(shown.time(line), style + FIELD if field == "time" else style),
        Segment(" " * GAP, style),
    ]
    if not shown.wrap:
        return [_line(first, laid.cut(shown.left, shown.room, more=True), shown.width, style)]
    count = min(laid.lines(shown.room), most)
    cuts = [
        laid.cut(n * shown.room, shown.room, more=n == most - 1 and laid.lines(shown.room) > most)
        for n in range(count)
    ]
    rest = [Segment(" " * shown.indent, style)]
    return [_line(rest if n else first, cut, shown.width, style) for n, cut in enumerate(cuts)]


def _line(first: Sequence[Segment], rest: Strip, width: int, style: Style) -> Strip:
    return Strip.join([Strip(first), rest]).adjust_cell_length(width, style)
