"""The certificate of an erasure, rendered. Its tables are wider than 80 columns: it goes sideways, too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .ask import Ask
from .command import Command
from .frame import Frame
from .row import Column, Row
from .safe import visible
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.erasure import Erasure

WIDTH = 150
"""Columns that a certificate is laid out for, at least."""
ASIDE = 20


@dataclass
class Saved(Message, bubble=False):
    """The certificate was written to a file."""

    file: Path


class Right(Command):
    """Right: further to the right."""

    keys = "l,right"


class Left(Command):
    """Left: further to the left."""

    keys = "h,left"


class Save(Command):
    """Save: write it to a new file: .pdf, .zip (what `luactl verify` checks), or else Markdown."""

    keys = "w"


class Certificate(Frame):
    """The certificate of an erasure: what was erased, where, at what level, from when on; what remains.

    `y` copies where it lies on this host; `h` and `l` go sideways.
    """

    ACTIONS = (Save, Right, Left)
    OPENS = False

    def __init__(self, erasure: Erasure, folder: Path) -> None:
        super().__init__()
        self.erasure, self.folder = erasure, folder
        self.lines: list[tuple[str, str]] = []
        """Each line of the rendered text with its style."""
        self.laid_out = 0
        """Columns that it is laid out for."""
        self.left = 0
        """Columns that lie left of the screen."""

    def heading(self) -> str:
        """Return which certificate it is."""
        return f"Certificate {self.erasure.erasure_id}"

    def command_line(self) -> str:
        """Return the command that shows it."""
        return f"erasure show {self.erasure.erasure_id}"

    def body(self) -> ComposeResult:
        """Lay out the text."""
        yield Table(Column(""))

    def load(self) -> None:
        """Render it: the record has all of it."""
        from luactl.erasure import certificate

        self.laid_out = self._room()
        self.lines = rendered(certificate(self.erasure), self.laid_out)
        self._tell()

    def _room(self) -> int:
        return max(WIDTH, self.app.size.width - 2)

    def _tell(self) -> None:
        where = str(self.folder)
        self.every = [
            Row(number, (text[self.left :],), style, copy=where)
            for number, (text, style) in enumerate(self.lines)
        ]
        self._apply_filter()

    def on_resize(self) -> None:
        """Lay it out anew if it gets another width by it."""
        if self._room() != self.laid_out:
            self.load()

    @on(Right)
    def go_right(self) -> None:
        """Show what is further to the right."""
        self._aside(ASIDE)

    @on(Left)
    def go_left(self) -> None:
        """Show what is further to the left."""
        self._aside(-ASIDE)

    def _aside(self, by: int) -> None:
        widest = max((len(text) for text, _style in self.lines), default=0)
        self.left = max(0, min(self.left + by, widest - self.app.size.width + 2))
        self._tell()

    @on(Save)
    def save(self) -> None:
        """Ask for a file, and write the certificate to it."""
        hint = ".pdf, .zip or .md; a new file, never written over; esc: go back"
        self.app.push_screen(Ask("Write it to", hint, value=f"{self.erasure.erasure_id}.pdf"), self._save)

    def _save(self, file: str | None) -> None:
        if file:
            target, base = Path(file).expanduser(), self.folder.parent
            self.work(
                partial(_write, erasure=self.erasure, base=base, file=target), about="save", change=True
            )

    @on(Saved)
    def saved(self, event: Saved) -> None:
        """Say where it is."""
        self.say(f"written to {event.file.absolute()}", "green")


def rendered(markdown: str, width: int) -> list[tuple[str, str]]:
    """Return the lines of a Markdown text as they are drawn, each with its style; nothing in it steers."""
    from rich.console import Console

    from .markdown import Plain

    text = "\n".join(visible(line) for line in markdown.splitlines())
    console = Console(width=width, file=StringIO(), color_system=None, legacy_windows=False)
    drawn = console.render_lines(Plain(text), pad=False)
    return [
        (
            "".join(segment.text for segment in line).rstrip(),
            "head" if any(segment.style and segment.style.bold for segment in line) else "",
        )
        for line in drawn
    ]


def _write(_session: Session, erasure: Erasure, base: Path, file: Path) -> Saved:
    from luactl.erasure import write_markdown, write_pdf, write_zip

    if file.suffix == ".pdf":
        write_pdf(erasure, file)
    elif file.suffix == ".zip":
        write_zip(erasure, base, file)
    else:
        write_markdown(erasure, file)
    return Saved(file)
