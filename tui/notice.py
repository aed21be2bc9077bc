"""A text over the screen: an error, a command, help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.console import RenderableType
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from .row import Row
from .safe import visible


class Notice(ModalScreen[str | None]):
    """Shows a text until somebody goes back; dismisses with what is to be copied after `y`."""

    DEFAULT_CSS = """
    Notice { align: center middle; background: transparent; }
    Notice VerticalScroll { margin-top: 2; width: 76; max-width: 100%; height: auto; max-height: 100%;
        padding: 0 1; border: round ansi_bright_blue; background: ansi_default; scrollbar-size: 0 0; }
    Notice.error VerticalScroll { border: round ansi_red; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,ctrl+c", "dismiss(None)", show=False, priority=True),
        Binding("y", "copy", show=False),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
        Binding("space,pagedown", "page(1)", show=False, priority=True),
        Binding("b,pageup", "page(-1)", show=False, priority=True),
        Binding("g,home", "end(False)", show=False, priority=True),
        Binding("G,end", "end(True)", show=False, priority=True),
    ]

    def __init__(self, title: str, text: RenderableType, *, copy: str = "", error: bool = False) -> None:
        super().__init__(classes="error" if error else "")
        self.heading, self.text, self.copy = title, text, copy

    def compose(self) -> ComposeResult:
        """Lay out the text in a box with a title."""
        with VerticalScroll() as box:
            box.border_title = self.heading
            box.border_subtitle = "y copy   esc back" if self.copy else "esc back"
            yield Static(self.text)

    def action_copy(self) -> None:
        """Hand the text on that is worth copying."""
        if self.copy:
            self.dismiss(self.copy)

    def action_scroll(self, by: int) -> None:
        """Scroll a text that is longer than the screen."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll by what is in sight."""
        self.action_scroll(by * max(1, self.query_one(VerticalScroll).size.height - 1))

    def action_end(self, last: bool) -> None:
        """Go to the first or the last line."""
        box = self.query_one(VerticalScroll)
        box.scroll_to(y=box.max_scroll_y if last else 0, animate=False)


def whole(title: str, names: Sequence[str], row: Row) -> Notice:
    """Return all of a line whose columns may have been cut: each cell that has text, by its name."""
    width = max(map(len, names)) + 1
    told = ((name, cell) for name, cell in zip(names, row.cells, strict=True) if cell)
    return Notice(title, "\n".join(f"{name:<{width}}{visible(cell)}" for name, cell in told), copy=row.copy)
