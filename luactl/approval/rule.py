"""Rules: which action needs how many approvals, by whom. Only the data protection officer sets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg

from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError, UsageError
from ..shipped import OF_PEOPLE

ROLES = (*OF_PEOPLE, "outside")


@dataclass(frozen=True)
class Rule:
    """What one action needs."""

    action: str
    approvals: int
    """How many people must approve; 0: none."""
    from_subjects: int
    """Fewer people concerned need no approval."""
    roles: tuple[str, ...]
    """An approver has one of these roles; outside: a key that belongs to no login."""
    valid_hours: int
    """How long a request can be answered and used."""
    drift_rows: int
    """How far each count of the plan may drift: by so many rows …"""
    drift_percent: int
    """… or by so many percent, whichever is more."""
    set_by: str | None
    """None: as delivered."""
    set_at: datetime | None

    def demands(self, subjects: int) -> bool:
        """Tell whether an action that concerns so many people needs approval."""
        return self.approvals > 0 and subjects >= self.from_subjects


@dataclass(frozen=True)
class RuleChange:
    """A rule before and after."""

    before: Rule
    after: Rule


def rules(session: Session) -> tuple[Rule, ...]:
    """Return every rule, by action."""
    with transaction(session) as conn:
        rows = list(queries("approval").rules(conn))
    return tuple(_rule(*row) for row in rows)


def _rule(action: str, approvals: int, from_subjects: int, roles: Sequence[str], *rest: Any) -> Rule:
    return Rule(action, approvals, from_subjects, tuple(roles), *rest)


def rule_of(session: Session, action: str) -> Rule:
    """Return the rule of an action. Raises NotFoundError."""
    found = {one.action: one for one in rules(session)}
    if action not in found:
        raise NotFoundError(
            f"there is no rule for {action!r}", hint=f"actions are {', '.join(sorted(found))}"
        )
    return found[action]


def set_rule(
    session: Session,
    action: str,
    *,
    approvals: int | None = None,
    from_subjects: int | None = None,
    roles: Sequence[str] | None = None,
    valid_hours: int | None = None,
    drift_rows: int | None = None,
    drift_percent: int | None = None,
    dry_run: bool = False,
) -> RuleChange:
    """Change what is given of an action's rule, with its ledger entry; requests that are out keep theirs.

    A dry run asks the database the same and takes it back. Raises NotFoundError for an unknown action,
    UsageError for unknown roles or a number out of bounds, RefusedError for whoever may not.
    """
    before = rule_of(session, action)
    given = {
        "approvals": approvals,
        "from_subjects": from_subjects,
        "roles": None if roles is None else tuple(roles),
        "valid_hours": valid_hours,
        "drift_rows": drift_rows,
        "drift_percent": drift_percent,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    if roles is not None and (not roles or not set(roles) <= set(ROLES)):
        raise UsageError("an approver has one or more known roles", hint=f"roles are {', '.join(ROLES)}")
    after = replace(before, **changed, set_by=session.actor, set_at=session.clock.now())  # type: ignore[arg-type]
    if {**vars(after), "set_by": 0, "set_at": 0} == {**vars(before), "set_by": 0, "set_at": 0}:
        return RuleChange(before, before)
    _write(session, before, after, dry_run)
    return RuleChange(before, after)


def _write(session: Session, before: Rule, after: Rule, dry_run: bool) -> None:
    from ..ledger import Entry, append

    names = ("approvals", "from_subjects", "roles", "valid_hours", "drift_rows", "drift_percent")
    detail = {
        name: {"before": _plain(getattr(before, name)), "after": _plain(getattr(after, name))}
        for name in names
        if getattr(before, name) != getattr(after, name)
    }
    values = {name: getattr(after, name) for name in names} | {"roles": list(after.roles)}
    try:
        with transaction(session) as conn:
            entry = Entry("approval.rule-set", object=f"rule:{after.action}", detail=detail)
            queries("approval").set_rule(
                conn, action=after.action, at=after.set_at, entry_id=append(session, entry), **values
            )
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.CheckViolation as error:
        raise UsageError(
            "a number is out of bounds: the rule stays as it was",
            hint="0 to 9 approvals, 1 to 8760 hours, 0 to 100 percent",
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise RefusedError(
            f"{session.actor!r} may not set rules", hint="the data protection officer (lua_dpo) does"
        ) from error


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
