"""How a profile writes where the root secret is held: a kind and what that kind needs to be told.

Shared by whoever reads a profile; `luactl.key.holder` is what speaks with the holders themselves.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from ..errors import RefusedError

KINDS_HINT = "write file:/absolute/directory or command:/absolute/program ARGUMENT …"


def command_line(name: str) -> tuple[str, ...] | None:
    """Return program and arguments of `command:…`; None for a holder of another kind.

    Raises RefusedError when the program is not named from the root on.
    """
    kind, _, rest = name.partition(":")
    if kind != "command":
        return None
    try:
        words = tuple(shlex.split(rest))
    except ValueError as problem:
        raise RefusedError(f"key holder {name!r} cannot be read: {problem}", hint=KINDS_HINT) from None
    if not words or not words[0].startswith("/"):
        raise RefusedError(f"key holder {name!r} names no program", hint=KINDS_HINT)
    return words


def directory(name: str) -> Path | None:
    """Return the folder of `file:/folder`; None for a holder of another kind. Raises RefusedError."""
    kind, _, rest = name.partition(":")
    if kind != "file":
        return None
    if not rest.startswith("/"):
        raise RefusedError(f"key holder {name!r} is of no known kind", hint=KINDS_HINT)
    return Path(rest)


def directories(names: Iterable[str]) -> list[Path]:
    """Return the folders of those holders that are folders. Raises RefusedError."""
    found = (directory(name) for name in names)
    return [place for place in found if place is not None]


def check(name: str) -> None:
    """Raise RefusedError unless a holder is of a known kind and completely named."""
    if command_line(name) is None and directory(name) is None:
        raise RefusedError(f"key holder {name!r} is of no known kind", hint=KINDS_HINT)
