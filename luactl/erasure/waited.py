"""Who waits: left out of an erasure by a legal hold, and to be erased now that it is released.

The order of then still stands; nobody has to remember it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import hold
from ..db import Session, queries, transaction
from .planning import ErasurePlan, plan

if TYPE_CHECKING:
    from ..tenant import Tenant


def waiting(session: Session, tenant: Tenant) -> tuple[ErasurePlan, ...]:
    """Return a plan for each order whose people are free now; those still held are in none.

    Raises RefusedError when the instruction on record is no longer in force.
    """
    free = []
    with transaction(session, tenant.tenant_id) as conn:
        for instruction, scope, people in queries("erasure").waiting(conn, tenant_id=tenant.tenant_id):
            held = hold.held(conn, tenant.tenant_id, people)
            free.append((instruction, scope, [one for one in people if one not in held]))
    return tuple(
        plan(session, tenant, people, instruction, scope=scope)
        for instruction, scope, people in free
        if people
    )
