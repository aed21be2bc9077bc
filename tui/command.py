"""Commands: one small class an action. Its docstring is what help, footer and palette say.

`Name: sentence.` in the docstring gives the short and the long text; the class name in kebab case is the id
by which `[tui.keys]` binds other keys. Pressing the key posts the command to the screen, which handles it.
"""

from __future__ import annotations

import re
from typing import ClassVar

from textual.binding import Binding
from textual.message import Message


class Command(Message, bubble=False):
    """Command: something that a key does."""

    keys: ClassVar[str] = ""
    """Keys, with commas between; empty: through the palette only."""
    shown: ClassVar[bool] = True
    """Whether the footer has it."""

    @classmethod
    def id(cls) -> str:
        """Return the name by which keys are bound: `show-command`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def short(cls) -> str:
        """Return one or two words for the footer."""
        return (cls.__doc__ or "").partition(":")[0].strip()

    @classmethod
    def long(cls) -> str:
        """Return the sentence for help and palette."""
        return " ".join((cls.__doc__ or "").partition(":")[2].split())

    @classmethod
    def binding(cls) -> Binding:
        """Return what binds the keys to the screen that has this command."""
        return Binding(cls.keys, f"screen.command('{cls.id()}')", cls.short(), show=cls.shown, id=cls.id())


NAMES = {
    "slash": "/", "question_mark": "?", "colon": ":", "escape": "esc", "pagedown": "pgdn", "pageup": "pgup",
    "upper_n": "N", "upper_g": "G", "upper_r": "R", "backspace": "bksp", "apostrophe": "'",
    "shift+tab": "S-tab", "ctrl+c": "^c", "plus": "+", "minus": "-",
}  # fmt: skip


def key_text(keys: str) -> str:
    """Return keys as people read them: `slash` is `/`."""
    return " ".join(NAMES.get(one, one) for one in keys.split(","))


class Open(Command):
    """Open: open the line under the cursor."""

    keys = "enter"


class Back(Command):
    """Back: go back to where you came from."""

    keys, shown = "escape", False


class Search(Command):
    """Search: find text in this list; n and N go on."""

    keys = "slash"


class Filter(Command):
    """Filter: keep only the lines with these words; -word: without it."""

    keys = "f"


class FindNext(Command):
    """Next: go to the next match."""

    keys, shown = "n", False


class FindPrevious(Command):
    """Previous: go to the match before."""

    keys, shown = "N", False


class Down(Command):
    """Down: one line down."""

    keys, shown = "j,down", False


class Up(Command):
    """Up: one line up."""

    keys, shown = "k,up", False


class PageDown(Command):
    """Page down: one page down."""

    keys, shown = "pagedown,space", False


class PageUp(Command):
    """Page up: one page up."""

    keys, shown = "pageup,b", False


class First(Command):
    """First: go to the first line."""

    keys, shown = "g,home", False


class Last(Command):
    """Last: go to the last line."""

    keys, shown = "G,end", False


class Copy(Command):
    """Copy: copy what identifies the line under the cursor."""

    keys, shown = "y", False


class ShowCommand(Command):
    """CLI: show the command that does the same on the command line."""

    keys = "c"


class Reload(Command):
    """Reload: ask the database again."""

    keys, shown = "r", False


class Help(Command):
    """Help: what this screen is and what its keys do."""

    keys = "question_mark"


class Palette(Command):
    """Palette: all commands by name."""

    keys, shown = "colon", False


class Quit(Command):
    """Quit: leave luactl."""

    keys = "q,ctrl+c"


GENERAL: tuple[type[Command], ...] = (
    Open, Back, Search, Filter, FindNext, FindPrevious, Down, Up, PageDown, PageUp, First, Last, Copy,
    ShowCommand, Reload, Help, Palette, Quit,
)  # fmt: skip
MOVES: tuple[type[Command], ...] = (Down, Up, PageDown, PageUp, First, Last)
