"""Bookmarks and notes on lines: what somebody wants to come back to, for a case, and for everybody.

They are never changed or taken back, and their text stays out of the ledger, which would keep it for ever.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from .. import line as text_line
from ..db import Session, queries, transaction
from .search import place_of


@dataclass(frozen=True)
class Note:
    """A mark on a line."""

    note_id: UUID
    line_id: UUID
    line_at: datetime
    text: str | None
    """None: only a bookmark."""
    case: str | None
    noted_by: str
    noted_at: datetime


def add_note(
    session: Session,
    line_id: UUID,
    text: str | None = None,
    case: str | None = None,
    *,
    dry_run: bool = False,
) -> Note:
    """Mark a line that one may see, and return the mark, or the same one made before; no text: a bookmark.

    Raises NotFoundError when it is not there, UsageError for a text or case that is no line of text.
    """
    from ..ledger import Entry, append, new_id

    said = None if text is None else text_line.checked("note", text)
    about = None if case is None else text_line.checked("case", case)
    at, _id = place_of(session, line_id)
    now, noun = session.clock.now(), queries("log_note")
    id_ = new_id(now)
    with transaction(session) as conn:
        made = noun.insert_note(
            conn, note_id=id_, line_id=line_id, line_at=at, text=said, case_ref=about, at=now
        )
        if made:
            detail = {"line": str(line_id), "case": about, "bookmark": said is None}
            append(session, Entry("log.note.add", object=f"log-note:{id_}", outcome="done", detail=detail))
        note = _note(*noun.own_note(conn, line_id=line_id, text=said, case_ref=about))
        if dry_run:
            raise psycopg.Rollback
    return note


def list_notes(session: Session, case: str | None = None, line_id: UUID | None = None) -> tuple[Note, ...]:
    """Return marks in the order of their lines: all, of a case, or on one line."""
    rows = queries("log_note").notes(session.conn, case_ref=case, line_id=line_id)
    return tuple(_note(*row) for row in rows)


def noted(session: Session, line_ids: Collection[UUID]) -> frozenset[UUID]:
    """Return which of these lines have a mark."""
    return frozenset(row[0] for row in queries("log_note").noted(session.conn, line_ids=list(line_ids)))


def _note(
    note_id: UUID, line: UUID, at: datetime, text: str | None, case: str | None, by: str, noted_at: datetime
) -> Note:
    return Note(note_id, line, at.astimezone(UTC), text, case, by, noted_at.astimezone(UTC))
