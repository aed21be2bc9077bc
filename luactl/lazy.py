"""Names of a package that load the module behind them at first use: who only lists pays for no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def attributes(package: str, rooms: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a package's `__getattr__`; `rooms` maps its modules to their public names, spaces between."""
    room_of = {name: room for room, names in rooms.items() for name in names.split()}

    def find(name: str) -> Any:
        if name not in room_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f".{room_of[name]}", package), name)

    return find
