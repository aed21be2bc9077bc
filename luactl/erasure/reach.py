"""Every place that an erasure would reach, before it runs: what its certificate would say if it ran now."""

from __future__ import annotations

from typing import Any

from ..certificate.system import system
from ..clock import instant
from ..db import Session, transaction
from ..residue.since import claimed
from .facts import retained
from .places import NO_LEVEL, Facts, Place, places
from .planning import PERSON, ErasurePlan


def ahead(session: Session, plan: ErasurePlan) -> tuple[Place, ...]:
    """Return the places of a plan. A holder that is a program says only when it is asked whether it destroys
    a root at once, so that its date is the earliest that can be. Raises RefusedError off a key host.
    """
    now = session.clock.now()
    with transaction(session, plan.tenant_id) as conn:
        sealed = claimed(conn, [one.table for one in plan.going], now)
    stated = Facts(
        sealed,
        _holders(session, instant(now)),
        [str(book) for book in session.profile.books],
        system(session).standbys,
        retained(plan.staying),
        instant(now),
        plan.scope == PERSON,
    )
    return tuple(Place(**one) for one in places(stated))


def _holders(session: Session, now: str) -> list[dict[str, Any]]:
    from ..key.status import status

    return [
        {
            "holder": one.name,
            "old_root": "destroyed",
            "level": NO_LEVEL if one.level is None else one.level.capitalize(),
            "scheduled_at": now,
            "effective_at": now,
        }
        for one in status(session, count=False).holders
    ]
