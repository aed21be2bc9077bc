"""Starts the terminal UI: dials while Textual is still being loaded, and ends with an exit code."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from luactl.config import Profile, load_profile
from luactl.errors import Exit, LuactlError

from .matter import Matter, tenants
from .sessions import Sessions
from .settings import read

if TYPE_CHECKING:
    from luactl.db import Session

QUIET = {
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_SMOOTH_SCROLL": "0",
    "TEXTUAL_FPS": "30",
    "TEXTUAL_DISABLE_KITTY_KEY": "1",
}
"""What Textual reads at its import: nothing moves by itself."""


def start(profile_name: str | None, say: Callable[[str], None]) -> Exit:
    """Run the terminal UI until somebody leaves it.

    Raises what connecting raises before the screen is taken, and the fault that ended it.
    """
    profile, settings = load_profile(profile_name), read()
    os.environ["TEXTUAL_THEME"] = settings.theme  # set later, it would have all styles parsed again
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # The driver first: then the thread mostly waits for the server while this one loads Textual.
    from luactl.connect import clock_of

    with ThreadPoolExecutor(1) as pool:
        connected = pool.submit(_connect, profile, say)
        from .app import Console

        sessions, actor, first = connected.result()
    app = Console(profile, actor, clock_of(profile), sessions, settings)
    app.first = first
    app.run(mouse=False)
    if app.fault is not None:
        raise app.fault
    return Exit.INTERRUPTED if app.return_code == Exit.INTERRUPTED else Exit.DONE


def _connect(profile: Profile, say: Callable[[str], None]) -> tuple[Sessions, str, Matter | None]:
    from luactl.connect import enter

    hearing = [say]

    def heard(text: str) -> None:
        for one in hearing:
            one(text)

    sessions = Sessions(lambda: enter(profile, command="tui", say=heard))
    with sessions.lend("tui") as session:
        actor, first = session.actor, _first(session)
    hearing.clear()  # from here on the screen is taken
    return sessions, actor, first


def _first(session: Session) -> Matter | None:
    """Look the first matter up; home asks again, and tells why, if that fails."""
    import psycopg

    try:
        return tenants(session)
    except (LuactlError, psycopg.Error):
        return None
