"""Work in threads: a job gets a session and returns a message; nothing else crosses the border."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from textual.message import Message

from luactl.errors import LuactlError


@dataclass
class Failed(Message, bubble=False):
    """A job failed."""

    error: LuactlError
    about: str
    """The group of the job."""


@dataclass
class Connected(Message, bubble=False):
    """A job reached the database."""

    actor: str
    """The login that Postgres authenticated."""


@dataclass
class Step(Message, bubble=False):
    """A job that takes several steps did one of them."""

    text: str


def told(error: Exception) -> LuactlError:
    """Turn any exception of a job into one that says what, why and what next."""
    if isinstance(error, LuactlError):
        return error
    psycopg = sys.modules.get("psycopg")
    if psycopg is not None and isinstance(error, psycopg.Error):
        from luactl.connect import explain

        return explain(error)
    if isinstance(error, OSError) and error.strerror:
        return LuactlError(f"{error.filename or 'a file'}: {error.strerror}")
    unexpected = LuactlError(
        f"unexpected {type(error).__name__}: {error}",
        hint="this is a fault in luactl; the same command with --debug shows where",
    )
    unexpected.__cause__ = error
    return unexpected
