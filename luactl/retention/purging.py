"""Carrying out a purge: rows in bounded batches, then the keys of all periods in one epoch.

What a legal hold keeps stays: before the key of its period goes it is sealed under the hold's own.

Rows go first, each batch in a transaction of its own with its ledger entry; only then is a period's key
dropped, which takes the same rows out of every backup. Cut short anywhere, the next purge takes up what is
left: rows that are still there are still due, and a key whose rows are gone is still due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import psycopg

from .. import approval, hold
from ..db import Session, in_context, queries, transaction
from ..errors import BusyError, RefusedError
from ..exclusive import hold as hold_lock
from ..key.classes import TenantDrop
from ..key.drop import drop
from ..key.recovery import recover
from ..ledger import Entry, append, new_id
from .planning import DuePeriod, PurgePlan, TenantPurge, counts_due
from .register import read
from .rule import due

BATCH_ROWS = 5000
PURGE_LOCK = int.from_bytes(b"lua/purg", "big")


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
    moved: int = 0
    """Rows that a legal hold keeps and that went under its key, or back from under it."""
    held: int = 0
    """Due rows that legal holds kept, when this was planned."""


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


@dataclass(frozen=True)
class _Run:
    """One purge under way."""

    session: Session
    plan: PurgePlan
    purge_id: UUID
    progress: Callable[[int], None]
    batch_rows: int

    def append(self, tenant_id: int, outcome: Literal["done", "intent"], detail: dict[str, Any]) -> None:
        """Write a ledger entry in the running transaction."""
        append(self.session, _entry(tenant_id, self.purge_id, outcome, detail))


def _entry(
    tenant_id: int, purge_id: UUID, outcome: Literal["done", "intent"], detail: dict[str, Any]
) -> Entry:
    return Entry("retention.purge", tenant_id, f"purge:{purge_id}", outcome=outcome, detail=detail)


def purge(
    session: Session,
    plan: PurgePlan,
    progress: Callable[[int], None] = lambda _: None,
    *,
    batch_rows: int = BATCH_ROWS,
) -> PurgeResult:
    """Carry out a plan; `progress` gets the rows of each batch.

    Raises BusyError when another purge runs, when rules changed since the plan, or when rows came into a due
    period after its batches: then no key is dropped, and running it again takes them. Raises RefusedError
    before anything is deleted where the keys cannot be dropped.
    """
    run = _Run(session, plan, new_id(session.clock.now()), progress, batch_rows)
    granted = approval.demand(session, _wanted(plan)) if plan.tenants else None
    with alone(session):
        if any(period.key for period in plan.periods) or any(tenant.released for tenant in plan.tenants):
            recover(session)  # where keys are out of reach, no row goes either
        take(session, granted, finish=False)
        finished = _finish_earlier(session, plan)
        gone = [_delete(run, tenant) for tenant in plan.tenants]
        moved = sum(_move(run, tenant) for tenant in plan.tenants if tenant.moves)
        drops = _living(run)
        epoch = _drop(run, drops) if drops else None
        take(session, granted, finish=True)
    touched = {one.tenant_id for one in drops}
    touched |= {tenant.tenant_id for tenant, rows in zip(plan.tenants, gone, strict=True) if any(rows)}
    return PurgeResult(
        run.purge_id,
        len(touched),
        sum(rows[0] for rows in gone),
        sum(rows[1] for rows in gone),
        sum(rows[2] for rows in gone),
        sum(len(one.periods) for one in drops),
        epoch,
        finished,
        moved,
        plan.held,
    )


def _wanted(plan: PurgePlan) -> approval.Want:
    """Return what an approver is asked for, where the rule `retention.purge` wants one."""
    one = plan.tenants[0].slug if plan.looked_at == 1 else None
    asked = one or f"{plan.looked_at:,} tenants"
    counts = {
        "crm.interaction": sum(period.interactions for period in plan.periods),
        "crm.invoice": sum(period.invoices for period in plan.periods),
        "crm.invoice_line": sum(period.invoice_lines for period in plan.periods),
        "keys": sum(period.key for period in plan.periods),
    }
    return approval.Want(
        action="retention.purge",
        target=f"purge {asked}",
        summary=f"Purge {sum(period.rows for period in plan.periods):,} rows that are due at {asked}",
        exact={"tenants": asked},
        counts=counts,
        tenant=one,
    )


def take(session: Session, granted: approval.Granted | None, *, finish: bool) -> None:
    """Take the approval before the first row goes, for good once the last key is gone."""
    if granted is not None:
        with transaction(session):
            approval.use(session, granted, finish=finish)


@contextmanager
def alone(session: Session) -> Iterator[None]:
    """Keep other purges out for as long as the block runs. Raises BusyError when one is at work."""
    busy = BusyError(
        "another purge is running", hint="wait for it to end; `luactl log search --action retention.purge`"
    )
    with hold_lock(session.conn, PURGE_LOCK, busy, wait=False):
        session.step("purge locked")
        yield


def _check_due(run: _Run, tenant: TenantPurge, periods: Iterable[DuePeriod]) -> None:
    """Raise BusyError when a rule no longer lets these periods go: the plan may be minutes old."""
    rules = {rule.retention_class: rule for rule in read(run.session.conn, tenant.tenant_id)}
    for one in periods:
        rule = rules.get(one.retention_class)
        if rule is None or not due(rule, one.period, run.plan.at):
            raise BusyError(
                f"the deletion rules of {tenant.slug!r} changed since the plan: {one.period} is kept now",
                hint="run it again",
            )


def _delete(run: _Run, tenant: TenantPurge) -> tuple[int, int, int]:
    """Delete the planned rows of one tenant; returns (interactions, invoices, lines) that really went."""
    total = (0, 0, 0)
    for batch in batches(tenant.periods, run.batch_rows):
        with transaction(run.session, tenant.tenant_id):
            _check_due(run, tenant, (piece.period for piece in batch))
            counts = [_delete_piece(run, tenant.tenant_id, piece) for piece in batch]
            _record_batch(run, tenant.tenant_id, batch, counts)
        for one in counts:
            total = (total[0] + one[0], total[1] + one[1], total[2] + one[2])
        run.progress(sum(piece.rows for piece in batch))
        run.session.step("batch deleted")
    return total


def _move(run: _Run, tenant: TenantPurge) -> int:
    """Seal what is held under the holds' own keys, and what was held under where it belongs now."""
    moved = hold.move(run.session, tenant.tenant_id, run.plan.at)
    run.session.step("held rows moved")
    return moved.interactions + moved.invoices


def _delete_piece(run: _Run, tenant_id: int, piece: Piece) -> tuple[int, int, int]:
    noun, conn = queries("retention"), run.session.conn
    which = {"tenant_id": tenant_id, "period": piece.period.period, "limit": piece.rows, "at": run.plan.at}
    try:
        if piece.period.retention_class == "interaction":
            return noun.purge_interactions(conn, **which), 0, 0
        invoices, lines = noun.purge_invoices(conn, **which)
    except psycopg.errors.CheckViolation as error:
        raise RefusedError(
            f"the database keeps these rows: {error.diag.message_primary}",
            hint="the clock of this host and that of the server may differ",
        ) from error
    return 0, invoices, lines


def _record_batch(
    run: _Run, tenant_id: int, batch: Sequence[Piece], counts: Sequence[tuple[int, int, int]]
) -> None:
    """Write the ledger entry of one batch; none when somebody else had taken all its rows already."""
    periods = [
        {
            "class": piece.period.retention_class,
            "period": piece.period.period,
            "interactions": rows[0],
            "invoices": rows[1],
            "invoice_lines": rows[2],
        }
        for piece, rows in zip(batch, counts, strict=True)
        if any(rows)
    ]
    if periods:
        run.append(tenant_id, "done", {"periods": periods})


def _living(run: _Run) -> list[TenantDrop]:
    """Return the drops of all due periods whose key is still alive, read anew."""
    drops = []
    for tenant in run.plan.tenants:
        with transaction(run.session, tenant.tenant_id) as conn:
            alive = {row[0] for row in queries("retention").periods(conn, tenant_id=tenant.tenant_id)}
        due_ones = (*(one.period_id for one in tenant.periods), *tenant.released)
        periods = tuple(one for one in due_ones if one in alive)
        if periods:
            drops.append(TenantDrop(tenant.tenant_id, (), periods))
    return drops


def _drop(run: _Run, drops: Sequence[TenantDrop]) -> int:
    """Drop the keys of all tenants in one epoch, then write the outcomes; returns the epoch."""
    tenants = {tenant.tenant_id: tenant for tenant in run.plan.tenants}

    def change(epoch: int) -> None:
        for one in drops:
            in_context(run.session, one.tenant_id)
            _check_empty(run, tenants[one.tenant_id], set(one.periods))
            _record_intent(run, one, epoch)

    recover(run.session)
    try:
        epoch = drop(run.session, drops, change).epoch_to
    except psycopg.errors.CheckViolation as error:
        raise BusyError(
            f"a legal hold was placed while the purge ran; no key was dropped: {error.diag.message_primary}",
            hint="run it again: what it deleted stays deleted, and what is held moves first",
        ) from error
    for one in drops:
        _record_outcome(run.session, one.tenant_id, run.purge_id, epoch)
    return epoch


def _check_empty(run: _Run, tenant: TenantPurge, dropped: set[int]) -> None:
    """Refuse to drop the key of a period that is kept now, or holds rows that were not in the plan."""
    periods = [one for one in tenant.periods if one.period_id in dropped]
    _check_due(run, tenant, periods)
    left, held = counts_due(run.session.conn, tenant.tenant_id, run.plan.at)
    at = [(one.retention_class, one.period) for one in periods]
    rows = sum(sum(left.get(one, (0, 0, 0))[:2]) + held.get(one, (0, 0, 0))[2] for one in at)
    if rows:
        raise BusyError(
            f"{rows} rows came into due periods of {tenant.slug!r} while the purge ran; no key was dropped",
            hint="run it again: what it deleted stays deleted, and it takes the new rows too",
        )


def _record_intent(run: _Run, one: TenantDrop, epoch: int) -> None:
    from psycopg.types.json import Jsonb

    detail = {"periods": list(one.periods)}
    queries("retention").insert_purge(
        run.session.conn,
        tenant_id=one.tenant_id,
        purge_id=run.purge_id,
        epoch=epoch,
        plan=Jsonb(detail),
        at=run.session.clock.now(),
    )
    run.append(one.tenant_id, "intent", {**detail, "epoch": epoch})


def _record_outcome(session: Session, tenant_id: int, purge_id: UUID, epoch: int) -> None:
    """Say, in a second transaction, that the old root is destroyed."""
    from psycopg.types.json import Jsonb

    now = session.clock.now()
    with transaction(session, tenant_id) as conn:
        changed = queries("retention").finish_purge(
            conn, tenant_id=tenant_id, purge_id=purge_id, result=Jsonb({"epoch": epoch}), at=now
        )
        if changed:
            append(session, _entry(tenant_id, purge_id, "done", {"epoch": epoch}))


def _finish_earlier(session: Session, plan: PurgePlan) -> int:
    """Complete purges that were cut short after their transaction: old root destroyed, outcome written."""
    if not any(tenant.unfinished for tenant in plan.tenants):
        return 0
    recover(session)
    finished = 0
    for tenant in plan.tenants:
        with transaction(session, tenant.tenant_id) as conn:
            rows = list(queries("retention").open_purges(conn, tenant_id=tenant.tenant_id))
        for purge_id, epoch, _plan in rows:
            _record_outcome(session, tenant.tenant_id, purge_id, epoch)
            finished += 1
    return finished
