"""Carrying out a purge: rows in bounded batches, then the keys of all periods in one epoch.

Rows go first, each batch in a transaction of its own with its ledger entry; only then is a period's key
dropped, which takes the same rows out of every backup. Cut short anywhere, the next purge takes up what is
left: rows that are still there are still due, and a key whose rows are gone is still due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from ..db import Session, in_context, queries, transaction
from ..errors import BusyError
from ..key.classes import TenantDrop
from ..key.recovery import recover
from .plan import DuePeriod, PurgePlan, TenantPurge, counts_due

BATCH_ROWS = 5000
Step = Callable[[str], None]


@dataclass(frozen=True)
class Piece:
    """The part of one period that goes in one batch."""

    period: DuePeriod
    rows: int


@dataclass(frozen=True)
class PurgeResult:
    """What a purge did."""

    purge_id: UUID
    tenants: int
    """Tenants at which something went."""
    interactions: int
    invoices: int
    invoice_lines: int
    keys: int
    """Period keys dropped."""
    epoch: int | None
    """Epoch of the key tree that dropped them; None when there was no key to drop."""
    finished: int
    """Earlier purges that were cut short and are now complete."""


def batches(periods: Sequence[DuePeriod], size: int = BATCH_ROWS) -> Iterator[tuple[Piece, ...]]:
    """Cut the rows of due periods into batches of at most `size` rows, in order. Pure."""
    batch: list[Piece] = []
    room = size
    for period in periods:
        left = period.rows
        while left:
            rows = min(left, room)
            batch.append(Piece(period, rows))
            left, room = left - rows, room - rows
            if not room:
                yield tuple(batch)
                batch, room = [], size
    if batch:
        yield tuple(batch)


def purge(
    session: Session,
    plan: PurgePlan,
    progress: Callable[[int], None] = lambda _: None,
    *,
    step: Step = lambda _name: None,
) -> PurgeResult:
    """Carry out a plan; `progress` gets the rows of each batch, `step` the name of each step done.

    Raises BusyError when another purge runs, or when rows came into a due period after its batches: then no
    key is dropped, and running it again takes them.
    """
    from ..ledger import new_id

    purge_id = new_id(session.clock.now())
    with _alone(session):
        finished = _finish_earlier(session, plan)
        gone = [_delete(session, tenant, purge_id, plan, progress, step) for tenant in plan.tenants]
        drops = _living(session, plan)
        epoch = _drop(session, plan, purge_id, drops, step) if drops else None
    interactions, invoices, lines = (sum(column) for column in zip(*gone, strict=True)) if gone else (0, 0, 0)
    touched = {d.tenant_id for d in drops} | {
        t.tenant_id for t, g in zip(plan.tenants, gone, strict=True) if any(g)
    }
    keys = sum(len(drop.periods) for drop in drops)
    return PurgeResult(purge_id, len(touched), interactions, invoices, lines, keys, epoch, finished)


@contextmanager
def _alone(session: Session) -> Iterator[None]:
    """Keep other purges out for as long as the block runs. Raises BusyError when one is at work."""
    noun = queries("retention")
    if not noun.lock_purge(session.conn):
        raise BusyError(
            "another purge is running",
            hint="wait for it to end; `luactl log search --action retention.purge`",
        )
    try:
        yield
    finally:
        if not session.conn.closed:
            noun.unlock_purge(session.conn)


def _delete(
    session: Session,
    tenant: TenantPurge,
    purge_id: UUID,
    plan: PurgePlan,
    progress: Callable[[int], None],
    step: Step,
) -> tuple[int, int, int]:
    """Delete the planned rows of one tenant; returns (interactions, invoices, lines) that really went."""
    total = (0, 0, 0)
    for batch in batches(tenant.periods):
        with transaction(session, tenant.tenant_id) as conn:
            counts = [_delete_piece(conn, tenant.tenant_id, piece, plan) for piece in batch]
            _record_batch(session, tenant.tenant_id, purge_id, batch, counts)
        for one in counts:
            total = (total[0] + one[0], total[1] + one[1], total[2] + one[2])
        progress(sum(piece.rows for piece in batch))
        step("batch deleted")
    return total


def _delete_piece(conn: Any, tenant_id: int, piece: Piece, plan: PurgePlan) -> tuple[int, int, int]:
    noun, period, limit = queries("retention"), piece.period.period, piece.rows
    if piece.period.retention_class == "interaction":
        return noun.purge_interactions(conn, tenant_id=tenant_id, period=period, limit=limit), 0, 0
    invoices, lines = noun.purge_invoices(conn, tenant_id=tenant_id, period=period, limit=limit, at=plan.at)
    return 0, invoices, lines


def _record_batch(
    session: Session,
    tenant_id: int,
    purge_id: UUID,
    batch: Sequence[Piece],
    counts: Sequence[tuple[int, int, int]],
) -> None:
    """Write the ledger entry of one batch, in its transaction.

    None when somebody else had taken the rows already.
    """
    periods = [
        {"class": p.period.retention_class, "period": p.period.period, "interactions": c[0], "invoices": c[1],
         "invoice_lines": c[2]}
        for p, c in zip(batch, counts, strict=True) if any(c)
    ]  # fmt: skip
    if periods:
        _append(session, tenant_id, purge_id, "done", {"periods": periods})


def _append(
    session: Session,
    tenant_id: int,
    purge_id: UUID,
    outcome: Literal["done", "intent"],
    detail: dict[str, Any],
) -> UUID:
    from ..ledger import Entry, append

    entry = Entry(
        action="retention.purge",
        tenant_id=tenant_id,
        object=f"purge:{purge_id}",
        outcome=outcome,
        detail=detail,
    )
    return append(session, entry)


def _living(session: Session, plan: PurgePlan) -> list[TenantDrop]:
    """Return the drops of all due periods whose key is still alive.

    Read anew, for a plan may be minutes old.
    """
    drops = []
    for tenant in plan.tenants:
        with transaction(session, tenant.tenant_id) as conn:
            alive = {row[0] for row in queries("retention").periods(conn, tenant_id=tenant.tenant_id)}
        periods = [p.period_id for p in tenant.periods if p.period_id in alive]
        if periods:
            drops.append(TenantDrop(tenant.tenant_id, (), tuple(periods)))
    return drops


def _drop(session: Session, plan: PurgePlan, purge_id: UUID, drops: Sequence[TenantDrop], step: Step) -> int:
    """Drop the keys of all tenants in one epoch, then write the outcomes; returns the epoch."""
    from ..key.drop import drop

    tenants = {tenant.tenant_id: tenant for tenant in plan.tenants}
    turned: list[int] = []

    def change(epoch: int) -> None:
        turned.append(epoch)
        for one in drops:
            in_context(session, one.tenant_id)
            _check_empty(session, tenants[one.tenant_id], plan, set(one.periods))
            _record_intent(session, one, purge_id, epoch)

    recover(session)
    drop(session, drops, change, step=step)
    for one in drops:
        _record_outcome(session, one.tenant_id, purge_id, turned[-1])
    return turned[-1]


def _check_empty(session: Session, tenant: TenantPurge, plan: PurgePlan, dropped: set[int]) -> None:
    """Refuse to drop the key of a period that holds rows again: they were not in the plan."""
    left = counts_due(session.conn, tenant.tenant_id, plan.at)
    late = {number: sum(left.get((p.retention_class, p.period), (0, 0, 0))[:2]) for p in tenant.periods
            if (number := p.period_id) in dropped}  # fmt: skip
    if rows := sum(late.values()):
        raise BusyError(
            f"{rows} rows came into due periods of {tenant.slug!r} while the purge ran; no key was dropped",
            hint="run it again: what it deleted stays deleted, and it takes the new rows too",
        )


def _record_intent(session: Session, one: TenantDrop, purge_id: UUID, epoch: int) -> None:
    from psycopg.types.json import Jsonb

    detail = {"periods": list(one.periods)}
    queries("retention").insert_purge(
        session.conn,
        tenant_id=one.tenant_id,
        purge_id=purge_id,
        epoch=epoch,
        plan=Jsonb(detail),
        at=session.clock.now(),
    )
    _append(session, one.tenant_id, purge_id, "intent", {**detail, "epoch": epoch})


def _record_outcome(session: Session, tenant_id: int, purge_id: UUID, epoch: int) -> None:
    """Say, in a second transaction, that the old root is destroyed."""
    from psycopg.types.json import Jsonb

    now = session.clock.now()
    with transaction(session, tenant_id) as conn:
        changed = queries("retention").finish_purge(
            conn, tenant_id=tenant_id, purge_id=purge_id, result=Jsonb({"epoch": epoch}), at=now
        )
        if changed:
            _append(session, tenant_id, purge_id, "done", {"epoch": epoch})


def _finish_earlier(session: Session, plan: PurgePlan) -> int:
    """Complete purges that were cut short after their transaction: old root destroyed, outcome written."""
    if not any(tenant.unfinished for tenant in plan.tenants):
        return 0
    recover(session)
    finished = 0
    for tenant in plan.tenants:
        with transaction(session, tenant.tenant_id) as conn:
            rows = list(queries("retention").open_purges(conn, tenant_id=tenant.tenant_id))
        for purge_id, epoch, _ in rows:
            _record_outcome(session, tenant.tenant_id, purge_id, epoch)
            finished += 1
    return finished
