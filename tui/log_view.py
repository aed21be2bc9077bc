"""How the log is looked at: sideways, wrapped, in which time zone; and what is copied from it."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from textual import on

from .ask import Ask
from .command import Command
from .log_pages import Pages
from .safe import visible

ZONES = ("UTC", "local")
"""What `z` goes through; a zone that was named with `Z` comes after them."""


class Left(Command):
    """Left: back towards the beginning of long lines."""

    keys, shown = "left,h", False


class Right(Command):
    """Right: go on sideways in long lines."""

    keys, shown = "right,l", False


class Wrap(Command):
    """Wrap: show long lines whole, below each other; again: cut them at the edge."""

    keys, shown = "w", False


class NextZone(Command):
    """Zone: show times in UTC, local time, or the zone that was named."""

    keys, shown = "z", False


class NameZone(Command):
    """Name a zone: show times in a zone such as Europe/Berlin."""

    keys, shown = "Z", False


class CopyLine(Command):
    """Copy line: copy the whole line as text; y copies the field under the cursor, or the line's id."""

    keys, shown = "Y", False


ACTIONS = (Wrap, Left, Right, NextZone, NameZone, CopyLine)


class AskZone(Ask):
    """Asks for a time zone until it is one."""

    def objection(self, text: str) -> str:
        """Say what is no zone."""
        try:
            ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return f"there is no time zone {text[:40]}, write such as Europe/Berlin   esc: go back"
        return ""


class Viewing(Pages):
    """A log that is looked at."""

    def on_mount(self) -> None:
        """Show times in the zone in which they were shown last."""
        self.show_zone()

    @on(Left)
    def left_key(self) -> None:
        """Go towards the beginning of lines."""
        self.sideways(-1)

    @on(Right)
    def right_key(self) -> None:
        """Go towards their end."""
        self.sideways(1)

    def sideways(self, by: int) -> None:
        """Go half a width aside; never past the end of the longest line in sight."""
        shown = self.lines.shown
        if shown.wrap:
            self.say("lines are wrapped: w")
            return
        step = max(1, shown.room // 2)
        most = max(0, self.lines.widest() - shown.room)
        left = min(shown.left + step, most) if by > 0 else shown.left - step
        self.lines.show(left=max(0, left))

    @on(Wrap)
    def wrap(self) -> None:
        """Show lines whole, or cut."""
        self.lines.show(wrap=not self.lines.shown.wrap, left=0)

    @on(NextZone)
    def next_zone(self) -> None:
        """Go on to the next zone."""
        zones = [*ZONES, *([self.console.named_zone] if self.console.named_zone else [])]
        now = self.console.zone
        self.console.zone = zones[(zones.index(now) + 1) % len(zones)] if now in zones else ZONES[0]
        self.show_zone()

    @on(NameZone)
    def name_zone(self) -> None:
        """Ask for a zone."""

        def named(name: str | None) -> None:
            if name is not None:
                self.console.zone = self.console.named_zone = name
                self.show_zone()

        self.app.push_screen(
            AskZone("Show times in", "such as Europe/Berlin", value=self.console.named_zone), named
        )

    def show_zone(self) -> None:
        """Show times in the zone that was chosen; local time as it is, or was, on each day."""
        name = self.console.zone
        zone = None if name == "local" else ZoneInfo(name)
        here = self.console.clock.now().astimezone(zone).tzname()
        self.lines.show(zone=zone, zone_name=f"local, {here}" if zone is None else name)
        self.retitle()

    def copy_row(self) -> None:
        """Copy the field under the cursor, or the line's id."""
        line = self.lines.line
        if line is not None:
            self.copy(visible(self.lines.texts.get(self.lines.field, str(line.id))))

    @on(CopyLine)
    def copy_line(self) -> None:
        """Copy the line as text, whatever could steer a terminal written out."""
        line = self.lines.line
        if line is not None:
            self.copy("  ".join([line.at.isoformat(), *map(visible, self.lines.texts.values())]))
