"""One erasure that was begun: what went, what stays, every place with its date, and its certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from . import erasure_lines as lines
from .command import Command
from .erasing import Erasing, Halt, Run
from .facts import Facts
from .place import make
from .row import Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.erasure import Course, ErasureResult


@dataclass
class Shown(Message, bubble=False):
    """An erasure and what belongs to it."""

    course: Course
    folder: Path
    """Where its certificate lies on this host, if it does."""


class Certificate(Command):
    """Certificate: read it; copy where it lies, or save it as PDF or .zip."""

    keys = "v"


class Verify(Command):
    """Verify: try to reach the erased people, in every place there is."""

    keys = "e"


class OneErasure(Erasing):
    """One erasure: what went, what a duty keeps and until when, each place and from when on it holds.

    `x` goes on with what was cut short or was held. Enter shows a line in full.
    """

    ACTIONS = (Certificate, Verify, Run, Halt)

    def __init__(self, erasure_id: UUID) -> None:
        super().__init__()
        self.erasure_id = erasure_id
        self.shown: Shown | None = None

    def heading(self) -> str:
        """Return where it was, and how far it is."""
        if self.shown is None:
            return f"Erasure {self.erasure_id}"
        course = self.shown.course
        state = "unfinished" if course.unfinished else course.erasure.state
        return f"Erasure, {self.progress or state}, at {course.tenant}"

    def command_line(self) -> str:
        """Return the command that shows it, or goes on with it."""
        course = self.shown.course if self.shown else None
        if course is not None and (course.waiting or course.unfinished):
            return f"erasure run --tenant {course.tenant} --resume"
        return f"erasure show {self.erasure_id}"

    def body(self) -> ComposeResult:
        """Lay out facts and lines."""
        yield Facts()
        yield Table(*lines.COLUMNS, empty="nothing of it is done yet")

    def load(self) -> None:
        """Ask for it, unless it runs."""
        if self.halt is None:
            self.work(partial(_find, erasure_id=self.erasure_id))

    @on(Shown)
    def show(self, event: Shown) -> None:
        """Show it."""
        self.shown, course = event, event.course
        self.query_one(Facts).tell(_facts(event))
        self.show_rows([
            *lines.gone(course.rows, course.keys), *lines.staying(course.staying),
            *lines.places(course.places, self.console.clock.now()),
        ])  # fmt: skip
        self.retitle()

    def opened(self, row: Row) -> None:
        """Show the whole of a line."""
        self.app.push_screen(lines.full(row), self.copy)

    @on(Certificate)
    def certificate(self) -> None:
        """Open the certificate."""
        if self.shown is None or self.shown.course.erasure.result is None:
            self.say("no certificate yet: the erasure is not finished; x goes on with it")
        else:
            self.console.go(make("certificate:Certificate", self.shown.course.erasure, self.shown.folder))

    @on(Verify)
    def verify(self) -> None:
        """Try to reach the erased people."""
        if self.shown is not None and self.halt is None:
            self.console.go(make("erasure:Checks", self.shown.course.erasure))

    @on(Run)
    def run_it(self) -> None:
        """Go on with what was cut short, or with who was held, after the slug was typed."""
        if self.shown is None or self.halt is not None:
            self.say(self.progress or "still looking")
            return
        course = self.shown.course
        if not course.unfinished and not course.free:
            self.say("nothing is left to do here")
            return
        people = course.left if course.unfinished else course.free
        what = (
            f"Finish it, {people:,} people are left?"
            if course.unfinished
            else f"Erase {people:,} people who were held?"
        )
        self.confirm(what, course.tenant, partial(_go_on, course=course), people)

    def erased(self, results: tuple[ErasureResult, ...]) -> None:
        """Show what there is now: the erasure itself, or the newer one."""
        self.erasure_id = results[0].erasure_id
        self.load()


def _facts(shown: Shown) -> list[tuple[str, str]]:
    course, one = shown.course, shown.course.erasure
    ended = f", ended {one.completed_at:%Y-%m-%d %H:%M}" if one.completed_at else ""
    left = f", {course.left:,} left" if course.left else ""
    facts = [
        ("erasure", str(one.erasure_id)),
        ("instruction", f"{one.instruction}, {one.scope}, by {one.requested_by}"),
        ("people", f"{one.people:,} asked for, {course.done:,} erased{left}"),
        ("when", f"begun {one.created_at:%Y-%m-%d %H:%M}{ended}; epoch {one.epoch:,} to {one.epoch_to:,}"),
        ("approval", course.approval),
    ]
    if course.free:
        told = f"{course.free:,} people of this tenant waited for a hold and are free: x erases them"
        facts.append(("held", told))
    if one.result:
        here = "" if shown.folder.is_dir() else " (not on this host)"
        facts.append(("certificate", f"{shown.folder}{here}"))
    return facts


def _find(session: Session, erasure_id: UUID) -> Shown:
    from luactl.config import find_paths
    from luactl.erasure import course_of

    return Shown(course_of(session, erasure_id), find_paths().certificates / str(erasure_id))


def _go_on(
    session: Session, base: Path, heard: Callable[[int], None], course: Course
) -> tuple[ErasureResult, ...]:
    from luactl.erasure import resume, run

    if course.unfinished:
        return (resume(session, course.tenant, course.erasure, base, progress=heard),)
    return tuple(run(session, plan, base, progress=heard) for plan in course.waiting)
