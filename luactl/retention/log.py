"""The log's own retention: months that are due go as a whole, then the keys of what was sealed of them.

A month's partitions go first, each with its ledger entry; only then is its key dropped, which takes the
sealed bytes out of every backup. Cut short anywhere, the next run takes up what is left. A month stays as a
whole while a legal hold is in force of a tenant of whom it has lines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg

from .. import approval
from ..db import Session, in_context, queries, transaction
from ..errors import BusyError, RefusedError, UsageError
from ..key import classes as key
from ..key.drop import drop
from ..key.recovery import recover
from ..ledger import Entry, append, new_id
from ..log.ingest.house import HOUSE, SLUG
from .purging import alone, take
from .register import RuleChange
from .rule import Rule, due, due_at

CLASS = "log"
FIRST = 200001
"""What is dated before has no month of its own: a clock was decades off, and nobody knows when it is due."""


@dataclass(frozen=True)
class DueMonth:
    """A month of the log that the rule lets go."""

    month: int
    """yyyymm."""
    due_at: datetime
    lines: int
    held: int
    """Lines of tenants with a legal hold in force: then the month stays."""
    key: bool
    """Whether its key is still alive."""


@dataclass(frozen=True)
class LogPlan:
    """What a purge of the log would take."""

    at: datetime
    months: tuple[DueMonth, ...]
    unfinished: tuple[UUID, ...]
    """Earlier purges that were cut short after their keys were dropped in the database."""

    @property
    def going(self) -> tuple[DueMonth, ...]:
        """The months that go."""
        return tuple(one for one in self.months if not one.held)


@dataclass(frozen=True)
class LogPurged:
    """What a purge of the log did."""

    purge_id: UUID
    months: int
    lines: int
    keys: int
    """Keys of months that were dropped."""
    epoch: int | None
    """Epoch of the key tree that dropped them; None when there was no key to drop."""
    finished: int
    """Earlier purges that were cut short and are now complete."""
    held: int
    """Months that legal holds keep."""


def log_rule(session: Session) -> Rule:
    """Return how long lines are kept."""
    months, basis, updated_at = queries("retention").log_rule(session.conn)
    return Rule(CLASS, "month of occurrence", months, 1, basis, updated_at)


def set_log_rule(session: Session, months: int, *, dry_run: bool = False) -> RuleChange:
    """Set how many months lines are kept, counted from the end of theirs; the same again leaves no entry.

    Raises UsageError out of bounds.
    """
    if not 1 <= months <= 1200:
        raise UsageError(f"{months} months is out of bounds", hint="give 1 to 1200 months")
    now, before = session.clock.now(), log_rule(session)
    if before.months == months:
        return RuleChange(SLUG, before, before)
    with transaction(session) as conn:
        queries("retention").set_log_rule(conn, months=months, at=now)
        append(session, Entry(
            "retention.set", object=CLASS, outcome="done", detail={"before": before.months, "after": months}
        ))  # fmt: skip
        if dry_run:
            raise psycopg.Rollback
    return RuleChange(SLUG, before, replace(before, months=months, updated_at=now))


def plan_log(session: Session) -> LogPlan:
    """Return which months are due now, and what was cut short. Changes nothing."""
    noun, now, rule = queries("retention"), session.clock.now(), log_rule(session)
    with transaction(session, HOUSE) as conn:
        rows = {month: (lines, held) for month, lines, held in noun.log_months_due(conn, at=now)}
        keyed = _keyed(conn)
        unfinished = tuple(row[0] for row in noun.open_log_purges(conn))
    found = []
    for month in sorted(rows.keys() | keyed):
        instant = due_at(rule, month)
        if instant is not None and instant <= now:
            found.append(DueMonth(month, instant, *rows.get(month, (0, 0)), month in keyed))
    return LogPlan(now, tuple(found), unfinished)


def purge_log(session: Session, plan: LogPlan) -> LogPurged:
    """Carry out a plan.

    Raises BusyError when another purge runs, or when lines came into a month that is due: then no key is
    dropped, and running it again takes them. Raises RefusedError before anything goes where the keys cannot
    be dropped, and for a month that is kept now.
    """
    purge_id, going = new_id(session.clock.now()), plan.going
    granted = approval.demand(session, _wanted(going)) if going else None
    with alone(session):
        if plan.unfinished or any(one.key for one in going):
            recover(session)  # where keys are out of reach, nothing goes either
        take(session, granted, finish=False)
        finished = _finish_earlier(session, plan)
        lines = [_drop_month(session, purge_id, one.month, plan.at) for one in going]
        with transaction(session, HOUSE) as conn:
            closing = sorted({one.month for one in going} & _keyed(conn))
        epoch = _drop_keys(session, purge_id, closing, plan.at) if closing else None
        take(session, granted, finish=True)
    held = len(plan.months) - len(going)
    return LogPurged(purge_id, len(going), sum(lines), len(closing), epoch, finished, held)


def _keyed(conn: Any) -> set[int]:
    """Return the months that have a key, in the context of the house."""
    rows = queries("retention").periods(conn, tenant_id=HOUSE)
    split = (key.split_period(row[0]) for row in rows)
    return {number for class_, number in split if class_ is key.RetentionClass.LOG and number >= FIRST}


def _wanted(going: tuple[DueMonth, ...]) -> approval.Want:
    lines = sum(one.lines for one in going)
    return approval.Want(
        action="retention.purge",
        target=f"purge {SLUG}",
        summary=f"Purge {len(going):,} months of the log, {lines:,} lines",
        exact={"tenants": SLUG},
        counts={"lua.log_line": lines, "keys": sum(one.key for one in going)},
    )


def _entry(purge_id: UUID, outcome: Literal["done", "intent"], detail: dict[str, Any]) -> Entry:
    return Entry("retention.purge", object=f"purge:{purge_id}", outcome=outcome, detail=detail)


def _drop_month(session: Session, purge_id: UUID, month: int, at: datetime) -> int:
    """Drop the partitions of a month with its ledger entry; how many lines went."""
    try:
        with transaction(session) as conn:
            lines: int | None = queries("retention").drop_log_month(conn, month=month, at=at)
            if lines is not None:
                detail = {"class": CLASS, "period": month, "lines": lines}
                append(session, _entry(purge_id, "done", detail))
    except psycopg.errors.CheckViolation as error:
        raise RefusedError(
            f"the database keeps this month: {error.diag.message_primary}",
            hint="a hold may have been placed, or the rule made longer; run it again",
        ) from error
    session.step("month dropped")
    return lines or 0


def _drop_keys(session: Session, purge_id: UUID, months: list[int], at: datetime) -> int:
    """Drop the keys of all months in one epoch, then write the outcome; returns the epoch."""
    noun = queries("retention")
    periods = tuple(key.period_id(key.RetentionClass.LOG, month) for month in months)

    def change(epoch: int) -> None:
        in_context(session, HOUSE)
        _check_empty(session, months, at)
        noun.insert_log_purge(
            session.conn, purge_id=purge_id, epoch=epoch, months=months, at=session.clock.now()
        )
        append(session, _entry(purge_id, "intent", {"periods": list(periods), "epoch": epoch}))

    recover(session)
    epoch = drop(session, [key.TenantDrop(HOUSE, (), periods)], change).epoch_to
    _record_outcome(session, purge_id, epoch)
    return epoch


def _check_empty(session: Session, months: list[int], at: datetime) -> None:
    """Refuse to drop the key of a month that is kept now, or into which lines came."""
    rule = log_rule(session)
    again = {row[0] for row in queries("retention").log_months_due(session.conn, at=at)}
    kept = [month for month in months if month in again or not due(rule, month, at)]
    if kept:
        raise BusyError(
            f"lines came into {kept} while the purge ran, or the rule was changed; no key was dropped",
            hint="run it again: it takes the new lines too",
        )


def _record_outcome(session: Session, purge_id: UUID, epoch: int) -> None:
    """Say, in a second transaction, that the old root is destroyed."""
    with transaction(session) as conn:
        if queries("retention").finish_log_purge(conn, purge_id=purge_id, at=session.clock.now()):
            append(session, _entry(purge_id, "done", {"epoch": epoch}))


def _finish_earlier(session: Session, plan: LogPlan) -> int:
    if not plan.unfinished:
        return 0
    rows = list(queries("retention").open_log_purges(session.conn))
    for purge_id, epoch in rows:
        _record_outcome(session, purge_id, epoch)
    return len(rows)
