"""The help of a screen, made from what its class and its commands say."""

from __future__ import annotations

from collections.abc import Callable
from inspect import getdoc
from typing import TYPE_CHECKING

from rich.console import Group

from .command import Command, key_text
from .facts import grid
from .place import Place

if TYPE_CHECKING:
    from .frame import Frame

KEYS = 9


def help_text(frame: Frame, keys_of: Callable[[type[Command]], str]) -> Group:
    """Return what a screen is, then a line for each of its keys."""
    about = " ".join((getdoc(type(frame)) or "").split())
    keys = [
        (key_text(keys_of(one))[:KEYS].strip(), one.long())
        for one in type(frame).commands()
        if not issubclass(one, Place)
    ]
    return Group(about, "", grid(keys, KEYS, "bold"))
