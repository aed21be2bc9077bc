"""What a purge would take: counted first, carried out later from the very same object.

Owns the plan. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from .register import read
from .rule import due_at, first_kept, period_id, period_of

if TYPE_CHECKING:
    from ..tenant import Tenant

INTERACTION, INVOICE, INVOICE_LINE = "crm.interaction", "crm.invoice", "crm.invoice_line"


@dataclass(frozen=True)
class DuePeriod:
    """One period of one tenant in which everything is due."""

    tenant: str
    """Slug of the tenant."""
    retention_class: str
    """interaction or invoice."""
    period: int
    """yyyymm for interactions, yyyy for invoices."""
    due_at: datetime
    """Since when."""
    interactions: int
    """Rows of crm.interaction that go."""
    invoices: int
    """Rows of crm.invoice that go, those kept for erased people included."""
    invoice_lines: int
    """Rows of crm.invoice_line that go."""
    key: bool
    """Whether the period's key is still alive and is dropped."""

    @property
    def period_id(self) -> int:
        """The number under which the key tree knows the period."""
        return period_id(self.retention_class, self.period)

    @property
    def rows(self) -> int:
        """How many rows go, lines of invoices not counted apart."""
        return self.interactions + self.invoices


@dataclass(frozen=True)
class TenantPurge:
    """What is due at one tenant."""

    tenant_id: int
    slug: str
    status: str
    """active, suspended or terminated: rules hold for all of them."""
    periods: tuple[DuePeriod, ...]
    unfinished: tuple[UUID, ...]
    """Earlier purges that were cut short after their keys were dropped in the database."""


@dataclass(frozen=True)
class PurgePlan:
    """Everything that is due, at one instant, for the tenants asked for."""

    at: datetime
    """The instant by which dueness was decided."""
    tenants: tuple[TenantPurge, ...]
    """Only those with something due or unfinished."""
    looked_at: int
    """How many tenants were asked for."""
    unreadable: tuple[str, ...]
    """Slugs of tenants whose rules this login cannot see: nothing was planned for them."""

    @property
    def periods(self) -> tuple[DuePeriod, ...]:
        """All due periods in the order in which they go."""
        return tuple(period for tenant in self.tenants for period in tenant.periods)


def counts_due(conn: Any, tenant_id: int, now: datetime) -> dict[tuple[str, int], tuple[int, int, int]]:
    """Return {(class, period): (interactions, invoices, lines)} of all rows due at `now`, in the running
    transaction.
    """
    noun, found = queries("retention"), {}
    for rule in read(conn, tenant_id):
        before, name = first_kept(rule, now), rule.retention_class
        if name == "interaction":
            for period, count in noun.interactions_before(conn, tenant_id=tenant_id, before=before):
                found[name, period] = (count, 0, 0)
        elif name == "invoice":
            for period, invoices, lines in noun.invoices_before(conn, tenant_id=tenant_id, before=before):
                found[name, period] = (0, invoices, lines)
    return found


def _tenant(session: Session, tenant: Tenant, now: datetime) -> TenantPurge | None:
    """Plan for one tenant; None when its rules cannot be seen."""
    tenant_id, noun = tenant.tenant_id, queries("retention")
    with transaction(session, tenant_id) as conn:
        rules = {rule.retention_class: rule for rule in read(conn, tenant_id)}
        keyed = {period_of(row[0]) for row in noun.periods(conn, tenant_id=tenant_id)}
        unfinished = tuple(row[0] for row in noun.open_purges(conn, tenant_id=tenant_id))
        counts = counts_due(conn, tenant_id, now)
    if not rules:
        return None
    periods = []
    for name, number in sorted(counts.keys() | {key for key in keyed if key is not None}):
        instant = due_at(rules[name], number) if name in rules else None
        if instant is not None and instant <= now:
            rows = counts.get((name, number), (0, 0, 0))
            periods.append(DuePeriod(tenant.slug, name, number, instant, *rows, (name, number) in keyed))
    return TenantPurge(tenant_id, tenant.slug, tenant.status, tuple(periods), unfinished)


def plan(
    session: Session, tenants: Sequence[Tenant], progress: Callable[[int], None] = lambda _: None
) -> PurgePlan:
    """Return what is due now for these tenants, whatever their status; `progress` gets 1 a tenant."""
    now, planned, unreadable = session.clock.now(), [], []
    for tenant in tenants:
        one = _tenant(session, tenant, now)
        if one is None:
            unreadable.append(tenant.slug)
        elif one.periods or one.unfinished:
            planned.append(one)
        progress(1)
    return PurgePlan(now, tuple(planned), len(tenants), tuple(unreadable))
