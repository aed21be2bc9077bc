"""`luactl db`: what it says of a database, who may migrate it, and how others reach it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from conftest import Connection, Home, TestServer, run_program
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from support_wait import drop_database

from luactl import database, embedded, schema
from luactl.clock import SystemClock
from luactl.config import check_dsn, find_paths, save_profile, write_private
from luactl.db import Session
from luactl.errors import BusyError, RefusedError, UsageError


@pytest.fixture
def empty(server: TestServer) -> Iterator[str]:
    """A database without any schema of ours."""
    name = f"e_{secrets.token_hex(6)}"
    with closing(server.admin()) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield name
        drop_database(conn, name)


def entries(conn: Connection) -> list[list[str]]:
    found = conn.execute("SELECT body FROM ledger.entry WHERE action = 'db.migrate' ORDER BY id").fetchall()
    return [json.loads(body)["detail"]["migrations"] for (body,) in found]


def test_each_migration_is_in_the_ledger_with_its_transaction(
    empty: str, server: TestServer, bare_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(one) for one in schema.migrations()]
    with closing(server.admin(empty)) as conn:
        session = Session(conn, "postgres", SystemClock(), bare_home.profile, "db migrate")
        assert database.migrate(session, dry_run=True).migrations == tuple(names)
        assert conn.execute("SELECT to_regclass('lua.migration')").fetchone() == (None,)
        assert database.migrate(session).migrations == tuple(names)
        assert [name for told in entries(conn) for name in told] == names
        assert len(entries(conn)[0]) > 1
        assert database.migrate(session).migrations == ()
        newer = (*schema.migrations(), schema.Migration(len(names) + 1, "fails", "SELECT 1/0"))
        monkeypatch.setattr(schema, "migrations", lambda: newer)
        before = entries(conn)
        with pytest.raises(psycopg.errors.DivisionByZero):
            database.migrate(session)
        assert entries(conn) == before
        newer = (*newer[:-1], replace(newer[-1], text="CREATE TABLE lua.later (id bigint PRIMARY KEY)"))
        assert database.migrate(session).migrations == (f"{len(names) + 1:04}_fails",)
        assert entries(conn) == [*before, [f"{len(names) + 1:04}_fails"]]


def test_two_migrations_do_not_meet(empty: str, server: TestServer) -> None:
    with closing(server.admin(empty)) as one, closing(server.admin(empty)) as other:
        one.execute("SELECT pg_advisory_lock(%s)", [schema.LOCK_KEY])
        with pytest.raises(BusyError):
            schema.migrate(other, SystemClock(), lock_timeout="20ms")


def test_an_everyday_login_may_not_migrate(bare_home: Home) -> None:
    done = run_program(bare_home.environ, "db", "migrate", "--yes")
    assert (done.returncode, "sql-roles" in done.stderr) == (5, True)


def test_another_databases_dsn_is_refused(bare_home: Home, server: TestServer) -> None:
    done = run_program(bare_home.environ, "db", "migrate", "--yes", "--dsn", server.admin_dsn("postgres"))
    assert (done.returncode, "does not name the database" in done.stderr) == (5, True)
    done = run_program(
        bare_home.environ,
        "db",
        "migrate",
        "--yes",
        "--dsn",
        server.admin_dsn(str(check_dsn(bare_home.profile.dsn)["dbname"])),
    )
    assert (done.returncode, done.stderr) == (0, "the schema was current already\n")


def test_the_embedded_superuser_migrates(running_home: Home) -> None:
    done = run_program(running_home.environ, "db", "migrate", "--dry-run", "-o", "json")
    assert json.loads(done.stdout)["data"]["migrations"] == []
    assert json.loads(done.stdout)["data"]["login"] == embedded.SUPERUSER


@pytest.mark.parametrize(
    ("change", "state", "code"),
    [
        ("SELECT 1", "current", 0),
        ("DELETE FROM lua.migration WHERE version = (SELECT max(version) FROM lua.migration)", "older", 6),
        ("INSERT INTO lua.migration VALUES (9999, 'x', 'x', now())", "newer", 6),
        ("DROP SCHEMA lua CASCADE", "empty", 6),
        ("REVOKE ALL ON lua.migration FROM lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo,"
         " lua_accounting", "hidden", 6),
    ],
)  # fmt: skip
def test_status_tells_any_schema(
    bare_home: Home, admin: Connection, change: str, state: str, code: int
) -> None:
    admin.execute(change.encode())
    done = run_program(bare_home.environ, "db", "status", "-o", "json")
    data = json.loads(done.stdout)["data"]
    assert (done.returncode, data["state"]) == (code, state)
    assert data["size"] > 1_000_000
    assert data.keys() == {
        "profile", "production", "server", "database", "login", "server_version", "standby", "tls",
        "schema_version", "needed_version", "state", "size",
    }  # fmt: skip


HOSTS = ["db", "db.example,other.example", "/run/postgresql", "::1", "@abstract"]
OTHERS = ["user", "dbname", "sslmode", "sslrootcert", "application_name", "passfile"]


@given(
    st.dictionaries(
        st.sampled_from(OTHERS), st.text(st.characters(min_codepoint=33, max_codepoint=767), min_size=1)
    ),
    st.sampled_from(HOSTS),
    st.booleans(),
)
def test_a_url_means_what_the_options_mean(options: dict[str, str], host: str, port: bool) -> None:
    options |= {"host": host} | ({"port": "5433"} if port else {})
    assert conninfo_to_dict(database.url(options)) == options


def test_url_and_psql_reach_the_database_without_a_secret(bare_home: Home) -> None:
    secret = bare_home.paths.passfile("test").read_text().rpartition(":")[2].strip()
    told = run_program(bare_home.environ, "db", "url")
    with psycopg.connect(told.stdout.strip()) as conn:
        row = conn.execute("SELECT session_user::text, current_setting('application_name')").fetchone()
    assert row is not None
    shown = run_program(
        bare_home.environ, "db", "psql", "--", "-XAtc",
        "SELECT session_user, current_setting('application_name')",
    )  # fmt: skip
    assert shown.stdout == f"{row[0]}|luactl db psql\n", shown.stderr
    _program, command, environ = database.psql(
        bare_home.profile, database.reach(bare_home.profile), [], {"PATH": "/none"}
    )
    assert Path(command[0]) == embedded.bundled_binaries() / "psql"
    assert secret not in "".join([told.stdout, *command, *environ.values()])
    refused = run_program(bare_home.environ, "db", "psql", "-o", "json")
    assert refused.returncode == 2


def test_psql_says_production(bare_home: Home) -> None:
    made = replace(bare_home.profile, production=True, dsn="host=db")
    assert any("[PRODUCTION test]" in word for word in database.psql(made, {}, [], {})[1])
    save_profile(find_paths(bare_home.environ), made)
    assert run_program(bare_home.environ, "db", "psql").returncode == 5


def dump(conn: Connection) -> set[tuple[object, ...]]:
    """Return owner and rights of everything in our schemas."""
    rows = conn.execute(
        """SELECT c.oid::regclass::text, c.relowner::regrole::text, c.relacl::text[] FROM pg_class c
           WHERE c.relnamespace::regnamespace::text IN ('lua', 'crm', 'ledger', 'vault') AND c.relkind <> 'i'
           UNION ALL SELECT p.oid::regprocedure::text, p.proowner::regrole::text, p.proacl::text[]
           FROM pg_proc p WHERE p.pronamespace::regnamespace::text IN ('lua', 'crm', 'ledger', 'vault')
           UNION ALL SELECT n.nspname, n.nspowner::regrole::text, n.nspacl::text[] FROM pg_namespace n
           WHERE n.nspname IN ('lua', 'crm', 'ledger', 'vault')"""
    ).fetchall()
    return {(name, owner, tuple(sorted(acl or ()))) for name, owner, acl in rows}


def test_a_dba_prepares_and_somebody_without_rights_migrates(untouched: TestServer, tmp_path: Path) -> None:
    """The printed SQL suffices, and what is made is what a superuser would have made."""
    with closing(untouched.admin()) as conn:
        conn.execute("CREATE DATABASE lua")
        conn.execute("CREATE DATABASE other")
    with closing(untouched.admin("lua")) as conn:
        for _twice in range(2):
            conn.execute(database.role_sql("lua", "mig'r\"ator", "everyday", after=False).encode())
        conn.execute(sql.SQL("ALTER ROLE {} PASSWORD 'x'").format(sql.Identifier("mig'r\"ator")))
    passfile = tmp_path / "pass"
    write_private(passfile, "*:*:*:*:x\n")
    with closing(psycopg.connect(untouched.dsn("lua", "mig'r\"ator", passfile), autocommit=True)) as conn:
        assert schema.migrate(conn, SystemClock()) == [str(one) for one in schema.migrations()]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("CREATE ROLE mine")
    with closing(untouched.admin("lua")) as conn:
        conn.execute(database.role_sql("lua", "mig'r\"ator", "everyday", after=True).encode())
        lent = dump(conn)
        members = conn.execute(
            "SELECT count(*) FROM pg_auth_members WHERE roleid::regrole::text IN ('lua_owner', 'lua_definer')"
        ).fetchone()
        assert members == (0,)
    with closing(untouched.admin("other")) as conn:
        schema.migrate(conn, SystemClock())
        assert lent == dump(conn)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(untouched.dsn("lua", "mig'r\"ator", passfile))


def test_a_bad_name_of_a_role_is_refused(bare_home: Home) -> None:
    for name in ("", "x" * 64, "a\nb", "a\0b"):
        with pytest.raises(UsageError):
            database.role_sql("lua", name, "everyday", after=False)
    told = run_program(bare_home.environ, "db", "sql-roles", "--database", "lua", "--migrator", "m")
    assert told.stdout == database.role_sql("lua", "m", database_login(), after=False)


def database_login() -> str:
    from luactl.init.target import user_name

    return user_name()


def test_who_may_not_migrate_is_told(bare_home: Home) -> None:
    with (
        pytest.raises(RefusedError, match="may not change the schema"),
        database.migrator(bare_home.profile, None),
    ):
        pass


def test_what_ran_before_the_way_into_the_ledger_is_told_by_the_first_entry_after(
    empty: str, server: TestServer, bare_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a database of an older luactl, with entries of its own; also where the run was cut short."""
    every = schema.migrations()
    names = [str(one) for one in every]
    at = next(n for n, one in enumerate(every) if "FUNCTION ledger.append(" in one.text)
    with closing(server.admin(empty)) as conn:
        session = Session(conn, "postgres", SystemClock(), bare_home.profile, "db migrate")
        for upto in (at - 3, at - 1, len(every)):
            monkeypatch.setattr(schema, "migrations", lambda upto=upto: every[:upto])
            database.migrate(session)
        assert entries(conn) == [names[: at + 1], *([name] for name in names[at + 1 :])]
