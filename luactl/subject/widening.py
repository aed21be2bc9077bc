"""The width of blind indexes, fitted to how many contacts and users of the CRM a tenant has by now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from ..db import Session, queries, transaction
from .finding import indexes, named, opened
from .sealed import CONTACT, USER, Table

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..key.blind import Indexer
    from ..tenant import Tenant

BATCH = 1_000
_FIRST = UUID(int=0)


@dataclass(frozen=True)
class Widening:
    """Blind indexes of one table that get another width, or got it."""

    version: int
    """Width version that fits the present number of rows."""
    rows: int
    """Rows of the tenant."""
    outdated: int
    """Rows whose indexes have another width."""
    done: int
    """Rows that got new indexes; 0 in a dry run."""


@dataclass(frozen=True)
class Reindexing(Widening):
    """What a reindexing does, or did: to contacts, and to users of the CRM, of whom there are fewer."""

    users: Widening


def plan_reindex(session: Session, tenant: Tenant) -> Reindexing:
    """Return how many contacts and users have indexes of a width that no longer fits their number."""
    contacts, users = (_plan(session, tenant.tenant_id, table) for table in (CONTACT, USER))
    return Reindexing(**vars(contacts), users=users)


def _plan(session: Session, tenant_id: int, table: Table) -> Widening:
    from ..key import blind

    ask = getattr(queries("subject"), f"rows_by_version_{table.query}")
    with transaction(session, tenant_id) as conn:
        counts = {int(version): int(rows) for version, rows in ask(conn, tenant_id=tenant_id)}
    rows = sum(counts.values())
    version = blind.version_for(rows)
    return Widening(version, rows, rows - counts.get(version, 0), 0)


def reindex(
    session: Session, tenant: Tenant, plan: Reindexing, progress: Callable[[int], None] = lambda _rows: None
) -> Reindexing:
    """Give contacts and users indexes of the planned width, batch by batch; may be interrupted and repeated.

    Each batch is recorded as read before it opens, and changes in one transaction with an entry of its own.
    """
    from ..key import open_tenant

    with transaction(session, tenant.tenant_id):
        keys = open_tenant(session, tenant.tenant_id)
    done = _widen(session, tenant, keys, CONTACT, plan.version, progress)
    users = replace(plan.users, done=_widen(session, tenant, keys, USER, plan.users.version, progress))
    return replace(plan, done=done, users=users)


def _widen(
    session: Session, tenant: Tenant, keys: TenantKeys, table: Table, version: int,
    progress: Callable[[int], None],
) -> int:  # fmt: skip
    from ..key import blind

    indexer = blind.Indexer(keys.index_key, version, tenant.country)
    after, done = _FIRST, 0
    while batch := _next_batch(session, tenant.tenant_id, table, version, after):
        after = batch[-1][0]
        changed = _widen_batch(session, tenant.tenant_id, keys, table, indexer, batch)
        done += changed
        progress(changed)
    return done


def _next_batch(session: Session, tenant_id: int, table: Table, version: int, after: UUID) -> list[Any]:
    ask = getattr(queries("subject"), f"next_batch_{table.query}")
    with transaction(session, tenant_id) as conn:
        return list(ask(conn, tenant_id=tenant_id, version=version, after=after, limit=BATCH))


def _widen_batch(
    session: Session, tenant_id: int, keys: TenantKeys, table: Table, indexer: Indexer, batch: list[Any]
) -> int:
    from ..ledger import Entry, append, record_read, references

    what, q = f"table:{table.table}", queries("subject")
    known = references(session, keys, tenant_id, [row[1] for row in batch])
    record_read(session, tenant_id, sorted(set(known.values())), "widen blind indexes", what)
    scope = {"tenant_id": tenant_id, "version": indexer.widths.version}
    changes = [
        (who, scope | {"row_id": row_id, "updated_at": at} | named(indexes(indexer, fields)))
        for (row_id, who, at, _), fields in opened(session, tenant_id, keys, table, batch)
    ]
    with transaction(session, tenant_id) as conn:
        rows = q.lock_subjects(conn, tenant_id=tenant_id, subject_ids=[who for who, _ in changes])
        living = {subject_id for subject_id, status in rows if status == "active"}
        write = getattr(q, f"set_indexes_{table.query}")
        changed = cast("int", write(conn, [change for who, change in changes if who in living]))
        if changed:
            detail = {"rows": changed, "version": indexer.widths.version}
            append(session, Entry("subject.reindex", tenant_id, what, detail=detail))
    return changed
