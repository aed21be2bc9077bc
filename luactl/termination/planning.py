"""What the end of a tenant takes, what stays and why, and what has to come before it. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from .. import processor
from ..db import Session, queries, transaction
from ..errors import RefusedError, UsageError
from ..line import checked
from ..tenant import own
from .record import Termination, current

if TYPE_CHECKING:
    from ..tenant import Tenant

STAYING = (
    ("lua.tenant", "register of customers: Lua CRM's own contract and billing records (controller data)"),
    (
        "lua.instruction, lua.retention_rule",
        "what the tenant ordered: evidence under Art. 28(3)(a) GDPR; no data of its customers",
    ),
    (
        "lua.erasure, lua.purge, lua.termination",
        "evidence of erasures: random ids and counts, no personal data",
    ),
    (
        "lua.processor_tenant, lua.processor_notice",
        "who processed for the tenant, and what they were told: evidence under Art. 28(3)(g) GDPR",
    ),
    ("vault.tombstone", "keyed marks, by which a restored backup is erased again"),
    ("ledger.entry", "the log: random references, whose way to people ended with their keys"),
    ("lua.log_line", "lines of servers and services, what people typed masked (Art. 32 GDPR)"),
)


@dataclass(frozen=True)
class Rows:
    """Rows of one table that go."""

    table: str
    rows: int


@dataclass(frozen=True)
class Kept:
    """What stays, and on which ground."""

    what: str
    ground: str


@dataclass(frozen=True)
class TerminationPlan:
    """What the next step of a tenant's end is."""

    tenant_id: int
    tenant: str
    """Slug."""
    state: str
    """none, announced (in the time of grace), due, unfinished or done."""
    termination_id: UUID | None
    instruction: str | None
    erase_from: datetime | None
    """End of the time of grace; None before the announcement."""
    returned: str | None
    """How the data were returned, as far as it is known."""
    going: tuple[Rows, ...]
    """Rows by table, hidden ones included."""
    keys: int
    """Living keys; all keys of the tenant go with its subtrees, used or not."""
    staying: tuple[Kept, ...]
    held: int
    """Legal holds in force: while there is one nothing goes."""
    own: tuple[str, ...]
    """Tables and roles that a dedicated tenant has to itself, which go with it; empty for a pooled one."""
    processors: tuple[str, ...]
    """Who works for the tenant now, and is told when it ends; of one that has ended empty."""

    @property
    def left_over(self) -> bool:
        """Whether tables or a login are there; the staff's mark alone comes when somebody is admitted."""
        return any(not name.endswith("_staff") for name in self.own)


def plan(
    session: Session, tenant: Tenant, *, returned: UUID | None = None, unwanted: str | None = None
) -> TerminationPlan:
    """Return what ending the tenant means now; `returned` is the export, `unwanted` why there is none.

    Raises RefusedError when the export is not one of this tenant since the announcement, UsageError when both
    are given.
    """
    if returned and unwanted:
        raise UsageError("either the data were returned, or nobody wanted them", hint="give one of the two")
    found = current(session, tenant.tenant_id)
    state = _state(session, found)
    going, keys, held = ((), 0, 0) if state == "done" else _left(session, tenant.tenant_id)
    return TerminationPlan(
        tenant.tenant_id,
        tenant.slug,
        state,
        found.termination_id if found else None,
        found.instruction if found else None,
        found.erase_from if found else None,
        _returned(session, tenant, found, returned, unwanted),
        going,
        keys,
        tuple(Kept(*one) for one in STAYING),
        held,
        own(session, tenant.tenant_id) if tenant.isolation == "dedicated" else (),
        () if state == "done" else tuple(one.name for one in processor.due(session, tenant.tenant_id)),
    )


def _left(session: Session, tenant_id: int) -> tuple[tuple[Rows, ...], int, int]:
    """Return rows by table, living keys and legal holds in force."""
    noun, who = queries("termination"), {"tenant_id": tenant_id}
    with transaction(session, tenant_id) as conn:
        going = tuple(Rows(*row) for row in noun.rows(conn, **who) if row[1])
        return going, sum(noun.claims_left(conn, **who)), noun.holds(conn, **who)


def _state(session: Session, found: Termination | None) -> str:
    if found is None:
        return "none"
    if found.state == "announced":
        return "due" if found.erase_from <= session.clock.now() else "announced"
    return "unfinished" if found.state == "intent" else "done"


def _returned(
    session: Session, tenant: Tenant, found: Termination | None, export: UUID | None, unwanted: str | None
) -> str | None:
    """Return how the data were returned; None when nobody has said it yet."""
    if found is not None and found.returned is not None:
        return found.returned
    if unwanted is not None:
        return f"not wanted: {checked('reason', unwanted)}"
    if export is None:
        return None
    with transaction(session, tenant.tenant_id) as conn:
        row = queries("termination").export_made(conn, tenant_id=tenant.tenant_id, object=f"export:{export}")
    if row is None:
        raise RefusedError(
            f"the ledger knows of no export {export} of {tenant.slug!r}",
            hint=f"`luactl tenant export {tenant.slug} FOLDER` makes one and tells its id",
        )
    if found is None or row[0] < found.announced_at:
        raise RefusedError(
            f"export {export} is older than the announcement: data may have come in since",
            hint=f"hand over once more: `luactl tenant export {tenant.slug} FOLDER`",
        )
    return f"export {export}"
