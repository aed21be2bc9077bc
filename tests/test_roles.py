"""Each role logs in and tries every table, column, sequence and function, as docs/reference/roles.md says.

`LUACTL_WRITE_GOLDEN=1 pytest tests/test_roles.py` writes the table anew after a change of the schema.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from conftest import Connection, TestServer, new_login
from support_roles import ROLES, Right, allowed, gather, observe, read_doc, write_doc


@contextmanager
def login_as(server: TestServer, database: str, folder: Path, *roles: str) -> Iterator[Connection]:
    """Log in over the network as a new person with these group roles."""
    passfile = folder / "passfile"
    dsn = server.dsn(database, new_login(server, passfile, roles), passfile)
    with closing(psycopg.connect(dsn, autocommit=True)) as conn:
        yield conn


def test_each_role_may_do_what_the_table_says(
    server: TestServer, database: str, admin: Connection, tmp_path: Path
) -> None:
    observed = {}
    for role in ROLES:
        with login_as(server, database, tmp_path, f"lua_{role}") as conn:
            observed[role] = list(observe(admin, conn))
    found = gather(observed)
    if os.environ.get("LUACTL_WRITE_GOLDEN"):
        write_doc(found)
    documented = read_doc()
    assert [r for r in found if r not in documented] == []
    assert [r for r in documented if r not in found] == []


def test_who_has_no_role_does_not_even_get_in(server: TestServer, database: str, tmp_path: Path) -> None:
    with (
        pytest.raises(psycopg.OperationalError, match="permission denied for database"),
        login_as(server, database, tmp_path),
    ):
        pass


@pytest.mark.parametrize("role", ["lua_owner", "lua_definer", "lua_rolekeeper"])
def test_nobody_becomes_owner_definer_or_role_keeper(
    server: TestServer, database: str, tmp_path: Path, role: str
) -> None:
    groups = [f"lua_{name}" for name in ROLES]
    with login_as(server, database, tmp_path, *groups) as conn:
        for attempt in (f"SET ROLE {role}", f"GRANT {role} TO CURRENT_USER", f"ALTER ROLE {role} LOGIN"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(attempt)
    # Even with a password an owner that may not log in does not get in.
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.admin_dsn(database), user=role)


def test_nobody_makes_objects_or_roles(server: TestServer, database: str, tmp_path: Path) -> None:
    groups = [f"lua_{name}" for name in ROLES]
    attempts = [
        *(f"CREATE TABLE {schema}.x (i int)" for schema in ("lua", "crm", "ledger", "vault", "public")),
        "CREATE TEMP TABLE contact (i int)",
        "CREATE SCHEMA x",
        "CREATE ROLE x",
        "ALTER TABLE crm.contact NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON crm.contact",
        "SET session_authorization = 'postgres'",
        "SET session_replication_role = replica",
        "COPY crm.contact TO PROGRAM 'true'",
        "UPDATE lua.deployment SET throwaway = true",
        "ALTER DEFAULT PRIVILEGES FOR ROLE lua_owner GRANT SELECT ON TABLES TO PUBLIC",
    ]
    with login_as(server, database, tmp_path, *groups) as conn:
        for attempt in attempts:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(attempt)


def test_a_trial_tells_a_missing_right_from_a_refused_row(
    server: TestServer, database: str, admin: Connection, tmp_path: Path
) -> None:
    """What the matrix stands on: denied, allowed, and allowed but for row security are told apart."""
    with login_as(server, database, tmp_path, "lua_admin") as conn:
        assert not allowed(conn, "DELETE FROM lua.tenant WHERE false")
        assert allowed(conn, "SELECT slug FROM lua.tenant")
        assert allowed(conn, "INSERT INTO crm.role VALUES (1, 'x', '{}')")
        admin.execute("REVOKE SELECT ON lua.tenant FROM lua_admin")
        assert not allowed(conn, "SELECT slug FROM lua.tenant")


def test_the_page_is_parsed_as_it_is_written(tmp_path: Path) -> None:
    right = Right("crm.contact", "SELECT", "all", "operator, dpo, app")
    assert right in read_doc()
