"""Migrations: named, ordered, resumable, locked; never on a database of another time."""

from __future__ import annotations

import csv
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from conftest import Connection, TestServer
from psycopg import sql
from support_wait import drop_database

from luactl import schema, shipped
from luactl.clock import SystemClock
from luactl.errors import BusyError, Exit, RefusedError

MIGRATIONS = Path(__file__).parent.parent / "sql" / "migrations"
POLICIES = MIGRATIONS.parent / "shipped" / "policies.csv"


@pytest.fixture
def empty(server: TestServer) -> Iterator[Connection]:
    """The superuser's connection to a database in which nothing ever ran."""
    name = sql.Identifier("empty_schema")
    with closing(server.admin()) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(name))
    with closing(server.admin("empty_schema")) as conn:
        yield conn
    with closing(server.admin()) as conn:
        drop_database(conn, "empty_schema")


def applied(conn: Connection) -> list[int]:
    return [row[0] for row in conn.execute("SELECT version FROM lua.migration ORDER BY version")]


def names() -> list[str]:
    return [str(migration) for migration in schema.migrations()]


def test_files_are_numbered_without_a_gap_and_all_are_known() -> None:
    files = sorted(path.name for path in MIGRATIONS.iterdir())
    assert files == [f"{name}.sql" for name in names()]
    assert [int(name[:4]) for name in files] == list(range(1, len(files) + 1))
    assert schema.newest_version() == len(files)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (("0001_a.sql", "0003_c.sql"), "without a gap"),
        (("0001_a.sql", "0001_b.sql"), "without a gap"),
        (("0002_b.sql",), "without a gap"),
        (("0001_a.sql", "2_b.sql"), "no name of a migration"),
        (("0001_a.sql", "README.md"), "no name of a migration"),
    ],
)
def test_misnamed_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], told: str
) -> None:
    (tmp_path / "migrations").mkdir()
    for name in files:
        (tmp_path / "migrations" / name).write_text("SELECT 1;")
    monkeypatch.setattr(schema, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match=told):
        schema.migrations.__wrapped__()


def test_an_empty_database_gets_everything_once(empty: Connection) -> None:
    assert schema.pending(empty) == names()
    assert schema.migrate(empty, SystemClock()) == names()
    assert schema.pending(empty) == schema.migrate(empty, SystemClock()) == []
    rows = empty.execute("SELECT name, checksum, applied_at <= now() FROM lua.migration ORDER BY version")
    assert rows.fetchall() == [(m.name, m.checksum, True) for m in schema.migrations()]


def test_an_interrupted_migration_goes_on_where_it_stopped(
    empty: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = schema.migrations()
    broken = (*known[:2], replace(known[2], text=known[2].text + "SELECT 1/0;"), *known[3:])
    with monkeypatch.context() as patch:
        patch.setattr(schema, "migrations", lambda: broken)
        with pytest.raises(Exception, match="division by zero"):
            schema.migrate(empty, SystemClock())
    assert applied(empty) == [1, 2]
    left = empty.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'crm'").fetchone()
    assert left == (0,)
    assert schema.migrate(empty, SystemClock()) == names()[2:]


def test_the_role_of_one_file_does_not_leak_into_the_next(
    empty: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = schema.migrations()
    greedy = schema.Migration(len(known) + 1, "greedy", "SET ROLE lua_owner;")
    monkeypatch.setattr(schema, "migrations", lambda: (*known, greedy))
    schema.migrate(empty, SystemClock())
    assert empty.execute("SELECT current_user = session_user").fetchone() == (True,)


def test_two_at_once_run_each_file_once(server: TestServer, empty: Connection) -> None:
    ran: list[list[str]] = []

    def migrate() -> None:
        with closing(server.admin("empty_schema")) as conn:
            ran.append(schema.migrate(conn, SystemClock()))

    threads = [threading.Thread(target=migrate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(ran, key=len) == [[], [], names()]


def test_a_held_lock_is_busy(server: TestServer, empty: Connection) -> None:
    with closing(server.admin("empty_schema")) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (schema.LOCK_KEY,))
        with pytest.raises(BusyError) as caught:
            schema.migrate(empty, SystemClock(), lock_timeout="50ms")
    assert caught.value.exit == Exit.BUSY
    assert empty.execute("SHOW lock_timeout").fetchone() == ("0",)


def test_a_newer_database_is_refused(admin: Connection) -> None:
    admin.execute("INSERT INTO lua.migration VALUES (9999, 'later', 'x', now())")
    with pytest.raises(RefusedError, match="schema version 9999") as caught:
        schema.migrate(admin, SystemClock())
    assert caught.value.hint == "upgrade luactl"


def test_a_changed_file_is_refused(admin: Connection) -> None:
    admin.execute("UPDATE lua.migration SET checksum = 'another' WHERE version = 2")
    with pytest.raises(RefusedError, match="0002_lua ran here with another text"):
        schema.migrate(admin, SystemClock())


def test_everyday_commands_want_the_very_version() -> None:
    newest = schema.newest_version()
    schema.check_version(newest)
    for version, told, hint in (
        (newest + 1, f"knows versions up to {newest}", "upgrade luactl"),
        (newest - 1, f"needs version {newest}", "luactl init"),
        (None, "no luactl schema", "luactl init"),
    ):
        with pytest.raises(RefusedError, match=told) as caught:
            schema.check_version(version)
        assert hint in str(caught.value.hint)


def test_the_shipped_policies_are_those_of_a_new_database(admin: Connection) -> None:
    """What drift of row security is held against. A partition is held against its parent."""
    found = admin.execute(
        "SELECT object, policy, definition FROM lua.policies() WHERE object = model AND definition <> ''"
    ).fetchall()
    if os.environ.get("LUACTL_WRITE_GOLDEN"):
        out = StringIO()
        csv.writer(out, lineterminator="\n").writerows([("object", "policy", "definition"), *found])
        POLICIES.write_text(out.getvalue(), encoding="utf-8", newline="")
        shipped.policies.cache_clear()
    anew = "LUACTL_WRITE_GOLDEN=1 pytest tests/test_schema.py writes it anew"
    assert [(*at, definition) for at, definition in shipped.policies().items()] == found, anew


def test_a_database_remembers_what_its_migrations_gave(admin: Connection) -> None:
    rights = admin.execute("SELECT object, privilege, role, columns FROM lua.shipped_right").fetchall()
    told = {(*row[:3], None if row[3] is None else tuple(row[3])) for row in rights}
    assert told == {(one.object, one.privilege, one.role, one.columns) for one in shipped.rights()}
    policies = admin.execute("SELECT object, policy, definition FROM lua.shipped_policy").fetchall()
    assert {(row[0], row[1]): row[2] for row in policies} == shipped.policies()


def test_an_upgrade_replaces_what_an_older_luactl_gave(
    admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A right that is no longer given goes, one with other columns changes."""
    admin.execute("DELETE FROM lua.migration WHERE version = (SELECT max(version) FROM lua.migration)")
    admin.execute("INSERT INTO lua.shipped_right VALUES ('crm.contact', 'DELETE', 'lua_app', NULL)")
    admin.execute("UPDATE lua.shipped_right SET columns = '{x}' WHERE object = 'crm.contact'")
    admin.execute("INSERT INTO lua.shipped_policy VALUES ('crm.contact', 'open', 'AS PERMISSIVE')")
    admin.execute("UPDATE lua.shipped_policy SET definition = 'AS PERMISSIVE' WHERE object = 'crm.contact'")
    *known, last = schema.migrations()
    monkeypatch.setattr(schema, "migrations", lambda: (*known, replace(last, text="SELECT 1")))
    assert schema.migrate(admin, SystemClock()) == [str(last)]
    test_a_database_remembers_what_its_migrations_gave(admin)
