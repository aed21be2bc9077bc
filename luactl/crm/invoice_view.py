"""Invoices as somebody sees them. The billing party opens for bookkeeping only, and leaves a record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from .opening import PURPOSE, Sealed, record_and_open
from .view import Listing

if TYPE_CHECKING:
    from ..tenant import Tenant


@dataclass(frozen=True)
class InvoiceView:
    """One invoice. `party` is None unless it was asked for; `retained_at` is when its person was erased."""

    invoice_id: UUID
    subject_id: UUID
    number: str
    issued_on: date
    currency: str
    total: Decimal
    lines: int
    retained_at: datetime | None
    party: dict[str, Any] | None = None


def list_invoices(
    session: Session,
    tenant: Tenant,
    limit: int,
    subject_id: UUID | None = None,
    *,
    party: bool = False,
    purpose: str = PURPOSE,
) -> Listing:
    """Return up to `limit` invoices (0: all), the latest first; of one person if one is given.

    With `party` the billing party is opened too, which needs the right to read sealed invoices.
    """
    with transaction(session, tenant.tenant_id) as conn:
        rows: list[Any] = list(
            queries("crm").list_invoices(
                conn, tenant_id=tenant.tenant_id, subject_id=subject_id, limit=limit + 1 if limit else None
            )
        )
    shown = rows[:limit] if limit else rows
    parties = _parties(session, tenant, shown, purpose) if party else {}
    views = tuple(_view(row, parties.get(row[0])) for row in shown)
    return Listing(views, len(rows) > len(shown))


def _view(row: Any, party: dict[str, Any] | None) -> InvoiceView:
    invoice_id, subject_id, number, issued_on, currency, total, retained_at, lines = row
    return InvoiceView(invoice_id, subject_id, number, issued_on, currency, total, lines, retained_at, party)


def _parties(session: Session, tenant: Tenant, shown: list[Any], purpose: str) -> dict[UUID, dict[str, Any]]:
    from ..subject.sealed import INVOICE

    with transaction(session, tenant.tenant_id) as conn:
        ids = [row[0] for row in shown]
        rows = list(queries("crm").sealed_parties(conn, tenant_id=tenant.tenant_id, invoice_ids=ids))
    sealed = [Sealed(row[1], row[0], row[2]) for row in rows]
    opened = record_and_open(session, tenant.tenant_id, INVOICE, sealed, purpose)
    return {row[0]: fields for row, fields in zip(rows, opened, strict=True) if fields is not None}
