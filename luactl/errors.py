"""What can go wrong, as a person needs to hear it: what, why, and what to do next.

Owns the exception types and the exit code that each of them ends a command with
(docs/reference/exit-codes.md). It prints nothing: the faces do.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """The exit codes of every command but `check`."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_CONNECTION = 3
    BUSY = 4
    REFUSED = 5
    FINDINGS = 6
    INTERRUPTED = 130


class LuactlError(Exception):
    """Something failed that luactl can explain.

    `what` is one sentence without a final full stop; `hint` says what to do next.
    """

    exit: ClassVar[Exit] = Exit.FAILED

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(LuactlError):
    """What was asked makes no sense: a malformed value, an unknown name."""

    exit = Exit.USAGE


class NoConnectionError(LuactlError):
    """There is no profile, or its server cannot be reached or entered."""

    exit = Exit.NO_CONNECTION


class BusyError(LuactlError):
    """A lock or a time-out stood in the way; the same command may work later."""

    exit = Exit.BUSY


class RefusedError(LuactlError):
    """A rule forbids it: a right, a hold, an instruction, a missing key."""

    exit = Exit.REFUSED


class NotFoundError(LuactlError):
    """Nothing of that name is there."""

    exit = Exit.FAILED


class NoTenantError(NotFoundError):
    """There is no tenant of that slug or number; `guess` begins the hint (`did_you_mean`)."""

    def __init__(self, name: str | int, guess: str = "") -> None:
        said = repr(name[:80]) if isinstance(name, str) else str(name)
        super().__init__(f"there is no tenant {said}", hint=f"{guess}`luactl tenant list` shows them all")


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """Return the beginning of a hint, which asks for the nearest of the names; empty: none is near."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=most)
    return f"did you mean {' or '.join(near)}? " if near else ""
