"""The end of sessions: those that are over for 90 days go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...db import Session, queries, transaction

if TYPE_CHECKING:
    from ...tenant import Tenant


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

    found, now, noun = [], session.clock.now(), queries("access_user")
    for one in open_to(session, list(tenants))[0]:
        scope = {"tenant_id": one.tenant_id, "at": now}
        with transaction(session, one.tenant_id) as conn:
            gone = noun.sessions_due(conn, **scope) if dry_run else noun.purge_sessions(conn, **scope)
            if gone and not dry_run:
                append(session, Entry(
                    "access.user-purge", one.tenant_id, "table:crm.user_session", detail={"sessions": gone}
                ))  # fmt: skip
        if gone:
            found.append(Purged(one.slug, gone))
    return tuple(found)
