"""Erasures on record: intent and outcome, batches and people. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError
from ..tenant.view import overdue

if TYPE_CHECKING:
    from ..tenant import Tenant


@dataclass(frozen=True)
class Erasure:
    """One erasure as it stands in lua.erasure."""

    tenant_id: int
    erasure_id: UUID
    subject_id: UUID | None
    """The pseudonym that is left of the person; None when they are many."""
    instruction: str
    """Where the tenant's instruction is found."""
    requested_by: str
    """The login that ran it."""
    state: str
    """intent: keys are dropped in the database, the rest is not done or not confirmed yet; done: all is."""
    epoch: int
    """Epoch of the key tree that dropped the first keys."""
    plan: dict[str, Any]
    """What went and what stays, in counts."""
    result: dict[str, Any] | None
    """The facts that the certificate states; None before the outcome."""
    created_at: datetime
    completed_at: datetime | None
    scope: str
    """person or special."""
    people: int
    """How many were asked for."""
    digest: str | None
    """Digest of its plan; None on records from before there was one."""
    epoch_to: int
    """Epoch of the last batch."""


@dataclass(frozen=True)
class Batch:
    """What went in one epoch."""

    epoch: int
    people: int
    gone: dict[str, int]
    """Rows by table."""
    keys: dict[str, int]
    """Keys by class."""
    at: datetime


@dataclass(frozen=True)
class DroppedKey:
    """Where a key stood that an erasure dropped."""

    subject_id: UUID
    key_class: int
    version: int
    slot: int


@dataclass(frozen=True)
class Unfinished:
    """Work on keys that was cut short: run again, it is finished."""

    kind: str
    """erasure, purge, termination, or notice: one that its processor has not confirmed for 14 days."""
    tenant: str
    """Slug."""
    id: UUID
    since: datetime


def unfinished(session: Session) -> tuple[Unfinished, ...]:
    """Return what was begun at any tenant and not finished, and notices that nobody confirmed for long.

    Oldest first.
    """
    rows = queries("erasure").unfinished(session.conn, before=overdue(session))
    return tuple(Unfinished(*row) for row in rows)


def read(conn: Any, tenant_id: int, erasure_id: UUID | None) -> Erasure | None:
    """Return an erasure in the running transaction; None when there is none of that id."""
    if erasure_id is None:
        return None
    row = queries("erasure").erasure(conn, tenant_id=tenant_id, erasure_id=erasure_id)
    return None if row is None else Erasure(tenant_id, *row)


def of_subject(conn: Any, tenant_id: int, subject_id: UUID) -> Erasure | None:
    """Return the erasure that took a person, in the running transaction; None when there is none."""
    found = queries("erasure").erasure_of_subject(conn, tenant_id=tenant_id, subject_id=subject_id)
    return read(conn, tenant_id, found)


def of_digest(conn: Any, tenant_id: int, digest: str) -> Erasure | None:
    """Return the newest erasure by a plan of that digest, in the running transaction; None without one."""
    found = queries("erasure").erasure_of_digest(conn, tenant_id=tenant_id, digest=bytes.fromhex(digest))
    return read(conn, tenant_id, found)


def begun(session: Session, tenant: Tenant) -> tuple[Erasure, ...]:
    """Return the erasures of a tenant that were begun and not finished, oldest first."""
    with transaction(session, tenant.tenant_id) as conn:
        ids = [row[0] for row in queries("erasure").open_erasures(conn, tenant_id=tenant.tenant_id)]
        found = [read(conn, tenant.tenant_id, one) for one in ids]
    return tuple(one for one in found if one is not None)


def list_(
    session: Session,
    tenant: Tenant,
    limit: int = 0,
    *,
    state: str | None = None,
    since: datetime | None = None,
    before: UUID | None = None,
) -> tuple[Erasure, ...]:
    """Return the erasures of a tenant, newest first; at most `limit` of them unless it is 0.

    `before` is the id of the last one of the page before this.
    """
    asked = {"state": state, "since": since, "before": before, "limit": limit}
    with transaction(session, tenant.tenant_id) as conn:
        rows = queries("erasure").erasures(conn, tenant_id=tenant.tenant_id, **asked)
        return tuple(Erasure(tenant.tenant_id, *row) for row in rows)


def find(session: Session, erasure_id: UUID) -> Erasure:
    """Return one erasure, whichever tenant it belongs to. Raises NotFoundError."""
    with transaction(session) as conn:
        tenant_id = queries("erasure").tenant_of_erasure(conn, erasure_id=erasure_id)
    if tenant_id is not None:
        with transaction(session, tenant_id) as conn:
            found = read(conn, tenant_id, erasure_id)
        if found is not None:
            return found
    raise NotFoundError(
        f"there is no erasure {erasure_id}", hint="`luactl erasure list --tenant SLUG` shows their ids"
    )


def batches(conn: Any, erasure: Erasure) -> tuple[Batch, ...]:
    """Return the batches of an erasure in the running transaction, oldest first."""
    return tuple(Batch(*row) for row in queries("erasure").batches(conn, **_key(erasure)))


def people(conn: Any, erasure: Erasure, state: str = "erased") -> tuple[UUID, ...]:
    """Return whom an erasure erased (or found erased `before`, or left out as `held`), in the running
    transaction.
    """
    return tuple(row[0] for row in queries("erasure").people(conn, **_key(erasure), state=state))


def dropped_keys(conn: Any, erasure: Erasure) -> Sequence[DroppedKey]:
    """Return every key that an erasure dropped, in the running transaction."""
    return [DroppedKey(*row) for row in queries("erasure").dropped_keys(conn, **_key(erasure))]


def left_to_do(conn: Any, erasure: Erasure) -> tuple[UUID, ...]:
    """Return those of whom nothing is written down yet, in the running transaction, in the order of ids."""
    return tuple(row[0] for row in queries("erasure").left_to_do(conn, **_key(erasure)))


def _key(erasure: Erasure) -> dict[str, Any]:
    return {"tenant_id": erasure.tenant_id, "erasure_id": erasure.erasure_id}
