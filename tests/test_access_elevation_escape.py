"""Out of an elevation: past its tenant, past its role, past its end. Everything is tried, nothing comes back.

The end is a part of the login's name, which nobody can change but a superuser: who renames the login moves
its end, so that most of this need not wait. Two tests wait for the clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Connection, Home
from psycopg import sql
from support_approval import approver
from support_elevation import ORDER, Cast, add_person, approved, entered, in_tenant, value
from test_isolation import fill

from luactl.access import elevation
from luactl.connect import admit
from luactl.db import Session
from luactl.errors import RefusedError

MINE, OTHER = 7, 8
OTHERS = ("lua_responder", "lua_auditor", "lua_accounting")
ROLES = ("lua_operator", *(pytest.param(role, marks=pytest.mark.long) for role in OTHERS))
GUARDED = (
    "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity"
    " AND NOT c.relispartition AND c.relnamespace::regnamespace::text IN ('lua', 'crm', 'ledger', 'vault')"
    " AND has_any_column_privilege(c.oid, 'SELECT') ORDER BY 1"
)
COLUMNS = (
    "SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0"
    " AND NOT a.attisdropped AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')"
)
FUNCTIONS = (
    "SELECT p.pronamespace::regnamespace || '.' || p.proname,"
    " ARRAY(SELECT t::regtype::text FROM unnest(p.proargtypes) AS t), coalesce(p.proargnames, '{}')"
    " FROM pg_proc p WHERE p.pronamespace::regnamespace::text IN ('lua', 'crm', 'ledger', 'vault')"
    " AND p.prosecdef AND has_function_privilege(p.oid, 'EXECUTE') AND p.prosrc !~ 'lua.require_elevation'"
    " AND p.proname <> 'require_elevation' AND ('p_tenant' = ANY (p.proargnames) OR p.prosrc ~"
    " 'lua.(elevated_tenant|reachable_tenant|tenant_directory)' OR EXISTS (SELECT FROM pg_attribute a"
    " WHERE a.attname = 'tenant_id' AND p.prosrc ~ replace(a.attrelid::regclass::text, '.', '\\.')"
    " AND a.attrelid <> 'ledger.entry'::regclass)) ORDER BY 1"
)
"""Definer functions about tenants that a login may call."""
FILL_UP = """
    INSERT INTO crm.interaction (tenant_id, interaction_id, subject_id, kind, occurred_at, retention_period,
                                 personal, entry_id, created_at)
    SELECT %s, gen_random_uuid(), md5(%s::text)::uuid, 'call', now(), 202401,
           '\\x01', gen_random_uuid(), now()
    FROM generate_series(1, 1000)"""
NOTHING = ("[]", "[(None,)]", "[(0,)]", "[(False,)]")
Denied = psycopg.errors.InsufficientPrivilege


@dataclass(frozen=True)
class Inside:
    """Somebody who is elevated on one of two tenants that have a row or more in every table."""

    conn: Connection
    who: Cast
    login: str


@pytest.fixture
def who(
    session: Session,
    login: Callable[..., Session],
    admin: Connection,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Cast:
    for tenant in (MINE, OTHER):
        fill(admin, tenant)
    audits = "lua_auditor" in request.node.name  # which goes with no other role
    mara = login("lua_auditor" if audits else "lua_accounting")
    person = add_person(session, "mara.holt", mara.actor)
    somebody = approver(session, login, tmp_path, "lua_dpo")
    return Cast(mara, person, somebody, {"mine": MINE, "other": OTHER})


@pytest.fixture
def enter(who: Cast, home: Home) -> Iterator[Callable[[str], Inside]]:
    conns: list[Any] = []

    def open_as(role: str) -> Inside:
        begun = approved(who, replace(ORDER, role=role, tenant=f"tenant-{MINE}"))
        manager = entered(home)
        conns.append(manager)
        return Inside(manager.__enter__(), who, str(begun.login))

    yield open_as
    for manager in conns:
        manager.__exit__(None, None, None)


def let_end(admin: Connection, login: str) -> str:
    """Let the time of a login be over, as a superuser who renames it; returns its name."""
    start, _until, rest = login.rsplit("_", 2)
    over = f"{start}_1000000000_{rest}"
    admin.execute(sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(login), sql.Identifier(over)))
    return over


def rows_of(conn: Connection, table: str) -> str:
    """Return the query of all rows of a table, in the columns that this login may read."""
    columns = ", ".join(row[0] for row in conn.execute(COLUMNS.encode(), (table,)))
    return f"SELECT {columns} FROM {table}"


def calls(conn: Connection, tenant: int) -> list[tuple[str, str]]:
    """Return every definer function that this login may call, with a call about a tenant."""
    found = []
    for name, types, names in conn.execute(FUNCTIONS).fetchall():
        said = [
            f"{tenant}" if n == "p_tenant" else f"NULL::{t}"
            for t, n in zip(types, names + [""] * len(types), strict=False)
        ]
        found.append((name, f"SELECT * FROM {name}({', '.join(said)})"))
    return found


def attempt(conn: Connection, call: str) -> str:
    """Return what a call answers, or why it does not."""
    try:
        with conn.transaction():
            return str(conn.execute(call.encode()).fetchall())
    except psycopg.Error as error:
        return str(error).splitlines()[0]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_on_one_tenant_and_then_nothing(
    role: str, enter: Callable[[str], Inside], admin: Connection
) -> None:
    inside = enter(role)
    conn = inside.conn
    tables = [row[0] for row in conn.execute(GUARDED)]
    own = {table: in_tenant(conn, MINE, rows_of(conn, table)) for table in tables}
    assert [table for table in ("lua.tenant", "vault.slot") if not own[table]] == []
    house = {"ledger.entry", "lua.log_note", "lua.log_query", "lua.log_purge", "lua.log_line"}
    for table in set(tables) - house:
        assert in_tenant(conn, OTHER, rows_of(conn, table)) == [], table
    for table in house & {"ledger.entry", "lua.log_line"}:
        seen = in_tenant(conn, OTHER, f"SELECT DISTINCT tenant_id FROM {table} WHERE actor <> session_user")
        assert {row[0] for row in seen} <= {MINE}, table
    assert [row[0] for row in conn.execute("SELECT tenant_id FROM lua.tenants()")] == [MINE]
    other = {name: attempt(conn, call) for name, call in calls(conn, OTHER) if f"({OTHER}" in call}
    assert {name: said for name, said in other.items() if "is not for" not in said} == {}
    let_end(admin, inside.login)
    for table in tables:
        assert in_tenant(conn, MINE, rows_of(conn, table)) == [], table
    told = {name: attempt(conn, call) for name, call in calls(conn, MINE)}
    assert {name: said for name, said in told.items() if "is over" not in said and said not in NOTHING} == {}


def test_of_the_keys_of_all_tenants_it_sees_the_counts_that_save_them_and_no_claims(
    enter: Callable[[str], Inside], session: Session
) -> None:
    """Cut to one tenant, a rotation would renew keys of others that are in use, and books would lack them."""
    conn = enter("lua_operator").conn
    assert "this is about all tenants" in attempt(conn, "SELECT * FROM vault.claimed()")
    assert {row[0] for row in session.conn.execute("SELECT tenant_id FROM vault.claimed()")} == {MINE, OTHER}
    for call in ("numbers()", "counters()", "tombstones(0)"):
        query = f"SELECT * FROM vault.{call} ORDER BY 1, 2"
        whole = session.conn.execute(query.encode()).fetchall()
        assert conn.execute(query.encode()).fetchall() == whole, call
        assert {row[0] for row in whole} >= {MINE, OTHER}, call


def test_the_clock_ends_it_in_the_middle_of_a_transaction(
    who: Cast, home: Home, admin: Connection, session: Session
) -> None:
    """Nobody renames, sweeps or ends anything here: the database does it, at the second that was said."""
    begun = approved(who, replace(ORDER, tenant=f"tenant-{MINE}"), moved=True)
    admin.execute(FILL_UP, (MINE, MINE))
    ask = "SELECT count(*) FROM crm.interaction"
    with entered(home) as conn, entered(home) as other, conn.transaction():
        conn.execute(f"SET LOCAL lua.tenant_id = {MINE}".encode())
        conn.execute("PREPARE again AS SELECT count(*) FROM crm.interaction")
        conn.execute("DECLARE reading CURSOR FOR SELECT interaction_id FROM crm.interaction")
        seen = [
            value(conn, ask),
            value(conn, "EXECUTE again"),
            len(conn.execute("FETCH 10 FROM reading").fetchall()),
        ]
        assert value(admin, "SELECT clock_timestamp() < ends_at FROM lua.elevation"), (
            "the machine was too slow"
        )
        assert seen == [1001, 1001, 10]
        admin.execute("SELECT pg_sleep_until((SELECT ends_at FROM lua.elevation))")
        seen = [
            value(conn, ask),
            value(conn, "EXECUTE again"),
            len(conn.execute("FETCH ALL FROM reading").fetchall()),
        ]
        assert seen == [0, 0, 0]
        assert attempt(conn, f"INSERT INTO crm.role VALUES ({MINE}, 'owner', '{{all}}')") != "[]"
        assert "is over" in attempt(conn, f"SELECT crm.billed({MINE}, '{{}}')")
        assert in_tenant(other, MINE, ask) == [(0,)]
    with pytest.raises(RefusedError, match="the elevation is over"), entered(home):
        pass
    # Were it let in by a certificate, which knows no end, it would still see nothing.
    admin.execute(sql.SQL("ALTER ROLE {} VALID UNTIL 'infinity'").format(sql.Identifier(str(begun.login))))
    with entered(home) as conn:
        assert in_tenant(conn, MINE, ask) == [(0,)]
        with pytest.raises(RefusedError, match="the elevation is over"):
            admit(conn)
    assert [one.state for one in elevation.list_(session)] == ["over"]


def test_a_row_that_a_statement_comes_to_after_the_end_is_not_shown(
    who: Cast, home: Home, admin: Connection
) -> None:
    approved(who, replace(ORDER, tenant=f"tenant-{MINE}"), moved=True)
    admin.execute(FILL_UP, (MINE, MINE))
    with entered(home) as conn:
        slow = "SELECT count(*) FILTER (WHERE pg_sleep(0.01) IS NOT NULL) FROM crm.interaction"
        assert 0 < in_tenant(conn, MINE, slow)[0][0] < 1001


@pytest.mark.parametrize("over", [False, True])
def test_no_other_role_leads_out(over: bool, enter: Callable[[str], Inside], admin: Connection) -> None:
    inside = enter("lua_operator")
    conn, ask = inside.conn, "SELECT count(*) FROM lua.tenant"
    login = let_end(admin, inside.login) if over else inside.login
    assert in_tenant(conn, MINE, ask) == [(0 if over else 1,)]
    if conn.info.server_version >= 160000:
        assert "permission denied" in attempt(conn, "SET ROLE lua_operator")
    else:  # any member may, and sees nothing
        conn.execute("SET ROLE lua_operator")
        assert in_tenant(conn, MINE, ask) == [(0,)]
        conn.execute("RESET ROLE; PREPARE asked AS " + ask)
        assert in_tenant(conn, MINE, "EXECUTE asked") == [(0 if over else 1,)]
        conn.execute("SET ROLE lua_operator")  # whose plan is another one
        assert in_tenant(conn, MINE, "EXECUTE asked") == [(0,)]
        assert attempt(conn, f"INSERT INTO crm.role VALUES ({MINE}, 'owner', '{{all}}')") != "[]"
        assert ("is over" in attempt(conn, f"SELECT crm.billed({MINE}, '{{}}')")) == over
        conn.execute("RESET ROLE")
    for statement in (
        "SET ROLE lua_definer",
        "SET ROLE lua_rolekeeper",
        "SET SESSION AUTHORIZATION lua_operator",
        f"SET SESSION AUTHORIZATION {inside.who.mara.actor}",
        f"ALTER ROLE {login} RENAME TO lua_e7_9999999999_00000000000000",
        f"ALTER ROLE {login} VALID UNTIL 'infinity'",
        f"GRANT lua_dpo TO {login}",
        f"GRANT lua_operator TO {inside.who.mara.actor}",
        f"GRANT lua_operator TO {login} WITH ADMIN OPTION",
        "CREATE ROLE lua_e7_9999999999_00000000000000 LOGIN",
        "ALTER TABLE lua.tenant DISABLE ROW LEVEL SECURITY",
        "DROP POLICY elevated ON lua.tenant",
        "SELECT lua.end_sessions_of('postgres')",
        "UPDATE lua.elevation SET ends_at = 'infinity'",
    ):
        said = attempt(conn, statement)
        assert re.search("permission denied|must be|must have|cannot be renamed", said), (statement, said)
    assert in_tenant(conn, MINE, ask) == [(0 if over else 1,)]


def test_it_does_not_elevate_or_approve(enter: Callable[[str], Inside], home: Home) -> None:
    inside = enter("lua_operator")
    mine = replace(inside.who.mara, conn=inside.conn, actor=inside.login)
    with pytest.raises(RefusedError, match="no person in force"):
        elevation.elevate(mine, replace(ORDER, tenant=f"tenant-{OTHER}", role="lua_auditor"))
