"""Waivers: a rule does not hold for one person until a day, for a reason, by somebody else's approval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from ... import approval
from ...db import Session, queries, transaction
from ...errors import NotFoundError, RefusedError, UsageError
from ...line import checked
from .rule import find

LONGEST = 366
"""Days that a waiver lasts at most."""


@dataclass(frozen=True)
class Waiver:
    """A waiver, or what one would be."""

    waiver_id: UUID | None
    """None in a plan."""
    rule: str
    """The rule that does not hold."""
    person: str
    """Handle of the person for whom."""
    reason: str
    """Why."""
    until: date
    """The last day on which it counts, in UTC."""
    waived_by: str
    """The login that asked for it and carried it out."""
    approval_id: UUID | None
    """The approval by somebody else; None in a plan."""


def waivers(session: Session, *, ended: bool = False) -> tuple[Waiver, ...]:
    """Return waivers in force, with `ended` all that there ever were; the oldest first."""
    rows = queries("access_duty").waivers(session.conn, today=session.clock.now().date(), ended=ended)
    return tuple(Waiver(*row) for row in rows)


def waive(
    session: Session, rule: str, handle: str, until: date, reason: str, *, dry_run: bool = False
) -> Waiver:
    """Take a rule off a person until a day; needs an approval by the rule `duty.waive`, always.

    A waiver until that very day which is there already is returned, and nothing changes.

    Raises NotFoundError for an unknown rule or person, UsageError for a day that is past or more than a year
    away, ApprovalNeededError until somebody else has approved, RefusedError for oneself.
    """
    from ...ledger import Entry, append, new_id

    text, now = checked("reason", reason), session.clock.now()
    person_id = _person(session, find(session, rule).rule, handle)
    if not 0 <= (until - now.date()).days <= LONGEST:
        raise UsageError(f"a waiver ends between today and {LONGEST} days from now", hint="give --until DAY")
    plan = Waiver(None, rule, handle, text, until, session.actor, None)
    there = [one for one in waivers(session) if (one.rule, one.person, one.until) == (rule, handle, until)]
    if there or dry_run:
        return there[0] if there else plan
    granted = approval.demand(session, _wanted(plan, person_id))
    if granted is None:
        raise RefusedError(
            "a waiver always needs the approval of somebody else, and the rule duty.waive demands none",
            hint="`luactl approval rule set duty.waive --approvals 1`",
        )
    waiver_id = new_id(now)
    with transaction(session) as conn:
        approval.use(session, granted)
        detail = {"rule": rule, "reason": text, "until": until.isoformat(), "waiver": str(waiver_id)}
        entry_id = append(session, Entry("access.duty-waive", object=f"person:{person_id}", detail=detail))
        queries("access_duty").waive(
            conn, waiver_id=waiver_id, rule=rule, person_id=person_id, reason=text, until=until,
            approval_id=granted.approval_id, at=now, entry_id=entry_id,
        )  # fmt: skip
    return Waiver(waiver_id, rule, handle, text, until, session.actor, granted.approval_id)


def _person(session: Session, rule: str, handle: str) -> UUID:
    row = queries("access_duty").person(session.conn, handle=handle)
    if row is None:
        raise NotFoundError(f"there is nobody {handle[:80]!r}", hint="`luactl staff list` shows everybody")
    person_id, own = row
    if own:
        raise RefusedError(f"nobody waives {rule} for themselves", hint="have a colleague ask for it")
    found: UUID = person_id
    return found


def _wanted(plan: Waiver, person_id: UUID) -> approval.Want:
    exact = {
        "rule": plan.rule, "person": str(person_id), "until": plan.until.isoformat(), "reason": plan.reason,
    }  # fmt: skip
    return approval.Want(
        action="duty.waive",
        target=f"duty {plan.rule} of person {person_id}",
        summary=f"Waive {plan.rule} for a person until {plan.until}: {plan.reason}"[:300],
        exact=exact,
        counts={},
    )
