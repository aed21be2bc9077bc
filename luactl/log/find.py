"""A text within lines, as a person looks for it on a screen: in whatever case, anywhere, near or far.

One pattern does both: Python marks with it what is in sight, Postgres looks with it for what is not. So what
is marked is what is found. A pattern holds nothing but letters in either case and escaped signs, which both
read alike; by `COLLATE "C"` no setting of the server changes that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..db import Session
from .line import Line
from .query import Query
from .search import FIRST, FIRST_ID, LAST, LAST_ID, Place, ask, onward, up_to

LONGEST = 10_000
"""Characters of a message that are looked at, and shown in a list."""


@dataclass(frozen=True)
class Needle:
    """What is looked for."""

    text: str

    @cached_property
    def pattern(self) -> str:
        """The same as a regular expression, for Python and Postgres alike."""
        return "".join(map(_either_case, self.text))

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where it is in a text: first character, and the one after the last."""
        if self.text:
            yield from (match.span() for match in self._compiled.finditer(text))

    def fits(self, line: Line) -> bool:
        """Tell whether it is in what a list shows of a line."""
        return any(True for text in said(line).values() for _span in self.spans(text))


@dataclass(frozen=True)
class Found:
    """How far somebody looked."""

    place: Place | None
    """Of the nearest line that has the text; None: not among those that were looked at."""
    reached: Place | None
    """Of the last line that was looked at, to go on from there; None: there are no more."""


def _either_case(sign: str) -> str:
    cases = sorted({one for one in (sign, sign.lower(), sign.upper()) if len(one) == 1})
    return f"[{''.join(cases)}]" if len(cases) > 1 else re.escape(sign)


def said(line: Line) -> dict[str, str]:
    """Return what a list shows of a line, by the names of the query language; not what is empty, or done."""
    texts = {
        "actor": line.actor,
        "action": line.action,
        "tenant": line.tenant,
        "outcome": None if line.outcome == "done" else line.outcome,
        "object": line.object,
        "purpose": line.purpose,
        "text": line.message and line.message[:LONGEST],
    }
    return {name: text for name, text in texts.items() if text}


def find(
    session: Session, query: Query, needle: Needle, near: Place | None, count: int, *, back: bool
) -> Found:
    """Look through the next `count` lines of a query after a place, or before it, for the nearest that fits.

    Without a place: from the newest back, or from the oldest on. Raises NotFoundError as `search` does.
    """
    place = near or ((LAST, LAST_ID) if back else (FIRST, FIRST_ID))
    rows = ask(
        session,
        "find_before" if back else "find_after",
        up_to(query, place) if back else onward(query, place),
        near_at=place[0],
        near_id=place[1],
        limit=count,
        pattern=needle.pattern,
        longest=LONGEST,
    )
    places: dict[str, Place] = {what: (at, id_) for what, at, id_ in rows}
    return Found(places.get("found"), places.get("last"))
