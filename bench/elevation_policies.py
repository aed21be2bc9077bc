"""What policies that end elevations cost everybody else: the same questions with them and without, in turns.

A read of every row, many by their keys, and an insert, by an ordinary login in a tenant's context. The other
table has the policy of tenants as it would be if there were no elevations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import sql

from .ledger_world import world
from .measure import Measure, Size, interleaved

LIMIT = 1.05
ROWS = {Size.FULL: 200_000, Size.SMALL: 50_000}
TURNS = {Size.FULL: 25, Size.SMALL: 15}
POINTS = 200
TENANT = 7
MAKE = """
    CREATE SCHEMA bench; GRANT USAGE ON SCHEMA bench TO lua_operator;
    CREATE TABLE bench.bound (tenant_id bigint, n bigint, body text NOT NULL, PRIMARY KEY (tenant_id, n));
    CREATE TABLE bench.bare (LIKE bench.bound INCLUDING ALL);
    SELECT lua.imitate('lua.tenant', 'bench.bound'), lua.imitate('lua.tenant', 'bench.bare');
    DROP POLICY elevated ON bench.bare;
    ALTER POLICY tenant ON bench.bare
    USING (tenant_id = nullif(current_setting('lua.tenant_id', true), '')::bigint
           AND CASE WHEN nullif(current_setting('lua.tenant_id', true), '')::bigint < 1099511627776
                    THEN current_user !~ '^lua_t[0-9]' AND session_user !~ '^lua_t[0-9]'
                    ELSE false END);
    GRANT SELECT, INSERT ON bench.bound, bench.bare TO lua_operator"""
FILL = "INSERT INTO bench.{} SELECT {}, n, md5(n::text) FROM generate_series({}::bigint, {}) AS n"
EVERY = "SELECT count(*), max(body) FROM bench.{}"
ONE = "SELECT body FROM bench.{} WHERE tenant_id = %s AND n = %s"


def measure(size: Size) -> Measure:
    """Ask both tables the same."""
    with tables(ROWS[size]) as conn:
        seconds = interleaved(lambda: work(conn, "bound"), lambda: work(conn, "bare"), TURNS[size])
    return Measure("elevation_policies", *seconds, LIMIT, TURNS[size])


@contextmanager
def tables(rows: int) -> Iterator[Any]:
    """Yield an ordinary login's connection to a server with both tables."""
    with world() as (own, superuser):
        superuser.execute(MAKE)
        for table in ("bound", "bare"):
            superuser.execute(_fill(table, 1, rows))
        superuser.execute("VACUUM ANALYZE bench.bound, bench.bare")
        yield own.conn


def work(conn: Any, table: str) -> None:
    """Read every row, some by their keys, and insert some, all of which is taken back."""
    name = sql.Identifier(table)
    with conn.transaction(force_rollback=True):
        conn.execute(sql.SQL("SET LOCAL lua.tenant_id = {}").format(TENANT))
        conn.execute(sql.SQL(EVERY).format(name))
        for n in range(POINTS):
            conn.execute(sql.SQL(ONE).format(name), (TENANT, n))
        conn.execute(_fill(table, -5_000, -1))


def _fill(table: str, first: int, last: int) -> sql.Composed:
    return sql.SQL(FILL).format(sql.Identifier(table), TENANT, first, last)
