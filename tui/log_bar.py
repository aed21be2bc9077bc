"""The bar of the log: the parts of the query as chips, those that leave something out in another colour."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Static

from .safe import visible


class Chips(Static):
    """The query; not there while everything is shown."""

    DEFAULT_CSS = "Chips { height: 1; text-wrap: nowrap; }"

    parts: tuple[str, ...] = ()

    def on_mount(self) -> None:
        """Begin without a query."""
        self.display = bool(self.parts)

    def tell(self, parts: Sequence[str]) -> None:
        """Show these parts."""
        self.parts = tuple(parts)
        self.display = bool(parts)
        if self.is_attached:
            self.lay_out()

    def on_resize(self) -> None:
        """Lay them out anew."""
        self.lay_out()

    def lay_out(self) -> None:
        """Show as many as fit, the last ones first: they are what was added last."""
        room, chips = self.app.size.width - 2, list[Text]()
        for part in reversed(self.parts):
            chip = Text(f" {visible(part)} ", "black on red" if part.startswith("-") else "black on cyan")
            left = room - sum(one.cell_len + 1 for one in chips)
            if chip.cell_len > left:
                chip.truncate(max(left, 3), overflow="ellipsis")
                chips.append(chip if left > 3 else Text("…"))
                break
            chips.append(chip)
        line = Text(" ", no_wrap=True)
        for chip in reversed(chips):
            line += chip + Text(" ")
        self.update(line, layout=False)
