"""Tells whoever follows the log that something came: by LISTEN on a connection of its own, else by polling.

The database notifies once for each time that somebody asked (`lua.watch_log`), so that whoever follows costs
those who write nothing that they would notice. What is told is only "look": an entry that was being written
while we asked may come without a word, so there is a look from time to time anyhow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

import psycopg

from ..connect import Connection, explain
from ..db import Session, queries
from ..errors import LuactlError
from .reach import again

CHANNEL = "lua_log"
POLL = 1.0
"""Seconds between looks where nobody tells."""
SOONEST, LATEST = 0.25, 2.0
"""Seconds until the next look when nothing is told, at first and after a while."""
CALM = 0.1
"""Seconds that a look is put off after another one: what comes in a burst is looked at together."""
RETRY, SELDOM = 10.0, 600.0
"""Seconds until it is tried again to be told: after a lost connection, and where nothing is told at all."""


class Waker:
    """Waits until there is something to look at. For one thread; `close` ends its connection."""

    def __init__(self, session: Session, say: Callable[[str], None] = lambda text: None) -> None:
        """Take the profile of a session; connect at the first `wait`. `say` hears that it polls, and why."""
        self._profile, self._say = session.profile, say
        self._conn: Connection | None = None
        self._again = self._woken = float("-inf")
        self._pause = SOONEST
        self.polls: str | None = None
        """Why it polls; None while it is told, and before the first `wait`."""

    def __enter__(self) -> Waker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for at most `timeout` seconds (as long as is sensible, when None); look then in any case.

        Tells whether something may have come. A connection that is lost, or cannot be had, is no error:
        `polls` says why, and it is tried again later.
        """
        began = time.monotonic()
        if self._conn is None and began >= self._again and self._listen(began):
            return True
        if self._conn is None:
            time.sleep(POLL if timeout is None else timeout)
            return False
        time.sleep(min(max(self._woken + CALM - began, 0), CALM if timeout is None else timeout))
        try:
            came = self._told(self._conn, timeout)
        except psycopg.Error as error:
            self._poll(explain(error).what)
            return False
        self._pause = SOONEST if came else min(self._pause * 2, LATEST)
        self._woken = time.monotonic() if came else self._woken
        return came

    def _told(self, conn: Connection, timeout: float | None) -> bool:
        """Ask to be told, and wait. Who asks first looks once more: something may have come before."""
        if queries("log").watch(conn):
            return True
        pause = self._pause if timeout is None else timeout
        return any(True for _ in conn.notifies(timeout=pause, stop_after=1))

    def _listen(self, now: float) -> bool:
        """Connect anew; poll if that fails, or if nothing would be told. Tells whether it is told now."""
        self._again = now + RETRY
        try:
            conn = again(self._profile, "log follow")
        except LuactlError as error:
            self._poll(error.what)
            return False
        try:
            why = _deaf(conn)
            if why is None:
                conn.execute(f"LISTEN {CHANNEL}")
                self._conn, self.polls, self._pause = conn, None, SOONEST
                return True
        except psycopg.Error as error:
            why = explain(error).what
        conn.close()
        self._again = now + SELDOM
        self._poll(why)
        return False

    def _poll(self, why: str) -> None:
        self.close()
        if self.polls is None:
            self._say(f"looking every second, since nobody tells when something comes: {why}")
        self.polls = why


def _deaf(conn: Connection) -> str | None:
    """Say why nobody can be told on this connection; None: they can."""
    pid, is_standby = queries("log").told_as(conn)
    if pid != conn.info.backend_pid:
        return "a connection pooler is between, which passes on no notifications"
    return "the server is a standby, which sends no notifications" if is_standby else None
