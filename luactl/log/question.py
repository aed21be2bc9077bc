"""Questions: put together from what was typed, what was saved, and from people."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from ..db import Session, queries
from ..errors import NoTenantError, NotFoundError
from ..ledger import record_read, references
from .query import Every, Field, Node, Query, Value, check, parse

EVERYTHING = Every(())


def question(session: Session, texts: Iterable[str], fields: Iterable[tuple[str, str | None]] = ()) -> Query:
    """Return a query in which each of these texts and fields holds, and the narrowest of their times.

    Raises UsageError for what is no query, and for what a field can never hold.
    """
    now = session.clock.now()
    parsed = [parse(text, now) for text in texts]
    sinces = [query.since for query in parsed if query.since is not None]
    untils = [query.until for query in parsed if query.until is not None]
    where = [query.where for query in parsed if query.where != EVERYTHING]
    whole = where[0] if len(where) == 1 else Every(tuple(where))
    return narrowed(Query(whole, max(sinces, default=None), min(untils, default=None)), fields)


def narrowed(query: Query, fields: Iterable[tuple[str, str | None]]) -> Query:
    """Return a query that also demands these fields; None demands nothing, a star is a star.

    Raises UsageError for what a field can never hold.
    """
    asked = [(name, Value(tuple(value.split("*")))) for name, value in fields if value is not None]
    for name, value in asked:
        check(name, value)
    more: list[Node] = [Field(name, (value,)) for name, value in asked]
    return Query(Every((query.where, *more)), query.since, query.until) if more else query


def find_tenant(session: Session, slug: str) -> int:
    """Return the id of a tenant. Raises NotFoundError."""
    found: int | None = queries("log").tenant_id(session.conn, slug=slug)
    if found is None:
        raise NoTenantError(slug)
    return found


def reference_of(session: Session, tenant: int, subject_id: UUID, purpose: str) -> UUID:
    """Return the ledger reference of a subject: opened on a key host, and recorded as a read.

    Raises RefusedError off a key host, NotFoundError for an unknown or erased subject.
    """
    from ..key import open_tenant

    found = references(session, open_tenant(session, tenant), tenant, [subject_id])
    if subject_id not in found:
        raise NotFoundError(
            f"subject {subject_id} is not there, or erased",
            hint="erasure cuts the way from a person to their entries for ever",
        )
    record_read(session, tenant, [found[subject_id]], purpose, "table:crm.subject")
    return found[subject_id]
