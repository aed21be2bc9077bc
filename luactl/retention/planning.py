"""What a purge would take: counted first, carried out later from the very same object.

Owns the plan. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import hold
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
    held: int = 0
    """Interactions or invoices that a legal hold keeps."""
    moving: int = 0
    """How many of these go under the hold's own key first, so that the period's key can be dropped."""

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
    released: tuple[int, ...] = ()
    """Periods of legal holds that were released: their keys go too."""
    held: int = 0
    """Due rows that legal holds keep, in whatever period."""

    @property
    def moves(self) -> bool:
        """Whether rows must go under another key before keys are dropped."""
        return bool(self.released) or any(period.moving for period in self.periods)


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
    held: int = 0
    """Due rows of all tenants asked for that legal holds keep."""

    @property
    def periods(self) -> tuple[DuePeriod, ...]:
        """All due periods in the order in which they go."""
        return tuple(period for tenant in self.tenants for period in tenant.periods)


Counts = dict[tuple[str, int], tuple[int, int, int]]


def counts_due(conn: Any, tenant_id: int, now: datetime) -> tuple[Counts, Counts]:
    """Count all rows due at `now` in the running transaction, by class and period.

    Returns (interactions, invoices, lines) of what may go, and (rows, lines, rows still under the key of that
    period) of what legal holds keep.
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
    held = {row[:2]: row[2:] for row in noun.held(conn, tenant_id=tenant_id, at=now)}
    return {at: _less(rows, held.get(at, (0, 0, 0))) for at, rows in found.items()}, held


def _less(rows: tuple[int, int, int], held: tuple[int, int, int]) -> tuple[int, int, int]:
    """Take held rows and lines off the counts of one period, which are of one class."""
    return (rows[0] - held[0], 0, 0) if rows[0] else (0, rows[1] - held[0], rows[2] - held[1])


def _tenant(session: Session, tenant: Tenant, now: datetime) -> TenantPurge | None:
    """Plan for one tenant; None when its rules cannot be seen."""
    tenant_id, noun = tenant.tenant_id, queries("retention")
    with transaction(session, tenant_id) as conn:
        rules = {rule.retention_class: rule for rule in read(conn, tenant_id)}
        if not rules:
            return None
        keyed = {period_of(row[0]) for row in noun.periods(conn, tenant_id=tenant_id)}
        unfinished = tuple(row[0] for row in noun.open_purges(conn, tenant_id=tenant_id))
        counts, held = counts_due(conn, tenant_id, now)
        released = hold.released(conn, tenant_id)
    periods = []
    for name, number in sorted(counts.keys() | {key for key in keyed if key is not None}):
        instant = due_at(rules[name], number) if name in rules else None
        if instant is not None and instant <= now:
            rows, kept, has_key = (
                counts.get((name, number), (0, 0, 0)),
                held.get((name, number)),
                (name, number) in keyed,
            )
            staying, moving = (kept[0], kept[2]) if kept else (0, 0)
            if any(rows) or has_key:  # else all of it is held, and lies under the hold's key already
                periods.append(DuePeriod(tenant.slug, name, number, instant, *rows, has_key, staying, moving))
    total = sum(kept[0] for kept in held.values())
    return TenantPurge(tenant_id, tenant.slug, tenant.status, tuple(periods), unfinished, released, total)


def plan(
    session: Session, tenants: Sequence[Tenant], progress: Callable[[int], None] = lambda _: None
) -> PurgePlan:
    """Return what is due now for these tenants, whatever their status; `progress` gets 1 a tenant."""
    now, planned, unreadable, held = session.clock.now(), [], [], 0
    for tenant in tenants:
        one = _tenant(session, tenant, now)
        if one is None:
            unreadable.append(tenant.slug)
        else:
            held += one.held
            if one.periods or one.unfinished or one.released:
                planned.append(one)
        progress(1)
    return PurgePlan(now, tuple(planned), len(tenants), tuple(unreadable), held)
