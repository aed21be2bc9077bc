"""The session that follows from the general options of this run. It prints nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .diagnostics import note
from .settings import FORMATS, Settings, begin, is_json, is_quiet, settings

if TYPE_CHECKING:
    from luactl.db import Session

__all__ = ["FORMATS", "Settings", "begin", "is_json", "is_quiet", "session", "settings"]


@contextmanager
def session(command: str) -> Iterator[Session]:
    """Open the chosen profile's Session; `command` is what the ledger says was run.

    Raises NoConnectionError when there is no profile or its server cannot be entered.
    """
    from luactl.connect import open_session

    with open_session(settings().profile, command=command, say=note) as opened:
        settings().production = opened.profile.production
        yield opened
