"""Whether a tenant's data may be changed: suspending and resuming."""

from __future__ import annotations

from dataclasses import dataclass

from ..db import Session, queries, transaction
from ..errors import RefusedError, UsageError
from .register import Tenant, in_context, known

LONGEST_REASON = 500


@dataclass(frozen=True)
class StatusChange:
    """What suspending or resuming a tenant does, or did."""

    slug: str
    """The tenant."""
    before: str
    """Status before."""
    after: str
    """Status after."""
    reason: str | None
    """Why; None after resuming."""
    changed: bool
    """False when it was so already and nothing was written."""


def suspend(session: Session, slug: str, reason: str, *, dry_run: bool = False) -> StatusChange:
    """Keep a tenant's data from being changed until it is resumed. Does nothing if it is suspended already.

    Raises UsageError without a reason, NotFoundError, and RefusedError for a terminated tenant.
    """
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON or not text.isprintable():
        raise UsageError(f"the reason must be one line of 1 to {LONGEST_REASON} characters")
    return _set_status(session, slug, "suspended", text, dry_run)


def resume(session: Session, slug: str, *, dry_run: bool = False) -> StatusChange:
    """Lift a suspension, if there is one. Raises NotFoundError, and RefusedError if terminated."""
    return _set_status(session, slug, "active", None, dry_run)


def _set_status(session: Session, slug: str, status: str, reason: str | None, dry_run: bool) -> StatusChange:
    from ..ledger import Entry, append

    tenant_id = known(session, slug)[0]
    in_context(session, tenant_id)  # or refused
    q = queries("tenant")
    with transaction(session, tenant_id) as conn:
        now = Tenant(*(q.tenant if dry_run else q.lock_tenant)(conn, tenant_id=tenant_id))
        if now.status == "terminated":
            raise RefusedError(f"tenant {slug} is terminated", hint="a terminated tenant stays so")
        changed = now.status != status
        change = StatusChange(slug, now.status, status, reason if changed else now.reason, changed)
        if dry_run or not changed:
            return change
        q.set_status(conn, tenant_id=tenant_id, status=status, reason=reason, at=session.clock.now())
        detail = {"reason": reason} if reason else {}
        verb = "suspend" if status == "suspended" else "resume"
        append(
            session,
            Entry(action=f"tenant.{verb}", tenant_id=tenant_id, object=f"tenant:{slug}", detail=detail),
        )
    return change
