"""The end of sessions: those that are over for 90 days go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ...db import Session, queries, transaction

if TYPE_CHECKING:
    from ...tenant import Tenant

LATE = timedelta(days=2)
"""A purge each night takes what is due before so much more time has passed."""


@dataclass(frozen=True)
class Purged:
    """What a purge of sessions took at one tenant, or would take."""

    tenant: str
    """Slug."""
    sessions: int
    """Sessions that were over for 90 days, those of people on legal hold left out."""


def purge(session: Session, tenants: Iterable[Tenant], *, dry_run: bool = False) -> tuple[Purged, ...]:
    """Delete the sessions of these tenants that are over for 90 days; each tenant is one transaction.

    Returns the tenants that had any. Run again it takes what is left.
    """
    from ...ledger import Entry, append
    from ...tenant import open_to

    found, now = [], session.clock.now()
    if dry_run:
        return _due(session, tenants, now)
    for one in open_to(session, list(tenants))[0]:
        with transaction(session, one.tenant_id) as conn:
            gone = queries("access_user").purge_sessions(conn, tenant_id=one.tenant_id, at=now)
            if gone:
                append(session, Entry(
                    "access.user-purge", one.tenant_id, "table:crm.user_session", detail={"sessions": gone}
                ))  # fmt: skip
                found.append(Purged(one.slug, gone))
    return tuple(found)


def late(session: Session, tenants: Iterable[Tenant]) -> tuple[Purged, ...]:
    """Return the tenants with sessions that a purge each night would have taken by now."""
    return _due(session, tenants, session.clock.now() - LATE)


def _due(session: Session, tenants: Iterable[Tenant], at: datetime) -> tuple[Purged, ...]:
    from ...tenant import open_to

    found = []
    for one in open_to(session, list(tenants))[0]:
        with transaction(session, one.tenant_id) as conn:
            due = queries("access_user").sessions_due(conn, tenant_id=one.tenant_id, at=at)
        if due:
            found.append(Purged(one.slug, due))
    return tuple(found)
