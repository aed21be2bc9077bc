"""Probes of what belongs together: every contact and interaction has its customer."""

from __future__ import annotations

from typing import Any

import psycopg

from ..db import Session
from .look import Connection, Look, enter, statements, tenants, undone
from .page import Page

TABLES = ("contact", "interaction")


def orphans(session: Session, page: Page, look: Look) -> None:
    """Look for contacts and interactions without a subject, and try to write some, at every tenant."""
    rows = dict.fromkeys(TABLES, 0)
    for tenant in tenants(session, look):
        with undone(session, tenant.tenant_id) as conn:
            if not enter(conn, tenant, look):
                continue
            for table in TABLES:
                query = statements("records")
                count, lost = getattr(query, f"{table}s")(conn, tenant_id=tenant.tenant_id)
                rows[table] += count
                look.tried(min(count, 1))  # in an empty table nothing was found because nothing is there
                if lost:
                    look.breaks(f"{lost:,} of {count:,} {table}s of {tenant.slug} belong to no customer")
                _write(
                    conn,
                    getattr(query, f"write_{table}"),
                    tenant.tenant_id,
                    f"{table} at {tenant.slug}",
                    look,
                )
    look.evidence |= {f"{table}s": count for table, count in rows.items()}
    look.saw = (
        f"{rows['contact']:,} contacts and {rows['interaction']:,} interactions, none of them an orphan"
    )


def _write(conn: Connection, write: Any, tenant_id: int, what: str, look: Look) -> None:
    """Try to make an orphan; a login that may write no such rows at all proves nothing by failing."""
    try:
        with conn.transaction(force_rollback=True):
            write(conn, tenant_id=tenant_id)
    except psycopg.errors.ForeignKeyViolation:
        look.tried()
    except psycopg.errors.InsufficientPrivilege:
        look.evidence["not_tried"] = "to write an orphan: this login may not write such rows"
    else:
        look.tried()
        look.breaks(f"an orphan can be written: {what}")
