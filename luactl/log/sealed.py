"""Looking for a text in what is sealed of lines: after all other conditions, on a key host, on record first.

What a person typed is masked in a line and kept sealed beside it. So no index knows it: lines are opened one
by one, the newest first, and never more than were asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..db import Session
from ..errors import UsageError
from .evidence import Raw, raw
from .find import Needle
from .ingest.source import sources
from .line import Line
from .query import Query
from .question import narrowed
from .search import LAST, LAST_ID, Place, search

MOST = 10_000
"""How many lines are opened at once at most."""


@dataclass(frozen=True)
class Unsealed:
    """What was found in sealed lines."""

    lines: tuple[Line, ...]
    """That hold the text, newest first; masked as ever."""
    opened: int
    """How many were opened."""
    closed: int
    """How many could not be: their month is gone, or their bytes were never kept."""
    last: Line | None
    """The last one that was looked at, if there are more that fit the other conditions."""


def search_sealed(
    session: Session,
    query: Query,
    text: str,
    purpose: str,
    limit: int,
    *,
    before: Place = (LAST, LAST_ID),
) -> Unsealed:
    """Return which of the newest `limit` lines that fit hold a text, in whatever case, in what was written.

    That they are read is on record before any is opened. Raises UsageError for no text, no purpose or too
    many lines, RefusedError off a key host and for a login that may not read lines as they were written.
    """
    if not text.strip() or not purpose.strip():
        raise UsageError("what is sought, and why?", hint="--sealed TEXT and --purpose TEXT; both are needed")
    if not 1 <= limit <= MOST:
        raise UsageError(
            f"between 1 and {MOST:,} lines are opened at once", hint="--limit N, then go on with --before"
        )
    page = search(session, narrowed(query, [("kind", "line")]), limit, before=before)
    forms = {source.name: source.form for source in sources(session)}
    needle = Needle(text)

    def said(one: Raw) -> Iterator[str]:
        """What was written, and what that means: within CSV and JSON quotation marks look otherwise."""
        yield one.text or ""
        try:
            record = forms[one.source].read(one.data or b"")
        except ValueError:
            return
        parts = (record.message, record.detail, record.hint, record.context, record.statement)
        yield from (part for part in parts if part)

    opened = raw(session, [one.id for one in page.lines], purpose)
    found = {one.id for one in opened if any(True for part in said(one) for _span in needle.spans(part))}
    closed = sum(one.data is None for one in opened)
    return Unsealed(
        tuple(one for one in page.lines if one.id in found),
        len(opened) - closed,
        closed,
        page.lines[-1] if page.more else None,
    )
