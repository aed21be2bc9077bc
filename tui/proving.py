"""Proving from a screen: in a thread with a connection of its own, with progress, and stopped at any moment.

A run that was stopped leaves nothing in the ledger: what is not recorded is not proven.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message
from textual.worker import Worker, get_current_worker

from luactl.errors import LuactlError

from .command import Command
from .frame import Frame

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.promise import Proof

ABOUT = "prove"


class Stopped(LuactlError):
    """Somebody stopped the run."""


@dataclass
class Tried(Message, bubble=False):
    """So many promises were tried to be broken."""

    done: int


@dataclass
class Proven(Message, bubble=False):
    """What came of it."""

    proof: Proof


class Prove(Command):
    """Prove: try to break what is shown here, now; the ledger keeps the outcome."""

    keys = "p"


class Stop(Command):
    """Stop: stop proving; nothing of that run is kept."""

    keys, shown = "s", False


class Proving(Frame):
    """A screen that proves promises."""

    def __init__(self) -> None:
        super().__init__()
        self.run: Worker[None] | None = None
        self.done = self.planned = 0

    @property
    def progress(self) -> str:
        """How far the run is; empty while there is none."""
        return f"proving {self.done:,} of {self.planned:,}, s stops" if self.run else ""

    def chosen(self) -> Sequence[str]:
        """Return the ids of the promises to prove."""
        return ()

    def proven(self, proof: Proof) -> None:
        """Show what came of it."""

    @on(Prove)
    def prove(self) -> None:
        """Begin, unless a run is under way."""
        ids = self.chosen()
        if self.run or not ids:
            self.say(self.progress or "there is nothing to prove")
            return
        self.done, self.planned = 0, len(ids)
        self.run = self.work(partial(_prove, ids=ids, tried=self._counter()), about=ABOUT)
        self.retitle()

    def _counter(self) -> Callable[[int], None]:
        """Return what counts in the thread; it raises once the run was stopped or the screen is gone."""
        done, heard = 0, self.post_message

        def tried(number: int) -> None:
            nonlocal done
            if get_current_worker().is_cancelled:
                raise Stopped("the run was stopped")
            done += number
            heard(Tried(done))

        return tried

    @on(Stop)
    def stop(self) -> None:
        """Stop the run, also in the middle of what the server does for it."""
        if self.run is None:
            self.say("nothing is being proven")
            return
        self.run.cancel()
        self.run = None
        stop = partial(self.console.sessions.stop, self.ledger_name())
        self.run_worker(stop, thread=True, group="stop")
        self.say("stopped: nothing of it was recorded")
        self.retitle()

    @on(Tried)
    def tried(self, event: Tried) -> None:
        """Show how far it is."""
        if self.run is not None:
            self.done = event.done
            self.retitle()

    @on(Proven)
    def ended(self, event: Proven) -> None:
        """Show what came of it."""
        self.run = None
        self.arrived()
        self.proven(event.proof)
        counts = ", ".join(f"{number:,} {state}" for state, number in event.proof.counts.items())
        self.say(counts, "bold red" if "broken" in event.proof.counts else "green")
        self.retitle()

    def failed(self, error: LuactlError, about: str) -> None:
        """Tell what went wrong; the run is over if it was the one."""
        if about == ABOUT:
            self.run = None
            self.retitle()
        super().failed(error, about)


def _prove(session: Session, ids: Sequence[str], tried: Callable[[int], None]) -> Proven:
    from luactl.promise import load, prove

    page = load()
    return Proven(prove(session, page, page.chosen(ids), tried))
