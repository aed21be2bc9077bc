"""What the shell may be offered from the database while somebody types: slugs, logins, ids; nobody's data.

Whoever waits for a completion waits a second at most, hears of no error, and never starts a server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Timer
from typing import Literal

import psycopg

from .config import load_profile
from .connect import connect
from .db import queries
from .embedded import running_port
from .errors import LuactlError

SECONDS = 1.0
Kind = Literal["slugs", "logins", "ids"]
# The ledger names no person; should it ever, the shell does not.
NOBODY = {"subject", "crm"}


def ids(noun: str, prefix: str, profile_name: str | None = None) -> list[str]:
    """Return ids that begin with `prefix`, of what the newest entries of the ledger call `noun:id`.

    Never an id that stands for a person.
    """
    return [] if noun in NOBODY else names("ids", prefix, profile_name, noun=noun)


def names(kind: Kind, prefix: str, profile_name: str | None = None, **parameters: str) -> list[str]:
    """Return names that begin with `prefix`; an empty list whenever they cannot be had at once.

    Ends the process, silently, when the database has not answered within a second: nothing of this is
    worth a shell that hangs, and a name server's answer cannot be interrupted otherwise.
    """
    with _deadline():
        try:
            profile = load_profile(profile_name)
            if profile.embedded:
                from .connect import server_of

                if running_port(server_of(profile)) is None:
                    return []
            with closing(connect(profile, command="completion")) as conn:
                ask = getattr(queries("completion"), kind)
                return [name for (name,) in ask(conn, prefix=prefix, **parameters)]
        except (LuactlError, psycopg.Error, OSError):
            return []


@contextmanager
def _deadline() -> Iterator[None]:
    timer = Timer(SECONDS, os._exit, [0])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
