"""The lines around every screen: who and where on top, what a line says, keys at the bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from .safe import visible

if TYPE_CHECKING:
    from datetime import datetime

    from luactl.config import Profile

    from .command import Command


def mark(profile: Profile) -> Text:
    """Return how a profile is marked: production loudly, a throw-away home as such, else nothing."""
    if profile.production:
        return Text(" PRODUCTION ", "bold white on red")
    return Text(" throw-away ", "black on cyan") if profile.throwaway else Text("")


class Header(Static):
    """Profile, login and the time of the last thing that happened; never drawn by a timer."""

    DEFAULT_CSS = "Header { height: 1; text-wrap: nowrap; }"

    def tell(self, profile: Profile, actor: str, at: datetime) -> None:
        """Show who is where; draws only if it changed."""
        left = Text.assemble((" luactl ", "bold reverse"), " ", mark(profile), f" {visible(profile.name)} ")
        right = Text(f"{visible(actor)}  {at:%Y-%m-%d %H:%M} UTC ")
        room = max(1, self.app.size.width - left.cell_len - right.cell_len)
        line = Text.assemble(left, " " * room, right)
        if line != getattr(self, "_line", None):
            self._line = line
            self.update(line, layout=False)


class Line(Static):
    """One line of text which is not there while it is empty."""

    DEFAULT_CSS = "Line { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }"

    text = ""

    def tell(self, text: str, style: str = "") -> None:
        """Show a text; an empty one takes the line away."""
        if text != self.text:
            self.text = text
            self.display = bool(text)
            self.update(Text(visible(text), style, no_wrap=True, overflow="ellipsis"))


class Title(Static):
    """What the screen shows, and how much of it."""

    DEFAULT_CSS = "Title { height: 1; text-wrap: nowrap; }"

    def tell(self, left: str, right: str) -> None:
        """Show a name and a position; draws only if they changed."""
        told = (left, right, self.app.size.width)
        if told != getattr(self, "_told", None):
            self._told = told
            name, place = Text(f" {visible(left)}", "bold"), Text(f"{visible(right)} ")
            room = self.app.size.width - place.cell_len
            name.truncate(max(1, room - 1), overflow="ellipsis", pad=True)
            self.update(Text.assemble(name, " ", place), layout=False)


class Footer(Static):
    """The keys of the screen, as many as fit."""

    DEFAULT_CSS = "Footer { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }"

    def tell(self, commands: list[tuple[str, type[Command]]]) -> None:
        """Show keys and what they do."""
        parts = [part for keys, one in commands for part in ((keys, "reverse"), f" {one.short()} ")]
        self.update(Text.assemble(" ", *parts, no_wrap=True), layout=False)
