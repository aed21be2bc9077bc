"""Probes of isolation: standing in one tenant's context, reach for another's rows in every table.

Two throw-away tenants are planted in the transaction that is rolled back. A login that may not create tenants
tries it on two that are there.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from ..db import Session, queries
from ..tenant import faults, open_to
from ..tenant.register import FIRST_DEDICATED
from .look import Connection, Look, attempt, roles, statements, tenants, undone
from .page import Page

if TYPE_CHECKING:
    from ..tenant import Tenant

EXEMPT = {
    "lua.tenant_directory": "names and numbers of tenants, which the application role cannot read",
    "lua.token_directory": "hashes of tokens, which only functions reach",
    "lua.sentinel": "rows of no tenant, by which a session sees whether row security works",
    "vault.counter": "numbers, which only functions reach",
    "ledger.entry": "the record itself, read by those who audit it",
    "ledger.entry_other": "a partition of the record",
    "lua.log_line": "lines of servers and services, read by those who audit them",
    "lua.log_line_other": "a partition of them",
}


def isolation(session: Session, page: Page, look: Look) -> None:
    """Read, count, join, update, delete and insert rows of tenant B as tenant A, in every table and role."""
    others = roles(session, look, all_of_them=False)
    look.evidence["exempt"] = EXEMPT
    with undone(session) as conn:
        pair = _pair(session, conn, look)
        if pair is None:
            look.misses("this login may not create tenants, and there are no two of them to try it on")
            return
        _try_all(conn, pair, [None, *others], look)
    as_whom = ", ".join([session.actor, *others])
    look.saw = f"{look.attempts:,} attempts as {as_whom}: nothing of another tenant came back or changed"


def dedicated(session: Session, page: Page, look: Look) -> None:
    """Do the same; look for a dedicated tenant that shares a table; try to reach the rows of each."""
    isolation(session, page, look)
    alone = [tenant for tenant in tenants(session, Look()) if tenant.isolation == "dedicated"]
    for fault in faults(session):
        look.breaks(f"{fault.slug or 'pooled tenants'}: {fault.what}")
    admitted, _others = open_to(session, alone)
    groups: list[str | None] = [*roles(session, Look(), all_of_them=False)]
    with undone(session) as conn:
        for tenant in alone:
            look.tried()
            for (table,) in _shared(conn, tenant):
                look.breaks(f"{tenant.slug} is dedicated, but shares {table} with others")
            _try_to_forge(conn, tenant, groups if tenant in admitted else [None, *groups], look)
    look.evidence["dedicated"] = len(alone)


def _shared(conn: Connection, tenant: Tenant) -> Iterable[tuple[str]]:
    """Return the tables that a dedicated tenant shares; none of one that has ended, whose own are gone."""
    if tenant.status == "terminated":
        return ()
    found: Iterable[tuple[str]] = statements("isolation").shared_tables(conn, tenant_id=tenant.tenant_id)
    return found


def _try_to_forge(conn: Connection, tenant: Tenant, as_whom: list[str | None], look: Look) -> None:
    """Claim a dedicated tenant's context as whoever it does not admit, and go for its own partitions too."""
    for table, is_partition, column in statements("isolation").tables(conn):
        if table in EXEMPT or (is_partition and not table.endswith(f"_t{tenant.tenant_id}")):
            continue
        for role in as_whom:
            for verb, statement, context in _reaches(table, column, 0, tenant.tenant_id):
                tried = attempt(conn, statement, role, context if context == "" else tenant.tenant_id)
                look.tried()
                if _came_through(verb, tried.count, tried.error):
                    look.breaks(f"{role or 'this login'} can {verb} rows of {tenant.slug} in {table}")


def _pair(session: Session, conn: Connection, look: Look) -> tuple[int, int] | None:
    """Return two tenants with rows: planted ones, or the first two that there are; None without any."""
    first = FIRST_DEDICATED - 2 - 2 * secrets.randbelow(1 << 38)
    try:
        with conn.transaction():
            for tenant_id in (first, first + 1):
                _plant(conn, tenant_id)
        look.evidence["tenants"] = "planted"
        return first, first + 1
    except psycopg.errors.InsufficientPrivilege:
        found = [row[0] for row in queries("tenant").all_tenants(conn) if row[0] < FIRST_DEDICATED]
    look.evidence["tenants"] = "existing"
    return (found[0], found[1]) if len(found) > 1 else None


def _plant(conn: Connection, tenant_id: int) -> None:
    conn.execute(SQL("SET LOCAL lua.tenant_id = {}").format(Literal(tenant_id)))
    plant, id = statements("isolation"), UUID(bytes=secrets.token_bytes(16))
    slug = f"probe-{secrets.token_hex(8)}"
    plant.plant_tenant(conn, tenant_id=tenant_id, slug=slug)
    plant.plant_rules(conn, tenant_id=tenant_id)
    plant.plant_subject(conn, tenant_id=tenant_id, id=id)
    plant.plant_rows(conn, tenant_id=tenant_id, id=id)
    plant.plant_line(conn, tenant_id=tenant_id, id=id)
    plant.plant_erased(conn, tenant_id=tenant_id, id=id)
    plant.plant_secret(conn, tenant_id=tenant_id, id=id)
    plant.plant_user(conn, tenant_id=tenant_id, id=id)
    token, prefix = UUID(bytes=secrets.token_bytes(16)), "".join(secrets.choice("abcdefgh") for _ in range(8))
    plant.plant_token(conn, tenant_id=tenant_id, id=id, token=token, prefix=prefix)
    plant.plant_user_token(conn, tenant_id=tenant_id, token=token, id=id)
    list(plant.plant_bound(conn, id=id))
    plant.plant_release(conn, tenant_id=tenant_id, id=id)
    plant.plant_hold(conn, tenant_id=tenant_id, id=id)
    plant.plant_request(conn, tenant_id=tenant_id, id=id)
    plant.plant_end(conn, tenant_id=tenant_id, id=id)
    plant.plant_processor(conn, slug=slug, id=id)
    list(plant.plant_notices(conn, tenant_id=tenant_id, id=id))


def _try_all(conn: Connection, pair: tuple[int, int], as_whom: list[str | None], look: Look) -> None:
    own, other = pair
    tables = [row for row in statements("isolation").tables(conn) if row[0] not in EXEMPT]
    look.evidence["tables"] = [table for table, _part, _column in tables]
    for table, is_partition, column in tables:
        if not is_partition and not _has_rows(conn, table, other):
            look.misses(f"{table} has no row of another tenant that could be reached")
            continue
        for role in as_whom:
            for verb, statement, context in _reaches(table, column, own, other):
                tried = attempt(conn, statement, role, context)
                look.tried()
                if _came_through(verb, tried.count, tried.error):
                    look.breaks(f"{role or 'this login'} can {verb} rows of another tenant in {table}")


def _has_rows(conn: Connection, table: str, tenant_id: int) -> bool:
    """Whether a tenant sees rows of its own there, else finding none as another would prove nothing."""
    question = SQL("SELECT FROM {} WHERE tenant_id = {} LIMIT 1").format(SQL(table), Literal(tenant_id))
    return attempt(conn, question, tenant=tenant_id).count == 1


def _came_through(verb: str, count: int, error: psycopg.Error | None) -> bool:
    """A refusal is one, and so is an attempt without effect; an insert must be refused before all else."""
    if verb == "insert":
        return not isinstance(error, psycopg.errors.InsufficientPrivilege)
    return error is None and count > 0


def _reaches(table: str, column: str, own: int, other: int) -> Iterator[tuple[str, Composable, object]]:
    """Yield (verb, statement, context) of each attempt at another tenant's rows."""
    names = {"t": SQL(table), "c": Identifier(column), "own": Literal(own), "other": Literal(other)}
    for verb, statement in (
        ("read", "SELECT tenant_id FROM {t} WHERE tenant_id = {other} LIMIT 1"),
        ("count", "SELECT 1 FROM {t} WHERE tenant_id <> {own} HAVING count(*) > 0"),
        ("join", "SELECT 1 FROM (VALUES ({other})) AS v (b) JOIN {t} AS x ON x.tenant_id = v.b LIMIT 1"),
        ("update", "UPDATE {t} SET {c} = {c} WHERE tenant_id = {other}"),
        ("delete", "DELETE FROM {t} WHERE tenant_id = {other}"),
        ("insert", "INSERT INTO {t} (tenant_id) VALUES ({other})"),
    ):
        yield verb, SQL(statement).format(**names), own
    yield "read without a context", SQL("SELECT tenant_id FROM {t} LIMIT 1").format(**names), ""
