"""Searching the log for a text: what is marked is what n and N visit, loaded or not.

Lines that are here are looked at here, all others by the server, some thousands at a time: so every key is
answered meanwhile, and stops it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.message import Message

from . import command as c
from .ask import Ask
from .log_pages import Pages, surroundings
from .row import Row

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.log import Found, Needle, Query
    from luactl.log.search import Place

MOST = 64_000
"""How many lines the server looks at before it tells how far it is."""


@dataclass(frozen=True)
class Look:
    """One search that is under way."""

    needle: Needle
    back: bool
    near: Place | None
    count: int
    """How many lines are looked at next."""
    either: bool
    """Whether the other direction is tried when this one has nothing."""


@dataclass
class Looked(Message, bubble=False):
    """How far the server looked, and what lies around the line that it found."""

    look: Look
    found: Found
    rows: Sequence[Row] = ()
    before: bool = False
    after: bool = False


class Seeking(Pages):
    """A log that is searched."""

    LOOK: ClassVar[int] = 2_000
    """How many lines the server looks at first."""
    look: Look | None = None

    def search(self) -> None:
        """Ask for a text; without one nothing is marked any more."""
        hint = "enter: go to it   empty: mark nothing   esc: go back"
        self.app.push_screen(Ask("Search for", hint, value=self.sought, empty=True), self._search)

    def _search(self, text: str | None) -> None:
        from luactl.log import Needle

        if text is None:
            return
        self.sought = text
        self.lines.show(needle=Needle(text) if text else None)
        if text:
            self._find(back=False, stay=True)

    def _find(self, *, back: bool, stay: bool = False) -> None:
        """Go to the next line that has it, or the one before; `stay`: here or below, else above."""
        needle = self.lines.shown.needle
        if needle is None:
            self.say("nothing was searched for yet: /")
        else:
            self._look_here(needle, back=back, stay=stay)

    def _look_here(self, needle: Needle, *, back: bool, stay: bool = False) -> None:
        at, rows = self.lines.cursor, self.lines.rows
        ways = range(at - 1, -1, -1) if back else range(at if stay else at + 1, len(rows))
        hit = next((n for n in ways if needle.fits(rows[n].key)), None)  # type: ignore[arg-type]
        if hit is not None:
            self.lines.move(hit - at)
        elif rows and (self.lines.before if back else self.lines.after):
            edge = rows[0 if back else -1].key.place  # type: ignore[attr-defined]
            self._look_on(Look(needle, back, edge, self.LOOK, either=stay))
        elif stay and not back:
            self._look_here(needle, back=True)
        else:
            self._not_found(back)

    def _not_found(self, back: bool) -> None:
        way = "earlier line has it; n looks at later ones" if back else "later line has it; N looks back"
        self.say(f"no {way}: {self.sought}")

    def _look_on(self, look: Look) -> None:
        self.look = look
        self.work(partial(_look, query=self.query_now(), look=look, size=self.app.size.height), about="look")

    @on(Looked)
    def looked(self, event: Looked) -> None:
        """Go to what was found, or look on, unless a key was pressed meanwhile."""
        look = event.look
        if self.look is not look:
            return
        self.arrived()
        self.look = None
        if event.found.place is not None:
            at = next(n for n, one in enumerate(event.rows) if one.key.place == event.found.place)  # type: ignore[attr-defined]
            self.say("")
            self.lines.land(event.rows, at, before=event.before, after=event.after)
        elif event.found.reached is not None:
            when = event.found.reached[0].astimezone(self.lines.shown.zone)
            self.say(f"not since {when:%Y-%m-%d %H:%M}, looking on; any key stops" if look.back else
                     f"not until {when:%Y-%m-%d %H:%M}, looking on; any key stops")  # fmt: skip
            more = min(2 * look.count, MOST)
            self._look_on(Look(look.needle, look.back, event.found.reached, more, look.either))
        elif look.either and not look.back:
            self._look_here(look.needle, back=True)
        else:
            self._not_found(look.back)

    def perform(self, command: type[c.Command]) -> None:
        """Stop looking at any key, then do what it says; esc only stops."""
        looking, self.look = self.look, None
        if looking and command is c.Back:
            self.say("stopped")
        else:
            super().perform(command)


def _look(session: Session, query: Query, look: Look, size: int) -> Looked:
    from luactl.log import find

    found = find(session, query, look.needle, look.near, look.count, back=look.back)
    if found.place is None:
        return Looked(look, found)
    return Looked(look, found, *surroundings(session, query, found.place, size))
