"""Requests on record, with their clocks. Reads only; a note about a request is opened elsewhere (note.py)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import hold
from ..db import Session, queries, transaction
from ..errors import NotFoundError
from .term import EXTENDED, MONTHS, over_at

if TYPE_CHECKING:
    from ..tenant import Tenant

RIGHTS = ("access", "rectification", "erasure", "restriction", "portability", "objection")
"""Art. 15, 16, 17, 18, 20 and 21 GDPR."""
CHANNELS = ("letter", "email", "phone", "form", "visit", "other")
RECEIVERS = ("tenant", "processor")
CLOSED = ("answered", "refused", "withdrawn")


@dataclass(frozen=True)
class Request:
    """One request as it stands in lua.request."""

    tenant_id: int
    request_id: UUID
    right: str
    """One of RIGHTS."""
    state: str
    """open, extended, answered, refused or withdrawn."""
    reference: str
    """Where the request is found at the tenant."""
    channel: str
    """One of CHANNELS."""
    received_by: str
    """tenant; or processor: it reached Lua CRM, which handed it on."""
    received_at: datetime
    handed_on_at: datetime | None
    """When it was handed on to the tenant; None for what reached the tenant itself."""
    first_due_on: date
    """Last day of the first month."""
    due_on: date
    """Last day on which an answer is in time: of the first month, or of the third when it was extended."""
    subject_id: UUID | None
    """Whose it is; None before that is known, and again once they are erased."""
    identified_how: str | None
    """How it was made sure who asks."""
    identified_at: datetime | None
    identified_by: str | None
    extension_reason: str | None
    told_at: datetime | None
    """When the person was told of the extension."""
    extended_by: str | None
    closed_at: datetime | None
    closed_by: str | None
    outcome: str | None
    """Where the answer is found, or the ground of a refusal."""
    erasure_id: UUID | None
    """The erasure that carries it out, or did."""
    recorded_by: str
    recorded_at: datetime
    has_note: bool
    """Whether a sealed note about it is there."""
    overdue: bool = False
    """Open past its last day, or closed after it."""
    days_left: int | None = None
    """Whole days until its last day, negative after it; None when it is closed."""
    held: tuple[UUID, ...] = ()
    """Legal holds that keep the person's data from being erased; empty for other rights."""
    note: str | None = None
    """The note, when it was opened."""

    @property
    def months(self) -> int:
        """How many months from receipt its clock runs: fewer as long as it was not extended."""
        return MONTHS if self.extended_by is None else EXTENDED


@dataclass(frozen=True)
class Line:
    """One request in a list."""

    tenant: str
    """Slug."""
    request_id: UUID
    right: str
    state: str
    reference: str
    received_at: datetime
    due_on: date
    overdue: bool
    days_left: int | None
    identified: bool
    """Whether it is known whose it is; of closed ones, whether it was."""
    held: bool
    """Whether a legal hold keeps the person's data."""
    closed_at: datetime | None


def is_overdue(due_on: date, closed_at: datetime | None, now: datetime) -> bool:
    """Tell whether an answer is late, or was."""
    return (closed_at or now) >= over_at(due_on)


def _days(due_on: date, closed_at: datetime | None, now: datetime) -> int | None:
    return None if closed_at else (due_on - now.date()).days


def _line(row: Any, now: datetime) -> Line:
    slug, request_id, right, state, reference, received_at, due_on, known, held, closed_at = row
    late, days = is_overdue(due_on, closed_at, now), _days(due_on, closed_at, now)
    asked = (slug, request_id, right, state, reference, received_at)
    return Line(*asked, due_on, late, days, known, held, closed_at)


def open_(session: Session) -> tuple[Line, ...]:
    """Return the open requests of all tenants, the one that is due first before the others."""
    now = session.clock.now()
    return tuple(_line(row, now) for row in queries("request").open_requests(session.conn))


def list_(session: Session, tenant: Tenant, *, closed: bool = False) -> tuple[Line, ...]:
    """Return a tenant's open requests, the one due first at the head; then the `closed`, newest first."""
    now = session.clock.now()
    with transaction(session, tenant.tenant_id) as conn:
        rows = queries("request").requests(conn, tenant_id=tenant.tenant_id, slug=tenant.slug, closed=closed)
        return tuple(_line(row, now) for row in rows)


def find(session: Session, request_id: UUID) -> Request:
    """Return one request, whichever tenant it belongs to. Raises NotFoundError."""
    with transaction(session) as conn:
        tenant_id = queries("request").tenant_of_request(conn, request_id=request_id)
    if tenant_id is not None:
        with transaction(session, tenant_id):
            found = read(session, tenant_id, request_id)
        if found is not None:
            return found
    raise NotFoundError(
        f"there is no request {request_id}", hint="`luactl request list --tenant SLUG` shows their ids"
    )


def read(session: Session, tenant_id: int, request_id: UUID) -> Request | None:
    """Return one request in the running transaction; None when there is none of that id."""
    conn = session.conn
    row = queries("request").request(conn, tenant_id=tenant_id, request_id=request_id)
    return None if row is None else _request(session, tenant_id, row)


def of_erasure(session: Session, tenant_id: int, erasure_id: UUID) -> Request | None:
    """Return the request that an erasure carries out, in the running transaction; None without one."""
    conn = session.conn
    found = queries("request").request_of_erasure(conn, tenant_id=tenant_id, erasure_id=erasure_id)
    return None if found is None else read(session, tenant_id, found)


def of_reference(session: Session, tenant_id: int, reference: str, right: str) -> Request | None:
    """Return the request of a reference and right, in the running transaction; None without one."""
    found = queries("request").request_of_reference(
        session.conn, tenant_id=tenant_id, reference=reference, right=right
    )
    return None if found is None else read(session, tenant_id, found)


def _request(session: Session, tenant_id: int, row: Any) -> Request:
    one, now = Request(tenant_id, *row), session.clock.now()
    holds: tuple[hold.Hold, ...] = ()
    if one.right == "erasure" and one.subject_id is not None and one.closed_at is None:
        holds = hold.held(session.conn, tenant_id, [one.subject_id]).get(one.subject_id, ())
    return replace(
        one,
        overdue=is_overdue(one.due_on, one.closed_at, now),
        days_left=_days(one.due_on, one.closed_at, now),
        held=tuple(found.hold_id for found in holds),
    )
