"""The strip of running clocks in the frame of every screen. Drawn only when what it says has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text
from textual.message import Message
from textual.widgets import Static

from luactl.errors import LuactlError
from luactl.fault import explain

from .deadline import SOURCES, Deadline
from .row import STYLES
from .safe import visible

if TYPE_CHECKING:
    from .sessions import Sessions

LONGEST_SECONDS = 5.0
"""How long one source may ask the database."""


@dataclass
class Watched(Message, bubble=False):
    """Which clocks run now."""

    asked: bool = True
    """Whether anybody asked yet."""
    deadlines: list[Deadline] = field(default_factory=list)
    unknown: dict[str, LuactlError] = field(default_factory=dict)
    """Sources that could not be asked, and why."""


def watch(sessions: Sessions, refused: Sequence[str]) -> Watched:
    """Ask all sources but those that were refused before. Raises what a lost connection raises."""
    from luactl.errors import NoConnectionError

    found = Watched()
    for name, source in SOURCES.items():
        if name in refused:
            continue
        try:
            found.deadlines += sessions.run(source, "tui clocks", seconds=LONGEST_SECONDS, again=False)
        except Exception as error:  # whatever a source met, the others go on
            told = explain(error)
            if isinstance(told, NoConnectionError):
                raise told from error
            found.unknown[name] = told
    return found


def strip(deadlines: Sequence[Deadline], unknown: Sequence[str], now: datetime, width: int) -> Text:
    """Return the clocks in one line, the most urgent first, and how many did not fit."""
    parts = [
        Text(visible(one.text(now)), STYLES[one.style(now)])
        for one in sorted(deadlines, key=lambda one: one.order(now))
    ]
    parts += [Text(f"{name}: unknown", STYLES["dim"]) for name in unknown]
    parts = parts or [Text("no clock runs", STYLES["dim"])]
    line, between = Text(), Text(" ")
    for number, part in enumerate(parts):
        left = len(parts) - number - 1
        room = width - line.cell_len - between.cell_len - (len(f" +{left}") if left else 0)
        if number and part.cell_len > room:
            return line + Text(f" +{left + 1}")
        part.truncate(room, overflow="ellipsis")
        line, between = line + between + part, Text(" · ", STYLES["dim"])
    return line


class Clocks(Static):
    """One line, always there so that nothing moves when the first clock begins to run."""

    DEFAULT_CSS = "Clocks { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }"

    told: Text | None = None

    def tell(self, running: Watched, now: datetime) -> None:
        """Show them as of now."""
        if not running.asked:
            return
        line = strip(running.deadlines, tuple(running.unknown), now, self.app.size.width)
        if line != self.told:
            self.told = line
            self.update(line, layout=False)
