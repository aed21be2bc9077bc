"""The palette: every command by name, and the way to every place."""

from __future__ import annotations

from collections.abc import Sequence

from .choose import Choose
from .command import Command
from .row import Column, Row

COLUMNS = (Column("COMMAND", 16), Column("KEY", 12), Column("WHAT IT DOES"))


class CommandPalette(Choose):
    """Narrows commands down while somebody types; dismisses with the row of the chosen one."""

    def __init__(self, commands: Sequence[tuple[str, type[Command]]]) -> None:
        """`commands` come with their keys as people read them."""
        rows = [Row(one, (one.short(), keys, one.long())) for keys, one in commands]
        super().__init__("commands", COLUMNS, rows, empty="no such command")
