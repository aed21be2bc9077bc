"""The help of a screen, made from what its class and its commands say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Group

from .command import Command, key_text
from .facts import grid
from .place import Place

KEYS = 9


def help_text(
    about: str, commands: Sequence[type[Command]], keys_of: Callable[[type[Command]], str]
) -> Group:
    """Return what a screen is, then a line for each of its keys."""
    keys = [
        (key_text(keys_of(one))[:KEYS].strip(), one.long()) for one in commands if not issubclass(one, Place)
    ]
    return Group(about, "", grid(keys, KEYS, "bold"))
