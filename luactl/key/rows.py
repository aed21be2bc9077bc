"""Answers of the noun's named queries, read at once in Postgres' binary form.

`fetch` is for long answers, `fetch_each` for several at once; for many rows both are far cheaper than reading
one by one.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from ..db import Session, is_direct, pipeline, queries


def fetch(session: Session, name: str, **parameters: object) -> list[tuple[Any, ...]]:
    """Return all rows of a named query."""
    return session.conn.execute(getattr(queries("key"), name).sql, parameters, binary=True).fetchall()


def fetch_each(session: Session, *asked: tuple[str, dict[str, object]]) -> list[list[tuple[Any, ...]]]:
    """Return all rows of several named queries; in one round trip where no pooler is between."""
    with pipeline(session.conn) if is_direct(session.conn) else nullcontext():
        cursors = [
            session.conn.execute(getattr(queries("key"), name).sql, parameters, binary=True)
            for name, parameters in asked
        ]
        return [cursor.fetchall() for cursor in cursors]
