"""A question with one line as its answer."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from .bar import Line
from .safe import visible


class Ask(ModalScreen[str | None]):
    """Asks, and dismisses with the answer; None when somebody went back."""

    DEFAULT_CSS = """
    Ask { align: center bottom; background: transparent; }
    Ask Vertical { height: auto; border: round ansi_bright_blue; padding: 0 1; background: ansi_default; }
    Ask #question { height: auto; max-height: 6; }
    Ask Input, Ask Input:focus { height: 1; border: none; padding: 0; background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
        Binding("ctrl+c", "dismiss(None)", show=False, priority=True),
    ]
    AUTO_FOCUS = "Input"
    LONGEST: ClassVar[int] = 500
    """Characters that an answer has at most."""
    REPLACES: ClassVar[bool] = True
    """Whether what is typed takes the place of what is suggested; else it is added."""

    def __init__(
        self, question: str, hint: str = "", *, value: str = "", must: str | None = None, empty: bool = False
    ) -> None:
        """`must`: the only answer that counts. `empty`: whether no text is an answer, too."""
        super().__init__()
        self.question, self.hint, self.value, self.must, self.empty = question, hint, value, must, empty

    def compose(self) -> ComposeResult:
        """Lay out question, answer and hint."""
        with Vertical():
            yield Static(Text(visible(self.question), "bold"), id="question")
            field = Input(self.value, compact=True, max_length=self.LONGEST, select_on_focus=self.REPLACES)
            field.cursor_blink = False
            yield field
            yield Line(id="hint")

    def on_mount(self) -> None:
        """Say what is asked."""
        self.query_one("#hint", Line).tell(self.hint or "enter: go on   esc: go back", "dim")

    def objection(self, text: str) -> str:
        """Return what is wrong with an answer; an empty text if nothing is."""
        if self.must is not None and text != self.must:
            return f"type exactly: {self.must}   esc: go back"
        return "" if text or self.empty else "an answer is needed   esc: go back"

    @on(Input.Submitted)
    def answered(self, event: Input.Submitted) -> None:
        """Take the answer if it is one."""
        text = event.value.strip()
        why = self.objection(text)
        if why:
            self.query_one("#hint", Line).tell(why, "red")
        else:
            self.dismiss(text)
