"""The rows of a tenant, page by page, opened: each page's reading is on record before it is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..crm.opening import Sealed, record_and_open
from ..db import Session, queries, transaction
from ..subject.sealed import CONTACT, INTERACTION, INVOICE, INVOICE_LINE, USER, Table

if TYPE_CHECKING:
    from ..tenant import Tenant

PAGE = 2_000
_FIRST = UUID(int=0)
Row = dict[str, Any]


def _pages(session: Session, tenant: Tenant, query: str) -> Iterator[Sequence[Any]]:
    """Yield pages of rows in the order of their ids, which stand first in each."""
    ask: Callable[..., Any] = getattr(queries("portable"), query)
    after = _FIRST
    while True:
        with transaction(session, tenant.tenant_id) as conn:
            rows = list(ask(conn, tenant_id=tenant.tenant_id, after=after, limit=PAGE))
        if not rows:
            return
        yield rows
        after = rows[-1][0]


def subjects(session: Session, tenant: Tenant) -> Iterator[Row]:
    """Yield every person, the erased ones among them: no more than ids, status and times."""
    for page in _pages(session, tenant, "subjects_after"):
        for subject_id, status, created_at, erased_at in page:
            yield {
                "subject_id": subject_id,
                "status": status,
                "created_at": created_at,
                "erased_at": erased_at,
            }


def _opened(
    session: Session, tenant: Tenant, page: Sequence[Any], table: Table, purpose: str
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the rows of a page whose keys live, and what was sealed in them, which stands third."""
    sealed = [Sealed(row[1], row[0], row[2]) for row in page]
    opened = record_and_open(session, tenant.tenant_id, table, sealed, purpose)
    for row, fields in zip(page, opened, strict=True):
        if fields is not None:
            yield row, fields


def contacts(session: Session, tenant: Tenant, purpose: str) -> Iterator[Row]:
    """Yield the contacts of living people, opened."""
    for page in _pages(session, tenant, "contacts_after"):
        for row, fields in _opened(session, tenant, page, CONTACT, purpose):
            yield {
                "contact_id": row[0],
                "subject_id": row[1],
                "created_at": row[3],
                "updated_at": row[4],
                "fields": fields,
            }


def interactions(session: Session, tenant: Tenant, purpose: str) -> Iterator[Row]:
    """Yield what passed between the tenant and living people, opened."""
    for page in _pages(session, tenant, "interactions_after"):
        for row, fields in _opened(session, tenant, page, INTERACTION, purpose):
            yield {
                "interaction_id": row[0],
                "subject_id": row[1],
                "kind": row[3],
                "occurred_at": row[4],
                "created_at": row[5],
                "fields": fields,
            }


def invoices(session: Session, tenant: Tenant, purpose: str) -> Iterator[Row]:
    """Yield invoices with their lines, opened; those of erased people too that a duty keeps."""
    for page in _pages(session, tenant, "invoices_after"):
        lines = _lines(session, tenant, page, purpose)
        for row, fields in _opened(session, tenant, page, INVOICE, purpose):
            yield {
                "invoice_id": row[0],
                "subject_id": row[1],
                "number": row[3],
                "issued_on": row[4],
                "currency": row[5],
                "total": row[6],
                "retained_at": row[7],
                "created_at": row[8],
                "fields": fields,
                "lines": lines.get(row[0], []),
            }


def _lines(session: Session, tenant: Tenant, page: Sequence[Any], purpose: str) -> dict[UUID, list[Row]]:
    """Return the lines of a page of invoices, opened, by invoice."""
    of = {row[0]: row[1] for row in page}
    with transaction(session, tenant.tenant_id) as conn:
        rows = list(queries("portable").lines_of(conn, tenant_id=tenant.tenant_id, invoice_ids=list(of)))
    sealed = [Sealed(of[row[0]], f"{row[0]}/{row[1]}", row[4]) for row in rows]
    found: dict[UUID, list[Row]] = {}
    opened = record_and_open(session, tenant.tenant_id, INVOICE_LINE, sealed, purpose)
    for row, fields in zip(rows, opened, strict=True):
        if fields is not None:
            line = {"line_no": row[1], "quantity": row[2], "unit_price": row[3], "fields": fields}
            found.setdefault(row[0], []).append(line)
    return found


def users(session: Session, tenant: Tenant, purpose: str) -> Iterator[Row]:
    """Yield the CRM's users, opened, with their roles; no token of any."""
    for page in _pages(session, tenant, "users_after"):
        for row, fields in _opened(session, tenant, page, USER, purpose):
            yield {
                "user_id": row[0],
                "subject_id": row[1],
                "state": row[3],
                "mfa": row[4],
                "created_at": row[5],
                "ended_at": row[6],
                "roles": row[7],
                "fields": fields,
            }


def sessions(session: Session, tenant: Tenant) -> Iterator[Row]:
    """Yield what is kept of the sessions of users, by whose they are."""
    names = ("session_id", "subject_id", "since", "seen_at", "ended_at", "network")
    for page in _pages(session, tenant, "sessions_after"):
        for row in page:
            yield dict(zip(names, row, strict=True))
