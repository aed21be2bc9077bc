"""A list to choose from, narrowed down while somebody types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from .row import Column, Row
from .table import Table


class Choose(ModalScreen[Row | None]):
    """Narrows rows down while somebody types; dismisses with the chosen one, None when somebody went back."""

    DEFAULT_CSS = """
    Choose { align: center top; background: transparent; }
    Choose Vertical { margin-top: 2; width: 76; max-width: 100%; height: 18; max-height: 100%;
        border: round ansi_bright_blue; padding: 0 1; background: ansi_default; }
    Choose Input, Choose Input:focus { height: 1; border: none; padding: 0; background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "dismiss(None)", show=False, priority=True),
        Binding("down,ctrl+n", "step(1)", show=False, priority=True),
        Binding("up,ctrl+p", "step(-1)", show=False, priority=True),
    ]
    AUTO_FOCUS = "Input"

    def __init__(
        self, title: str, columns: Sequence[Column], rows: Sequence[Row], empty: str = "nothing fits"
    ) -> None:
        super().__init__()
        self.heading, self.columns, self.lines, self.empty = title, columns, rows, empty

    def compose(self) -> ComposeResult:
        """Lay out what is typed and what fits it."""
        with Vertical() as box:
            box.border_title = self.heading
            field = Input(placeholder="type to narrow down", compact=True)
            field.cursor_blink = False
            yield field
            table = Table(*self.columns, empty=self.empty)
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
        """Take the row under the cursor."""
        row = self.query_one(Table).current
        if row is not None:
            self.dismiss(row)
