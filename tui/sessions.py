"""Sessions for workers: each job has a connection of its own while it runs, and leaves it for the next.

Owns the idle connections. One that broke is closed and the idle ones with it, so that the next job dials
anew: that is how a lost connection is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from threading import Event, Lock, Timer
from typing import TYPE_CHECKING, TypeVar

from luactl.errors import BusyError

if TYPE_CHECKING:
    from luactl.db import Session

IDLE = 3
CANCEL_SECONDS = 2.0
T = TypeVar("T")
Opener = Callable[[], "AbstractContextManager[Session]"]


@dataclass(eq=False)
class _Held:
    session: Session
    stack: ExitStack
    change: bool = False
    command: str = ""

    @property
    def usable(self) -> bool:
        """Whether the next job may have it: connected, and in no transaction."""
        conn = self.session.conn
        return not conn.closed and conn.info.transaction_status.name == "IDLE"


@contextmanager
def _at_most(seconds: float | None, session: Session) -> Iterator[None]:
    """Have the server cancel what the block asks once the time is over. Raises BusyError then."""
    import psycopg

    if seconds is None:
        yield
        return
    over = Event()

    def cancel() -> None:
        over.set()
        session.conn.cancel_safe(timeout=CANCEL_SECONDS)

    timer = Timer(seconds, cancel)
    timer.daemon = True
    timer.start()
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        if not over.is_set():
            raise
        raise BusyError(f"no answer within {seconds:g} s", hint="the command waits longer: c") from error
    finally:
        timer.cancel()
        timer.join()  # what it cancels must not be the next job's


@dataclass(eq=False)
class Sessions:
    """A few open sessions of one profile. Safe to use from several threads."""

    opener: Opener
    _idle: list[_Held] = field(default_factory=list)
    _lent: set[_Held] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    _closed: bool = False

    def _open(self) -> _Held:
        with ExitStack() as stack:
            session = stack.enter_context(self.opener())
            return _Held(session, stack.pop_all())

    @contextmanager
    def lend(self, command: str, *, change: bool = False) -> Iterator[Session]:
        """Yield a session of the caller's own; `command` is what the ledger says was run.

        With `change` closing does not cancel it. Raises what opening raises.
        """
        with self._lock:
            held = self._idle.pop() if self._idle else None
        held = held or self._open()
        held.change, held.command = change, command
        with self._lock:
            self._lent.add(held)
        try:
            yield replace(held.session, command=command)
        finally:
            self._take_back(held)

    def run(
        self,
        job: Callable[[Session], T],
        command: str,
        *,
        change: bool = False,
        seconds: float | None = None,
        again: bool = True,
    ) -> T:
        """Run a job with a session and return what it returns; after so many seconds it is cancelled.

        What only reads gets a second try, unless not `again`, when the connection that it got had died while
        it lay idle.
        """
        with self._lock:
            first_try = bool(self._idle) and not change and again
        if first_try:
            given: Session | None = None
            try:
                with self.lend(command) as given, _at_most(seconds, given):
                    return job(given)
            except Exception:
                if given is None or not given.conn.closed:
                    raise
        with self.lend(command, change=change) as session, _at_most(seconds, session):
            return job(session)

    def stop(self, command: str) -> None:
        """Have the server cancel what a command reads right now; the next statement of it runs."""
        with self._lock:
            lent = [held for held in self._lent if held.command == command and not held.change]
        for held in lent:
            held.session.conn.cancel_safe(timeout=CANCEL_SECONDS)

    def _take_back(self, held: _Held) -> None:
        with self._lock:
            self._lent.discard(held)
            stale = [] if held.usable else [held, *self._idle]
            if stale:
                self._idle.clear()
            elif self._closed or len(self._idle) >= IDLE:
                stale = [held]
            else:
                self._idle.append(held)
        for one in stale:
            one.stack.close()

    @property
    def changing(self) -> bool:
        """Whether a job that changes something is running."""
        with self._lock:
            return any(held.change for held in self._lent)

    def close(self) -> None:
        """Close the idle ones, and have the server cancel what the others only read."""
        with self._lock:
            self._closed = True
            idle, lent = self._idle[:], [held for held in self._lent if not held.change]
            self._idle.clear()
        for held in idle:
            held.stack.close()
        for held in lent:
            held.session.conn.cancel_safe(timeout=CANCEL_SECONDS)
