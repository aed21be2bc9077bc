"""What the general options of this run chose.

Owns the settings of one run; every other module of the faces reads them here. It prints nothing.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

FORMATS = ("table", "json", "jsonl", "csv")


@dataclass
class Settings:
    """The general options of one run, filled in while the command line is read."""

    profile: str | None = None
    """The profile asked for; None means the configured default."""
    output: str = "table"
    """One of FORMATS."""
    quiet: bool = False
    """No notes and no progress on standard error; errors are still told."""
    debug: bool = False
    """Show the traceback of an error."""
    command: str = ""
    """Noun and verb as far as they were understood, such as `tenant list`."""
    production: bool = False
    """Whether the session's profile is marked as production; questions and notes say so."""
    shown: bool = False
    """Whether the result went out already; a later error must not send a second envelope."""


_current: ContextVar[Settings] = ContextVar("settings")


def settings() -> Settings:
    """Return the settings of this run; fresh defaults when no run has begun."""
    try:
        return _current.get()
    except LookupError:
        return begin()


def begin(known: Settings | None = None) -> Settings:
    """Forget what an earlier run in this process chose; return fresh settings, or those that are known."""
    fresh = known or Settings()
    _current.set(fresh)
    return fresh


def is_json() -> bool:
    """Tell whether the result goes to a program (`json` or `jsonl`)."""
    return settings().output in ("json", "jsonl")


def is_quiet() -> bool:
    """Tell whether notes and progress are unwanted."""
    return settings().quiet
