"""Holds on record, and the one question that everybody asks of them: who is held? Reads only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError
from ..pack import Uuids, teach
from .filter import Filter

if TYPE_CHECKING:
    from ..tenant import Tenant


@dataclass(frozen=True)
class NewHold:
    """A hold before it is placed."""

    hold_id: UUID
    """UUIDv7."""
    scope: str
    """subject, tenant or query."""
    subject_id: UUID | None
    """Whom it is on, when the scope is subject."""
    query: Filter | None
    """What it selects, when the scope is query."""
    case: str | None
    """The case that it belongs to: holds of one case are released together."""
    reference: str
    """Where the order is found: a file number, a letter; no personal data."""
    ground: str
    """Why deletion is suspended."""


@dataclass(frozen=True)
class Hold:
    """One hold as it stands in lua.hold."""

    tenant_id: int
    hold_id: UUID
    number: int
    """Counted in the tenant: names the period under whose key held rows are sealed."""
    scope: str
    """subject, tenant or query."""
    subject_id: UUID | None
    query: str | None
    """The filter in its one written form."""
    case: str | None
    reference: str
    ground: str
    placed_by: str
    """The login that placed it."""
    placed_at: datetime
    released_by: str | None
    released_at: datetime | None
    """None: it is in force."""
    reason: str | None
    """Why it was released."""

    @property
    def covers(self) -> str:
        """What it covers, in a few words."""
        return f"subject {self.subject_id}" if self.subject_id else self.query or "everything"


def _hold(tenant_id: int, row: Any) -> Hold:
    hold_id, number, scope, subject_id, about, kinds, first, last, *rest = row
    query = None if about is None else str(_filter(about, kinds, first, last))
    return Hold(tenant_id, hold_id, number, scope, subject_id, query, *rest)


def _filter(about: str, kinds: list[str] | None, first: date | None, last: date | None) -> Filter:
    return Filter(about, None if kinds is None else tuple(kinds), first, last)


def list_(
    session: Session, tenant: Tenant, *, released: bool = False, case: str | None = None
) -> tuple[Hold, ...]:
    """Return the holds of a tenant, newest first; `released` adds those no longer in force."""
    with transaction(session, tenant.tenant_id) as conn:
        return read(conn, tenant.tenant_id, released=released, case=case)


def read(conn: Any, tenant_id: int, *, released: bool = False, case: str | None = None) -> tuple[Hold, ...]:
    """Return the same in the running transaction, which is in the tenant's context."""
    rows = queries("hold").holds(conn, tenant_id=tenant_id, all=released, case_ref=case)
    return tuple(_hold(tenant_id, row) for row in rows)


def of_case(session: Session, tenant: Tenant, case: str) -> tuple[Hold, ...]:
    """Return the holds of a case that are in force. Raises NotFoundError when there is none."""
    found = list_(session, tenant, case=case)
    if not found:
        raise NotFoundError(
            f"{tenant.slug!r} has no hold in force in case {case!r}",
            hint=f"`luactl hold list --tenant {tenant.slug} --released` shows all",
        )
    return found


def find(session: Session, hold_id: UUID) -> Hold:
    """Return one hold, whichever tenant it belongs to. Raises NotFoundError."""
    with transaction(session) as conn:
        tenant_id = queries("hold").tenant_of_hold(conn, hold_id=hold_id)
    if tenant_id is not None:
        with transaction(session, tenant_id) as conn:
            row = queries("hold").hold(conn, tenant_id=tenant_id, hold_id=hold_id)
        if row is not None:
            return _hold(tenant_id, row)
    raise NotFoundError(
        f"there is no hold {hold_id}", hint="`luactl hold list --tenant SLUG` shows their ids"
    )


def held(conn: Any, tenant_id: int, subject_ids: Collection[UUID]) -> dict[UUID, tuple[Hold, ...]]:
    """Return those of these subjects who cannot be erased now, each with the holds that say so.

    One question for all of them, in the running transaction and the tenant's context; it changes nothing. Who
    goes on to erase is asked again by the database itself, which no hold placed meanwhile slips past.
    """
    teach(conn)
    rows = list(queries("hold").holds_on(conn, tenant_id=tenant_id, subject_ids=Uuids.of(subject_ids)))
    if not rows:
        return {}
    known = {one.hold_id: one for one in read(conn, tenant_id)}
    found: dict[UUID, set[UUID]] = {}
    for subject_id, hold_id in rows:
        found.setdefault(subject_id, set()).add(hold_id)
    return {
        subject_id: tuple(known[hold_id] for hold_id in sorted(ids & known.keys()))
        for subject_id, ids in found.items()
    }


def in_force(conn: Any, tenant_id: int) -> tuple[Hold, ...]:
    """Return every hold of a tenant that is in force, in the running transaction: while there is one, the
    tenant as a whole cannot go.
    """
    return read(conn, tenant_id)
