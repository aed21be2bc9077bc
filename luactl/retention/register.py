"""Reading and setting a tenant's deletion rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg

from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError
from .rule import Rule

if TYPE_CHECKING:
    from ..tenant import Tenant


@dataclass(frozen=True)
class RuleChange:
    """A deletion rule before and after."""

    tenant: str
    before: Rule
    after: Rule


def read(conn: Any, tenant_id: int) -> tuple[Rule, ...]:
    """Return the rules of a tenant by class name, in the running transaction.

    Empty when this login sees none.
    """
    return tuple(Rule(*row) for row in queries("retention").rules(conn, tenant_id=tenant_id))


def rules(session: Session, tenant: Tenant) -> tuple[Rule, ...]:
    """Return the deletion rules of a tenant by class name."""
    with transaction(session, tenant.tenant_id) as conn:
        return read(conn, tenant.tenant_id)


def set_rule(
    session: Session, tenant: Tenant, retention_class: str, months: int, *, dry_run: bool = False
) -> RuleChange:
    """Set the regular deletion period of one class, in months from the end of the period.

    Raises NotFoundError for a class without a rule, RefusedError below the legal minimum (the database's
    CHECK decides) and for a class whose clock nothing starts. A dry run asks the database the same and
    takes it back. A period that is set already stays as it is, without a ledger entry.
    """
    now = session.clock.now()
    with transaction(session, tenant.tenant_id) as conn:
        found = {rule.retention_class: rule for rule in read(conn, tenant.tenant_id)}
        before = found.get(retention_class)
        if before is None:
            raise NotFoundError(
                f"{tenant.slug!r} has no rule for {retention_class!r}",
                hint=f"classes: {', '.join(sorted(found))}",
            )
        if before.starting_point == "end of relationship":
            raise RefusedError(
                f"the clock of {retention_class!r} starts with the end of a relationship: nothing records it",
                hint="such data live until the person is erased: `luactl erasure run`",
            )
        if months == before.months:
            return RuleChange(tenant.slug, before, before)
        change = RuleChange(tenant.slug, before, replace(before, months=months, updated_at=now))
        _write(session, tenant, change)
        if dry_run:
            raise psycopg.Rollback
    return change


def _write(session: Session, tenant: Tenant, change: RuleChange) -> None:
    """Update the row and append the ledger entry."""
    from ..ledger import Entry, append

    after = change.after
    try:
        queries("retention").set_months(
            session.conn,
            tenant_id=tenant.tenant_id,
            retention_class=after.retention_class,
            months=after.months,
            at=after.updated_at,
        )
    except psycopg.errors.CheckViolation as error:
        raise _refusal(change) from error
    append(session, Entry(
        action="retention.set", tenant_id=tenant.tenant_id, object=after.retention_class, outcome="done",
        detail={"before": change.before.months, "after": after.months},
    ))  # fmt: skip


def _refusal(change: RuleChange) -> RefusedError:
    after = change.after
    if after.months is not None and after.months < after.minimum_months:
        return RefusedError(
            f"{after.months} months is less than the {after.minimum_months} that a legal duty demands for "
            f"{after.retention_class!r}: {after.basis}",
            hint=f"set {after.minimum_months} months or more",
        )
    return RefusedError(f"{after.months} months is out of bounds", hint="give 1 to 1200 months")
