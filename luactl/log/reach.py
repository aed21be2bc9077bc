"""A session that outlives its connection: for whoever follows the log for days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import psycopg

from ..config import Profile
from ..connect import Connection, admit, connect, explain, server_of
from ..db import Session
from ..embedded import running_port
from ..errors import BusyError, NoConnectionError

T = TypeVar("T")


class Reach:
    """A session whose connection is made anew when it is lost; `close` ends one that was."""

    def __init__(self, session: Session, say: Callable[[str], None]) -> None:
        """Begin with a session whose connection somebody else closes."""
        self._first = self._session = session
        self._say = say
        self._is_lost = False

    def ask(self, question: Callable[[Session], T]) -> T | None:
        """Return the answer to a question; None while there is no connection, or the server is too busy.

        Raises what the question raises otherwise, and RefusedError when the login may not come in any more.
        """
        try:
            if self._session.conn.closed:
                self._connect()
            answer = question(self._session)
        except psycopg.OperationalError as error:
            told = explain(error)
            if not isinstance(told, NoConnectionError | BusyError):
                raise
            self._lost(told.what)
            return None
        except (NoConnectionError, BusyError) as error:
            self._lost(error.what)
            return None
        if self._is_lost:
            self._is_lost = False
            self._say("connected again")
        return answer

    def close(self) -> None:
        """End a connection that was made here."""
        if self._session is not self._first:
            self._session.conn.close()

    def _lost(self, why: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._say(f"{why}; trying again until it works")

    def _connect(self) -> None:
        conn = again(self._session.profile, self._session.command)
        try:
            actor = admit(conn)
        except BaseException:
            conn.close()
            raise
        self._session = replace(self._session, conn=conn, actor=actor)


def again(profile: Profile, command: str) -> Connection:
    """Connect as at first, but leave an embedded server stopped that somebody stopped.

    Raises NoConnectionError, BusyError, RefusedError.
    """
    if profile.embedded and running_port(server_of(profile)) is None:
        raise NoConnectionError("the embedded server is stopped", hint="`luactl embedded start` starts it")
    return connect(profile, command=command)
