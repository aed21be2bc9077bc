"""Erasing again what is there again: people, classes and periods that a restore brought back.

Idempotent: what is gone is not found. People go through the engine, as a new act with a certificate of its
own, since a restore may have taken the record of the old one along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from .. import retention
from ..db import Session, in_context, queries, transaction
from ..key.classes import KeyClass, TenantDrop
from ..key.pack import pack_uuids, teach
from ..key.recovery import recover
from ..ledger import Entry, append
from ..retention.register import read as read_rules
from ..retention.rule import due_at, period_id
from ..tenant import Tenant, find
from .batch import cut
from .planning import SPECIAL, plan
from .restored import INTERACTION, Period, Returned
from .running import run

INSTRUCTION = "erased before, and there again: the order of then"
BATCH_ROWS = 5_000


@dataclass(frozen=True)
class Replayed:
    """What was erased again at one tenant."""

    tenant: str
    """Slug."""
    people: int
    """Who lived again."""
    revived: int
    """Who was marked as erased, and had rows or keys."""
    special: int
    """Whose class special was there again."""
    periods: int
    """Purged periods that were there again."""
    rows: int
    """Interactions and invoices of those periods."""
    kept: int
    """Periods that today's rule keeps: nothing was taken of them."""
    certificates: tuple[str, ...]
    """Folders of the certificates about people."""


def replay(
    session: Session, found: Returned, base: Path, progress: Callable[[int], None] = lambda _: None
) -> Replayed:
    """Erase again what is there again at one tenant. Raises what an erasure and a purge raise."""
    teach(session.conn)
    tenant = find(session, found.tenant)
    recover(session)
    periods = [one for one in found.periods if not one.kept]
    rows = _periods(session, tenant, periods)
    _revived(session, found)
    done = []
    for people, scope in ((found.people, "person"), (found.special, SPECIAL)):
        if people:
            again = plan(session, tenant, people, INSTRUCTION, scope=scope)
            done.append(run(session, again, base, progress=progress).certificate)
    return Replayed(
        found.tenant,
        len(found.people),
        len(found.revived),
        len(found.special),
        len(periods),
        rows,
        len(found.periods) - len(periods),
        tuple(done),
    )


def _entry(found: Returned | Tenant, **detail: Any) -> Entry:
    slug = found.tenant if isinstance(found, Returned) else found.slug
    return Entry("erasure.replay", found.tenant_id, f"tenant:{slug}", detail=detail)


def _revived(session: Session, found: Returned) -> None:
    """Take the rows and keys of whoever is marked as erased already; their record stays what it is."""
    from ..key.drop import drop

    noun = queries("erasure")
    for people in cut(found.revived, {}):
        ids = {"tenant_id": found.tenant_id, "ids": pack_uuids(people)}

        def drops(people: Sequence[UUID] = people, ids: dict[str, Any] = ids) -> list[TenantDrop]:
            in_context(session, found.tenant_id)
            list(noun.lock_subjects(session.conn, **ids))
            classes = (KeyClass.MAIN, KeyClass.SPECIAL)
            return [TenantDrop(found.tenant_id, [(who, one) for who in people for one in classes])]

        def change(epoch: int, people: Sequence[UUID] = people, ids: dict[str, Any] = ids) -> None:
            in_context(session, found.tenant_id)
            gone = [noun.delete_contacts(session.conn, **ids), noun.delete_contact_keys(session.conn, **ids),
                    noun.delete_interactions(session.conn, **ids)]  # fmt: skip
            noun.retain_invoices(session.conn, **ids, at=session.clock.now())
            append(session, _entry(found, epoch=epoch, people=len(people), rows=sum(gone)))

        drop(session, drops, change)


def _periods(session: Session, tenant: Tenant, periods: Sequence[Period]) -> int:
    """Purge again what is due by its rule; take interactions that are not due, but were purged, likewise."""
    now = session.clock.now()
    with transaction(session, tenant.tenant_id) as conn:
        rules = {rule.retention_class: rule for rule in read_rules(conn, tenant.tenant_id)}
    due, early = [], []
    for one in periods:
        end = due_at(rules[one.retention_class], one.period)
        if end is not None and end <= now:
            due.append(
                retention.DuePeriod(
                    tenant.slug, one.retention_class, one.period, end, one.interactions, one.invoices,
                    one.invoice_lines, one.key,
                )
            )  # fmt: skip
        else:
            early.append(one)
    rows = _early(session, tenant, early) if early else 0
    if due:
        purge = retention.TenantPurge(tenant.tenant_id, tenant.slug, tenant.status, tuple(due), ())
        done = retention.purge(session, retention.PurgePlan(now, (purge,), 1, ()))
        rows += done.interactions + done.invoices
    return rows


def _early(session: Session, tenant: Tenant, periods: Sequence[Period]) -> int:
    """Delete the interactions of these months in batches, what came in meanwhile with the keys."""
    from ..key.drop import drop

    assert all(one.retention_class == INTERACTION for one in periods)
    gone = [_delete(session, tenant, one) for one in periods]
    keys = [period_id(one.retention_class, one.period) for one in periods if one.key]
    if keys:

        def change(epoch: int) -> None:
            in_context(session, tenant.tenant_id)
            append(session, _entry(tenant, epoch=epoch, periods=keys))

        drop(session, [TenantDrop(tenant.tenant_id, (), keys)], change)
    return sum(gone)


def _delete(session: Session, tenant: Tenant, period: Period) -> int:
    noun, total, batch = queries("retention"), 0, BATCH_ROWS
    while batch == BATCH_ROWS:
        with transaction(session, tenant.tenant_id) as conn:
            batch = noun.purge_interactions(
                conn, tenant_id=tenant.tenant_id, period=period.period, limit=BATCH_ROWS
            )
            if batch:
                append(session, _entry(tenant, period=period.period, interactions=batch))
        total += batch
    return total
