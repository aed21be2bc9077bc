"""The palette: every command by name, and the way to every place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from .command import Command
from .row import Column, Row
from .table import Table


class CommandPalette(ModalScreen[type[Command] | None]):
    """Narrows commands down while somebody types; dismisses with the chosen one."""

    DEFAULT_CSS = """
    CommandPalette { align: center top; background: transparent; }
    CommandPalette Vertical { margin-top: 2; width: 76; max-width: 100%; height: 18;
        border: round ansi_bright_blue; padding: 0 1; background: ansi_default; }
    CommandPalette Input, CommandPalette Input:focus { height: 1; border: none; padding: 0;
        background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "dismiss(None)", show=False, priority=True),
        Binding("down,ctrl+n", "step(1)", show=False, priority=True),
        Binding("up,ctrl+p", "step(-1)", show=False, priority=True),
    ]
    AUTO_FOCUS = "Input"

    def __init__(self, commands: Sequence[tuple[str, type[Command]]]) -> None:
        """`commands` come with their keys as people read them."""
        super().__init__()
        self.lines = [Row(one, (one.short(), keys, one.long())) for keys, one in commands]

    def compose(self) -> ComposeResult:
        """Lay out what is typed and what fits it."""
        with Vertical() as box:
            box.border_title = "commands"
            field = Input(placeholder="type to narrow down", compact=True)
            field.cursor_blink = False
            yield field
            table = Table(
                Column("COMMAND", 16), Column("KEY", 12), Column("WHAT IT DOES"), empty="no such command"
            )
            table.can_focus = False
            yield table

    def on_mount(self) -> None:
        """Show all of them."""
        self.query_one(Table).fill(self.lines)

    @on(Input.Changed)
    def narrow(self, event: Input.Changed) -> None:
        """Keep what has every word."""
        words = event.value.split()
        table = self.query_one(Table)
        table.rows = []
        table.fill([row for row in self.lines if all(row.contains(word) for word in words)])

    def action_step(self, by: int) -> None:
        """Move in the list while typing goes on."""
        self.query_one(Table).move(by)

    @on(Input.Submitted)
    def chosen(self) -> None:
        """Take the command under the cursor."""
        row = self.query_one(Table).current
        if row is not None and isinstance(row.key, type):
            self.dismiss(row.key)
