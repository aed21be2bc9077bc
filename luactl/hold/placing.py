"""Placing a hold: from its commit on, nothing that it covers goes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from ..db import Session, queries, transaction
from ..errors import NotFoundError, UsageError
from ..line import checked
from .filter import Filter
from .record import Hold, NewHold, find, read

if TYPE_CHECKING:
    from ..tenant import Tenant

GROUND = "legal claims (Art. 17(3)(e) GDPR)"


def prepare(
    reference: str,
    *,
    ground: str = GROUND,
    subject_id: UUID | None = None,
    query: Filter | None = None,
    case: str | None = None,
) -> NewHold:
    """Return a hold on a subject, on a query, or (with neither) on the whole tenant; nothing is placed yet.

    Raises UsageError for texts that are no line, and for a hold on both.
    """
    from uuid_utils.compat import uuid7

    if subject_id is not None and query is not None:
        raise UsageError("a hold is on a subject or on a query, not on both", hint="place two, in one case")
    scope = "subject" if subject_id else "query" if query else "tenant"
    return NewHold(
        uuid7(),
        scope,
        subject_id,
        query,
        None if case is None else checked("case", case),
        checked("reference", reference),
        checked("ground", ground),
    )


def place(session: Session, tenant: Tenant, new: NewHold, *, dry_run: bool = False) -> Hold | NewHold:
    """Place a hold with its ledger entry, and return it as it stands; a dry run returns what it was given.

    One that is in force already, in every word, stays the one it is. It waits for an erasure or purge of this
    tenant that is at work. Raises NotFoundError for an unknown subject.
    """
    from ..ledger import Entry, append

    with transaction(session, tenant.tenant_id) as conn:
        if new.subject_id is not None:
            _known(session, tenant, new.subject_id)
        there = [one for one in read(conn, tenant.tenant_id, case=new.case) if _same(one, new)]
        if there:
            return there[0]
        detail = {"scope": new.scope, "case": new.case, "query": str(new.query) if new.query else None}
        entry = Entry("hold.place", tenant.tenant_id, f"hold:{new.hold_id}", detail=detail)
        entry_id = append(session, entry)
        wanted = new.query or Filter("interaction")
        queries("hold").place(
            conn,
            tenant_id=tenant.tenant_id,
            hold_id=new.hold_id,
            scope=new.scope,
            subject_id=new.subject_id,
            about=wanted.about if new.query else None,
            kinds=None if wanted.kinds is None else list(wanted.kinds),
            first_on=wanted.first_on,
            last_on=wanted.last_on,
            case_ref=new.case,
            reference=new.reference,
            ground=new.ground,
            at=session.clock.now(),
            entry_id=entry_id,
        )
        if dry_run:
            raise psycopg.Rollback
    return new if dry_run else find(session, new.hold_id)


def _same(there: Hold, new: NewHold) -> bool:
    query = str(new.query) if new.query else None
    words = (new.scope, new.subject_id, query, new.case, new.reference, new.ground)
    return (there.scope, there.subject_id, there.query, there.case, there.reference, there.ground) == words


def _known(session: Session, tenant: Tenant, subject_id: UUID) -> None:
    """Raise NotFoundError for somebody unknown; an erased person's invoices can still be held."""
    found = queries("hold").subject_status(session.conn, tenant_id=tenant.tenant_id, subject_id=subject_id)
    if found is None:
        raise NotFoundError(
            f"{tenant.slug!r} has no subject {subject_id}", hint="`luactl subject find` tells a person's id"
        )
