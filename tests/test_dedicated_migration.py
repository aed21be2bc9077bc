"""Splitting the tables by tenant keeps what was there: rows, columns, rights, rules and indexes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Connection, TestServer
from psycopg import sql
from support_wait import drop_database
from support_whole import snapshot

from luactl import schema
from luactl.clock import SystemClock

ROWS = (Path(__file__).parent / "isolation_rows.sql").read_text()
TABLES = ("role", "subject", "contact", "contact_key", "interaction", "invoice", "invoice_line")
BEFORE = next(one.version for one in schema.migrations() if one.name == "dedicated") - 1
FACTS = (Path(__file__).parent / "dedicated_facts.sql").read_text()
KEYS = """SELECT concat_ws(' ', replace(conrelid::regclass::text, '_pooled', ''), conname,
                 replace(pg_get_constraintdef(oid), '_pooled', ''), convalidated)
          FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
            AND connamespace::regnamespace::text IN ('lua', 'crm') ORDER BY 1"""


def up_to(version: int, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the migrations up to a version, and none of those that came later."""
    every = schema.migrations()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "migrations", lambda: every[:version])
        return schema.migrate(conn, SystemClock())


@pytest.fixture
def old(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A database of the version before, with rows of two tenants in every table."""
    name = f"t_{secrets.token_hex(6)}"
    with closing(server.admin()) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            with closing(server.admin(name)) as admin:
                up_to(BEFORE, admin, monkeypatch)
                for tenant in (7, 8):
                    for statement in ROWS.split(";\n"):
                        into = statement.split("INSERT INTO ")[1].split()[0]
                        if told(admin, "SELECT to_regclass(%s)::text", into) != [None]:  # else it came later
                            admin.execute(statement.encode(), {"tenant": tenant})
                yield admin
        finally:
            drop_database(conn, name)


def told(conn: Connection, query: str, *values: Any) -> list[str]:
    return [row[0] for row in conn.execute(query.encode(), values or None)]


def test_a_database_with_rows_keeps_all_of_it(old: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    facts, keys = told(old, FACTS, list(TABLES)), told(old, KEYS)
    rows = {at: row for at, row in snapshot(old).items() if at[0] != "lua.migration"}
    assert {at[0] for at in rows} >= {f"crm.{table}" for table in TABLES}
    assert [name[5:] for name in up_to(BEFORE + 1, old, monkeypatch)] == ["dedicated"]
    later = snapshot(old)
    assert {at: later.get(at) for at in rows} == rows
    assert told(old, FACTS, list(TABLES)) == facts
    assert told(old, KEYS) == keys
    for table in TABLES:
        assert told(old, f"SELECT count(*)::text FROM crm.{table}_pooled") == ["2"]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        old.execute("INSERT INTO crm.contact_key VALUES (7, sha256('x'), gen_random_uuid())")


def test_a_row_that_no_pooled_tenant_has_stops_it_whole(old: Connection) -> None:
    """Whoever put rows of a dedicated tenant there by hand hears of it; nothing is changed."""
    old.execute(ROWS.split(";\n")[0].encode(), {"tenant": 1 << 40})
    old.execute(ROWS.split(";\n")[1].encode(), {"tenant": 1 << 40})
    old.execute("INSERT INTO crm.role VALUES (%s, 'reader', '{}')", (1 << 40,))
    before = told(old, FACTS, list(TABLES))
    with pytest.raises(psycopg.errors.CheckViolation):
        schema.migrate(old, SystemClock())
    assert told(old, FACTS, list(TABLES)) == before
