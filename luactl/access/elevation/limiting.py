"""How long roles can be had, and until when that is signed off. Only the data protection officer says so."""

from __future__ import annotations

from dataclasses import dataclass, replace

import psycopg

from ...db import Session, queries, transaction
from ...errors import NotFoundError, RefusedError, UsageError
from .order import full_name, minutes_of
from .record import RoleRule, rules


@dataclass(frozen=True)
class RoleRuleChange:
    """A rule before and after."""

    before: RoleRule
    after: RoleRule

    @property
    def raises(self) -> bool:
        """Whether a role can be had for longer than before, in either way."""
        return (
            self.after.minutes > self.before.minutes or self.after.alarm_minutes > self.before.alarm_minutes
        )


def limit_of(text: str) -> int:
    """Return the minutes of a longest time, such as 8h or 30m; `0` is not at all. Raises UsageError."""
    return 0 if text == "0" else minutes_of(text)


def limit(
    session: Session, role: str, *, minutes: int | None = None, alarm_minutes: int | None = None,
    sign_off_days: int | None = None, dry_run: bool = False,
) -> RoleRuleChange:  # fmt: skip
    """Change what is given of a role's rule, with its ledger entry. What has begun keeps its end.

    `role` may leave out `lua_`. Where it breaks glass for longer than the new longest time, that goes down
    with it. A dry run asks the database the same and takes it back. Needs lua_dpo. Raises NotFoundError for a
    role that cannot be had, UsageError for a time out of bounds, RefusedError for whoever may not.
    """
    before = _rule_of(session, full_name(role))
    longest = before.minutes if minutes is None else minutes
    given = min(before.alarm_minutes, longest) if alarm_minutes is None else alarm_minutes
    days = before.sign_off_days if sign_off_days is None else sign_off_days
    after = replace(before, minutes=longest, alarm_minutes=given, sign_off_days=days)
    if after == before:
        return RoleRuleChange(before, before)
    after = replace(after, set_by=session.actor, set_at=session.clock.now())
    _write(session, before, after, dry_run)
    return RoleRuleChange(before, after)


def _rule_of(session: Session, role: str) -> RoleRule:
    found = {one.role: one for one in rules(session)}
    if role not in found:
        raise NotFoundError(f"{role[:63]} cannot be had for a time", hint=f"roles are {', '.join(found)}")
    return found[role]


def _write(session: Session, before: RoleRule, after: RoleRule, dry_run: bool) -> None:
    from ...ledger import Entry, append

    values = {name: getattr(after, name) for name in ("minutes", "alarm_minutes", "sign_off_days")}
    detail = {
        name: {"before": getattr(before, name), "after": value}
        for name, value in values.items()
        if getattr(before, name) != value
    }
    try:
        with transaction(session) as conn:
            entry = Entry("access.elevation.limit", object=f"role:{after.role}", detail=detail)
            queries("access_elevation").set_rule(
                conn, role=after.role, at=after.set_at, entry_id=append(session, entry), **values
            )
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.CheckViolation as error:
        raise UsageError(
            "a time is out of bounds: the rule stays as it was",
            hint="24h at most; without approval no longer than with one; 1 to 90 days to sign off",
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise RefusedError(
            f"{session.actor!r} may not set how long roles can be had",
            hint="the data protection officer (lua_dpo) does",
        ) from error
