"""Announcing the end of a tenant, and taking it back while there is time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ..db import Session, queries, transaction
from ..errors import RefusedError, UsageError
from ..line import checked
from .record import Termination, current

if TYPE_CHECKING:
    from ..tenant import Tenant

GRACE = timedelta(days=30)
LONGEST_GRACE = timedelta(days=366)


def announce(session: Session, tenant: Tenant, instruction: str, grace: timedelta = GRACE) -> Termination:
    """Suspend the tenant and say from when on its data go. An end that is announced already stays as it is.

    Raises UsageError for a time of grace that is none.
    """
    from ..ledger import Entry, append, new_id

    reference = checked("instruction", instruction)
    if not timedelta(0) <= grace <= LONGEST_GRACE:
        raise UsageError("the time of grace is 0 to 366 days")
    known = current(session, tenant.tenant_id)
    if known is not None:
        return known
    now = session.clock.now()
    termination_id = new_id(now)
    with transaction(session, tenant.tenant_id) as conn:
        queries("termination").announce(
            conn,
            tenant_id=tenant.tenant_id,
            termination_id=termination_id,
            instruction=reference,
            erase_from=now + grace,
            at=now,
        )
        detail = {"instruction": reference, "erase_from": (now + grace).isoformat()}
        append(
            session,
            Entry("tenant.announce-end", tenant.tenant_id, f"termination:{termination_id}", detail=detail),
        )
    found = current(session, tenant.tenant_id)
    if found is None:
        raise RefusedError(f"the end of {tenant.slug!r} was withdrawn at this very moment")
    return found


def withdraw(session: Session, tenant: Tenant) -> bool:
    """Take an announced end back, which makes the tenant active again; False when there was none.

    Raises RefusedError when the erasure was begun: from then on there is no way back.
    """
    from ..ledger import Entry, append

    known = current(session, tenant.tenant_id)
    if known is None:
        return False
    if known.state != "announced":
        raise RefusedError(
            f"the end of {tenant.slug!r} was begun: its keys are destroyed", hint="it can only be finished"
        )
    with transaction(session, tenant.tenant_id) as conn:
        if not queries("termination").withdraw(conn, tenant_id=tenant.tenant_id, at=session.clock.now()):
            return False
        append(session, Entry("tenant.withdraw-end", tenant.tenant_id, f"termination:{known.termination_id}"))
    return True
