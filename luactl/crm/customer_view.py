"""Customers as somebody sees them: listed and shown, each reading recorded before it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError
from .opening import PURPOSE, Sealed, record_and_open
from .view import Listing

if TYPE_CHECKING:
    from datetime import datetime

    from ..tenant import Tenant


@dataclass(frozen=True)
class CustomerView:
    """One contact of a living person, opened. Fields that were never given are None."""

    subject_id: UUID
    contact_id: UUID
    created_at: datetime
    external_id: str | None = None
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    email: str | None = None
    phone: str | None = None
    mobile: str | None = None
    fax: str | None = None
    street: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    birth_date: str | None = None
    notes: str | None = None


def full_name(fields: dict[str, Any]) -> str | None:
    """Return the name of a person as one text: the full one, or first and last name."""
    parts = (fields.get("first_name"), fields.get("last_name"))
    return fields.get("name") or " ".join(part for part in parts if part) or None


def list_customers(session: Session, tenant: Tenant, limit: int, purpose: str = PURPOSE) -> Listing:
    """Return up to `limit` customers (0: all) in the order in which they came; none who are erased."""
    with transaction(session, tenant.tenant_id) as conn:
        asked = limit + 1 if limit else None
        rows = list(queries("crm").list_contacts(conn, tenant_id=tenant.tenant_id, limit=asked))
    shown = rows[:limit] if limit else rows
    return Listing(tuple(_open(session, tenant, shown, purpose)), len(rows) > len(shown))


def page_customers(
    session: Session,
    tenant: Tenant,
    limit: int,
    purpose: str = PURPOSE,
    *,
    after: UUID | None = None,
    before: UUID | None = None,
    last: bool = False,
) -> Listing:
    """Return up to `limit` customers next to a contact, in the order in which they came.

    Those `after` a contact id, or `before` one; without either the first, or the `last`. `more` tells whether
    others follow in that direction. A page costs the same wherever it lies.
    """
    scope, noun = {"tenant_id": tenant.tenant_id, "limit": limit + 1}, queries("crm")
    with transaction(session, tenant.tenant_id) as conn:
        if last or before is not None:
            rows = list(noun.contacts_before(conn, before=before, **scope))
        else:
            rows = list(noun.contacts_after(conn, after=after, **scope))
    shown = sorted(rows[:limit], key=lambda row: row[0])
    return Listing(tuple(_open(session, tenant, shown, purpose)), len(rows) > limit)


def count_customers(session: Session, tenant: Tenant) -> int:
    """Return how many contacts a tenant has."""
    with transaction(session, tenant.tenant_id) as conn:
        return int(queries("crm").count_contacts(conn, tenant_id=tenant.tenant_id))


def show_customer(
    session: Session, tenant: Tenant, subject_id: UUID, purpose: str = PURPOSE
) -> tuple[CustomerView, ...]:
    """Return the contacts of one living person. Raises NotFoundError when nobody living has this id."""
    found = contacts_of(session, tenant, [subject_id], purpose)
    if not found:
        raise NotFoundError(
            f"tenant {tenant.slug} has no customer {subject_id}",
            hint=f"`luactl crm customer list --tenant {tenant.slug}` shows who is there",
        )
    return found


def contacts_of(
    session: Session, tenant: Tenant, subject_ids: list[UUID], purpose: str
) -> tuple[CustomerView, ...]:
    """Return the contacts of some people, those of erased ones left out."""
    with transaction(session, tenant.tenant_id) as conn:
        rows = list(queries("crm").contacts_of(conn, tenant_id=tenant.tenant_id, subject_ids=subject_ids))
    return tuple(_open(session, tenant, rows, purpose))


def _open(session: Session, tenant: Tenant, rows: list[Any], purpose: str) -> list[CustomerView]:
    from ..subject.sealed import CONTACT

    sealed = [Sealed(subject_id, contact_id, blob) for contact_id, subject_id, blob, _ in rows]
    opened = record_and_open(session, tenant.tenant_id, CONTACT, sealed, purpose)
    return [
        _view(row[1], row[0], row[3], fields)
        for row, fields in zip(rows, opened, strict=True)
        if fields is not None
    ]


def _view(subject_id: UUID, contact_id: UUID, created_at: datetime, fields: dict[str, Any]) -> CustomerView:
    known = {name: value for name, value in fields.items() if name in CustomerView.__dataclass_fields__}
    known["name"] = full_name(fields)
    return CustomerView(subject_id, contact_id, created_at, **known)
