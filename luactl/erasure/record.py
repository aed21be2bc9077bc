"""Erasures on record: intent and outcome, one row a person. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError

if TYPE_CHECKING:
    from ..tenant import Tenant


@dataclass(frozen=True)
class Erasure:
    """One erasure as it stands in lua.erasure."""

    tenant_id: int
    erasure_id: UUID
    subject_id: UUID
    """The pseudonym that is left of the person."""
    instruction: str
    """Where the tenant's instruction is found."""
    requested_by: str
    """The login that ran it."""
    state: str
    """intent: the keys are dropped in the database, the rest is not confirmed yet. done: all of it."""
    epoch: int
    """Epoch of the key tree that dropped the keys."""
    plan: dict[str, Any]
    """What went and what stays, in counts."""
    result: dict[str, Any] | None
    """The facts that the certificate states; None before the outcome."""
    created_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True)
class Unfinished:
    """Work on keys that was cut short: run again, it is finished."""

    kind: str
    """erasure or purge."""
    tenant: str
    """Slug."""
    id: UUID
    since: datetime


def unfinished(session: Session) -> tuple[Unfinished, ...]:
    """Return the erasures and purges of all tenants that were begun and not finished, oldest first."""
    return tuple(Unfinished(*row) for row in queries("erasure").unfinished(session.conn))


def of_subject(conn: Any, tenant_id: int, subject_id: UUID) -> Erasure | None:
    """Return the erasure of a subject in the running transaction; None when there is none."""
    row = queries("erasure").erasure_of_subject(conn, tenant_id=tenant_id, subject_id=subject_id)
    return None if row is None else Erasure(tenant_id, *row)


def list_(session: Session, tenant: Tenant, limit: int = 0) -> tuple[Erasure, ...]:
    """Return the erasures of a tenant, newest first; at most `limit` of them unless it is 0."""
    with transaction(session, tenant.tenant_id) as conn:
        rows = queries("erasure").erasures(conn, tenant_id=tenant.tenant_id, limit=limit)
        return tuple(Erasure(tenant.tenant_id, *row) for row in rows)


def find(session: Session, erasure_id: UUID) -> Erasure:
    """Return one erasure, whichever tenant it belongs to. Raises NotFoundError."""
    with transaction(session) as conn:
        tenant_id = queries("erasure").tenant_of_erasure(conn, erasure_id=erasure_id)
    if tenant_id is not None:
        with transaction(session, tenant_id) as conn:
            row = queries("erasure").erasure(conn, tenant_id=tenant_id, erasure_id=erasure_id)
        if row is not None:
            return Erasure(tenant_id, *row)
    raise NotFoundError(
        f"there is no erasure {erasure_id}", hint="`luactl erasure list --tenant SLUG` shows their ids"
    )
