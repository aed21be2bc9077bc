"""Markdown as a certificate is read on a terminal: headings stand at the left, where one sees them."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Heading, Markdown
from rich.text import Text


class LeftHeading(Heading):
    """A heading in bold, at the left."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it with an empty line above."""
        yield Text("")
        yield Text(self.text.plain, "bold")


class Plain(Markdown):
    """Markdown without anything centred."""

    elements: ClassVar = {**Markdown.elements, "heading_open": LeftHeading}
