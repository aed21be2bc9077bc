"""Erasing from a screen: in a thread with a connection of its own, with progress, stopped between batches.

What was stopped or cut short is unfinished, and goes on when it is run again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message

from luactl.errors import LuactlError

from .command import Command
from .frame import Frame
from .work import Step

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.erasure import ErasureResult

ABOUT = "erase"
Job = Callable[["Session", Path, Callable[[int], None]], "tuple[ErasureResult, ...]"]
"""Erases with a session, puts certificates in a folder, and tells how many people each batch took."""


class Halted(LuactlError):
    """Somebody stopped the erasure."""


@dataclass
class Gone(Message, bubble=False):
    """So many people of a batch are erased."""

    people: int


@dataclass
class Erased(Message, bubble=False):
    """What came of it."""

    results: tuple[ErasureResult, ...]


class Run(Command):
    """Run: erase, or go on with what was cut short, after you typed the tenant's slug."""

    keys = "x"


class Halt(Command):
    """Stop: stop after the batch that is under way; run again, it goes on."""

    keys, shown = "s", False


class Erasing(Frame):
    """A screen that erases."""

    def __init__(self) -> None:
        super().__init__()
        self.halt: Event | None = None
        """Set to stop the run; None while there is none."""
        self.gone = self.people = 0

    @property
    def progress(self) -> str:
        """How far the run is; empty while there is none."""
        if self.halt is None:
            return ""
        ends = "stops after this batch" if self.halt.is_set() else "s stops"
        return f"erasing, {self.gone:,} of {self.people:,} done, {ends}"

    def confirm(self, question: str, slug: str, job: Job, people: int) -> None:
        """Ask for the tenant's slug, then begin."""
        self.make_sure(question, slug, partial(self.begin, job, people))

    def begin(self, job: Job, people: int) -> None:
        """Run a job in a thread; nothing but messages comes back."""
        halt, heard = Event(), self.post_message
        self.halt, self.gone, self.people = halt, 0, people

        def told(name: str) -> None:
            heard(Step(name))

        def counted(number: int) -> None:
            heard(Gone(number))
            if halt.is_set():
                raise Halted("stopped: what is left was not touched", hint="x goes on with it")

        def run(session: Session) -> Erased:
            from luactl.config import find_paths

            return Erased(job(replace(session, step=told), find_paths().certificates, counted))

        self.work(run, about=ABOUT, change=True)
        self.retitle()

    @on(Halt)
    def stop(self) -> None:
        """Have the run stop between two batches."""
        if self.halt is None:
            self.say("nothing is being erased")
            return
        self.halt.set()
        self.retitle()

    @on(Step)
    def stepped(self, event: Step) -> None:
        """Show how far it is."""
        self.say(f"erasing: {event.text}")

    @on(Gone)
    def counted(self, event: Gone) -> None:
        """Count the people who are gone."""
        self.gone += event.people
        self.retitle()

    @on(Erased)
    def ended(self, event: Erased) -> None:
        """Show what came of it."""
        self.halt = None
        self.arrived()
        self.erased(event.results)
        pending = [f"certificate pending: {one.pending}" for one in event.results if one.pending]
        people = sum(one.people for one in event.results)
        self.say("; ".join([f"erased: {people:,} people", *pending]), "yellow" if pending else "green")
        self.retitle()
        self.console.ask_clocks()

    def erased(self, results: tuple[ErasureResult, ...]) -> None:
        """Show what came of it, on a screen of one's own."""

    def failed(self, error: LuactlError, about: str) -> None:
        """Tell what went wrong; the run is over if it was the one, and the screen asks how things stand."""
        if about == ABOUT:
            self.halt = None
            self.say("")
            self.retitle()
            self.load()
        super().failed(error, about)
