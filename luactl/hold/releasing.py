"""Releasing holds: what waited goes by itself, and the release says what that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from .. import approval
from ..db import Session, queries, transaction
from ..errors import RefusedError
from ..line import checked
from .record import Hold

if TYPE_CHECKING:
    from ..tenant import Tenant


@dataclass(frozen=True)
class Freed:
    """Rows of one period that are due, and that nothing but these holds keeps: the next purge takes them."""

    retention_class: str
    """interaction or invoice."""
    period: int
    """yyyymm or yyyy."""
    rows: int
    """Interactions or invoices."""
    lines: int
    """Lines of these invoices."""


@dataclass(frozen=True)
class Release:
    """What a release does."""

    tenant: str
    """Slug."""
    holds: tuple[UUID, ...]
    """Those that are released."""
    reason: str
    freed: tuple[Freed, ...]
    """What the next purge takes."""


def release(
    session: Session, tenant: Tenant, holds: Sequence[Hold], reason: str, *, dry_run: bool = False
) -> Release:
    """Release these holds of a tenant, all of them or none, with one ledger entry each.

    Releasing what somebody else placed needs approval by the rule `hold.release`. A dry run asks the database
    the same and takes it back. Raises ApprovalNeededError, and RefusedError when one of them is not in force,
    when another hold of the same case would stay, or for whoever may not release.
    """
    from ..ledger import Entry, append_all
    from ..ledger.entry import new_id

    text = checked("reason", reason)
    ids = tuple(one.hold_id for one in holds)
    # Whoever placed them may have gone by a clock that was ahead of ours.
    now = max(session.clock.now(), *(one.placed_at for one in holds))
    others = [one for one in holds if one.placed_by != session.actor]
    granted = approval.demand(session, _wanted(tenant, holds)) if others and not dry_run else None
    with transaction(session, tenant.tenant_id) as conn:
        before = _due(conn, tenant.tenant_id, now)
        first = new_id(now)
        detail = {"reason": text, "holds": len(ids)}
        entries = [
            Entry("hold.release", tenant.tenant_id, f"hold:{one}", detail=detail, id=None if n else first)
            for n, one in enumerate(ids)
        ]
        append_all(session, entries)
        approval.use(session, granted)
        _release(conn, tenant, ids, text, now, first)
        after = _due(conn, tenant.tenant_id, now)
        if dry_run:
            raise psycopg.Rollback
    return Release(tenant.slug, ids, text, _freed(before, after))


def _wanted(tenant: Tenant, holds: Sequence[Hold]) -> approval.Want:
    ids = sorted(str(one.hold_id) for one in holds)
    what = f"hold {holds[0].reference!r}" if len(holds) == 1 else f"{len(holds)} holds"
    return approval.Want(
        action="hold.release",
        target=f"holds {approval.digest(*ids)}",
        summary=f"Release {what} of {tenant.slug}",
        exact={"holds": approval.digest(*ids)},
        counts={},
        tenant=tenant.slug,
    )


def _release(conn: Any, tenant: Tenant, ids: Sequence[UUID], reason: str, now: Any, entry_id: UUID) -> None:
    try:
        queries("hold").release(
            conn, tenant_id=tenant.tenant_id, holds=list(ids), reason=reason, at=now, entry_id=entry_id
        )
    except psycopg.errors.CheckViolation as error:
        raise RefusedError(
            f"nothing was released: {error.diag.message_primary}",
            hint=f"`luactl hold list --tenant {tenant.slug}` shows them; `--case` releases a whole case",
        ) from error


def _due(conn: Any, tenant_id: int, now: Any) -> dict[tuple[str, int], tuple[int, int]]:
    rows = queries("hold").due(conn, tenant_id=tenant_id, at=now)
    return {(name, period): (held, lines) for name, period, held, lines in rows}


def _freed(
    before: dict[tuple[str, int], tuple[int, int]], after: dict[tuple[str, int], tuple[int, int]]
) -> tuple[Freed, ...]:
    """Return the difference: due rows that were held and are not any more."""
    found = []
    for (name, period), (rows, lines) in sorted(before.items()):
        left = after.get((name, period), (0, 0))
        if rows > left[0]:
            found.append(Freed(name, period, rows - left[0], lines - left[1]))
    return tuple(found)
