"""Saved queries: what a team asks again and again, by a name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError
from .query import parse


@dataclass(frozen=True)
class Saved:
    """A saved query."""

    name: str
    query: str
    about: str
    """What it is for; may be empty."""
    saved_by: str
    saved_at: datetime


def list_saved(session: Session) -> tuple[Saved, ...]:
    """Return all saved queries by name."""
    return tuple(Saved(*row) for row in queries("log").saved_queries(session.conn))


def saved(session: Session, name: str) -> Saved:
    """Return one saved query. Raises NotFoundError."""
    row = queries("log").saved_query(session.conn, name=name)
    if row is None:
        raise NotFoundError(f"there is no saved query {name!r}", hint="`luactl log query list` shows them")
    return Saved(*row)


def save(session: Session, name: str, text: str, about: str = "", *, dry_run: bool = False) -> Saved:
    """Save a query under a name that is free; its spans back count anew each time.

    Raises UsageError for what is no query or no name, RefusedError when the name is taken.
    """
    from ..errors import UsageError
    from ..ledger import Entry, append

    now = session.clock.now()
    parse(text, now)
    try:
        with transaction(session) as conn:
            queries("log").save_query(conn, name=name, query=text, about=about, at=now)
            append(session, Entry("log.query.save", object=name, outcome="done", detail={"query": text}))
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.UniqueViolation:
        raise RefusedError(
            f"there is a saved query {name!r} already", hint="remove it first, or take another name"
        ) from None
    except psycopg.errors.CheckViolation:
        raise UsageError(
            "a name has at most 63 small letters, digits and single hyphens; what it is for, 200 characters",
            hint="such as night-access",
        ) from None
    return Saved(name, text, about, session.actor, now)


def forget(session: Session, name: str, *, dry_run: bool = False) -> Saved:
    """Remove a saved query of one's own. Raises NotFoundError, RefusedError for somebody else's."""
    from ..ledger import Entry, append

    found = saved(session, name)
    if found.saved_by != session.actor:
        raise RefusedError(f"{name!r} was saved by {found.saved_by}", hint="only they remove it")
    with transaction(session) as conn:
        queries("log").forget_query(conn, name=name)
        append(session, Entry("log.query.remove", object=name, outcome="done", detail={"query": found.query}))
        if dry_run:
            raise psycopg.Rollback
    return found
