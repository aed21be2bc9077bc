"""Tells the log on the screen that something may have come: one thread and one connection for the whole app.

Nothing is asked while no log is shown. The thread is no worker, since it never ends by itself, and a daemon,
since nobody who leaves should wait for it.
"""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from textual.message import Message
from textual.message_pump import MessagePump

from luactl.fault import explain

from .work import Failed

if TYPE_CHECKING:
    from .sessions import Sessions


@dataclass
class Woken(Message, bubble=False):
    """It is time to look."""


class Wake:
    """Posts `Woken` to one screen at a time."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._lock, self._wanted, self._over = Lock(), Event(), False
        self._screen: MessagePump | None = None
        self._thread: Thread | None = None

    def tell(self, screen: MessagePump | None) -> None:
        """Post to this screen from now on; None: to nobody."""
        with self._lock:
            self._screen = screen
        if screen is None:
            self._wanted.clear()
            return
        self._wanted.set()
        if self._thread is None:
            self._thread = Thread(target=copy_context().run, args=(self._run,), name="log", daemon=True)
            self._thread.start()

    def leave(self, screen: MessagePump) -> None:
        """Post to this screen no more."""
        if self._screen is screen:
            self.tell(None)

    def stop(self) -> None:
        """Post nothing any more, for good; the thread ends soon after."""
        with self._lock:
            self._over = True
        self._wanted.set()

    def _post(self, message: Message) -> None:
        with self._lock:
            if self._screen is not None and not self._over:
                self._screen.post_message(message)

    def _run(self) -> None:
        from luactl.log import Waker

        try:
            with self._sessions.lend("tui log") as session:
                waker = Waker(session)  # takes the profile alone, and dials for itself
        except Exception as error:  # there is no connection: whoever mends it begins anew
            self._thread = None
            self._post(Failed(explain(error), "follow"))
            return
        with waker:
            while self._wanted.wait() and not self._over:
                waker.wait()
                self._post(Woken())
