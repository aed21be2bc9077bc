"""The log: both stores by a query, newest at the bottom, and what happens right now."""

from __future__ import annotations

import shlex
from datetime import timedelta

from textual import on

from .log_entry import Entry
from .log_mark import ACTIONS as MARK
from .log_mark import Marking
from .log_narrow import ACTIONS as NARROW
from .log_pivot import Pivot, pivot
from .log_seek import Seeking
from .log_strip import Brushing, ShowStrip
from .log_view import ACTIONS as VIEW
from .log_view import Viewing
from .row import Row

TICK = timedelta(microseconds=1)


class Log(Brushing, Seeking, Viewing, Marking):
    """Who did what, and what servers wrote: newest at the bottom, older lines as you go up.

    At the end it follows what happens; going up pauses, G goes back and follows. `f` asks by a query as
    `luactl log search` does; tab chooses a field of the line, + and - keep or leave out what is like it,
    backspace takes that back. Enter opens a line with all its fields.
    """

    ACTIONS = (Pivot, ShowStrip, *NARROW, *VIEW, *MARK)

    def command_line(self) -> str:
        """Return the command that shows the lines in sight."""
        table = self.lines
        here = table.rows[table.top : table.top + table.height]
        end = table.top + len(here)
        text, before = self.text, ""
        if end < len(table.rows):
            before = f" --before {table.rows[end].copy}"
        elif table.after and table.line:
            last = here[-1].key
            text = f"{text} until:{(last.at + TICK).isoformat()}".strip()  # type: ignore[attr-defined]
        said = f" {'-- ' if text.startswith('-') else ''}{shlex.quote(text)}" if text else ""
        return f"log search --limit {max(1, len(here))}{before}{said}"

    @on(Pivot)
    def pivot(self) -> None:
        """Go from the field under the cursor to what it means."""
        line = self.lines.line
        name, value = self.under()
        if line is not None and name:
            pivot(self.console, name, value, line, self.query_now())
        else:
            self.say("tab chooses a field of the line")

    def opened(self, row: Row) -> None:
        """Open a line."""
        if self.lines.line is not None:
            self.console.go(Entry(self.lines.line, self))
