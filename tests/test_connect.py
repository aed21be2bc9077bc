"""The way in: profile, server, login with rights, the right schema, row security; else a clear reason."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from conftest import Connection, Home, TestServer, isolated, new_login, run_program

from luactl import embedded, schema
from luactl.config import check_dsn, save_profile, write_private
from luactl.connect import admit, clock_of, dial, explain, open_session
from luactl.db import Session, transaction
from luactl.errors import BusyError, Exit, LuactlError, NoConnectionError, RefusedError


def with_dsn(home: Home, server: TestServer, **changes: str) -> None:
    """Point the home's profile elsewhere; options that are not named stay."""
    dsn = psycopg.conninfo.make_conninfo(home.profile.dsn, **changes)
    save_profile(home.paths, replace(home.profile, dsn=dsn))


def refusal(command: str = "test") -> LuactlError:
    with pytest.raises(LuactlError) as caught, open_session(command=command):
        pytest.fail("it opened")
    assert caught.value.hint
    return caught.value


def test_a_session_knows_who_it_is(bare_home: Home) -> None:
    login = check_dsn(bare_home.profile.dsn)["user"]
    with open_session(command="tenant list") as session:
        assert session.actor == login
        assert session.profile == bare_home.profile
        assert session.conn.autocommit
        assert session.conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        name = session.conn.execute("SHOW application_name").fetchone()
        assert name == ("luactl tenant list",)
        setting = session.conn.execute("SELECT current_setting('lua.tenant_id', true)").fetchone()
        assert setting in ((None,), ("",))
    assert session.conn.closed


def test_getting_in_asks_the_server_once(bare_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    execute = psycopg.Connection.execute

    def counted(self: Connection, query: object, *rest: object, **more: object) -> object:
        asked.append(query)
        return execute(self, query, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(psycopg.Connection, "execute", counted)
    with open_session(command="test"):
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("changes", "told", "hint"),
    [
        ({"host": "no-such-host.invalid", "hostaddr": ""}, "name is unknown", "host"),
        ({"dbname": "no_such_database"}, "the database does not exist", "database"),
        ({"user": "no_such_person"}, "cannot connect", ""),
        ({"hostaddr": "not-an-address"}, "address is malformed", "hostaddr"),
    ],
)
def test_a_wrong_dsn_is_no_connection(
    bare_home: Home, server: TestServer, changes: dict[str, str], told: str, hint: str
) -> None:
    with_dsn(bare_home, server, **changes)
    error = refusal()
    assert (error.exit, type(error)) == (Exit.NO_CONNECTION, NoConnectionError)
    assert told in error.what
    assert hint in str(error.hint)


def test_nobody_at_that_port(bare_home: Home, server: TestServer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with_dsn(bare_home, server, port=str(unused.getsockname()[1]))
        error = refusal()
    assert "nothing answers there" in error.what
    assert error.exit == Exit.NO_CONNECTION


def test_a_server_that_is_none_hangs_up(bare_home: Home, server: TestServer) -> None:
    with socket.socket() as fake:
        fake.bind(("127.0.0.1", 0))
        fake.listen()
        with_dsn(bare_home, server, port=str(fake.getsockname()[1]))
        threading.Thread(target=lambda: fake.accept()[0].close()).start()
        assert refusal().exit == Exit.NO_CONNECTION


def test_a_wrong_password_is_told_and_not_repeated(bare_home: Home, server: TestServer) -> None:
    passfile = bare_home.paths.passfile("test")
    write_private(passfile, passfile.read_text().rpartition(":")[0] + ":hunter2-of-agata\n")
    error = refusal()
    assert "wrong user or password" in error.what
    assert error.exit == Exit.NO_CONNECTION
    assert "hunter2" not in f"{error.what}{error.hint}{error.__cause__}"


def test_no_stored_password_is_told(bare_home: Home) -> None:
    write_private(bare_home.paths.passfile("test"), "")
    error = refusal()
    assert "none is stored" in error.what
    assert "PGPASSFILE" in str(error.hint)


def test_a_certificate_that_is_not_the_servers(bare_home: Home, server: TestServer) -> None:
    if not server.server.tls:
        pytest.skip("this Postgres was built without TLS")
    with_dsn(bare_home, server, sslrootcert="/nonexistent.crt")
    assert "sslrootcert" in refusal().what
    with_dsn(bare_home, server, host="127.0.0.2", hostaddr="127.0.0.1")
    assert "names another host" in refusal().what


def test_a_login_without_rights_is_refused(bare_home: Home, server: TestServer) -> None:
    with_dsn(bare_home, server, user=new_login(server, bare_home.paths.passfile("test"), []))
    # Without CONNECT the server does not even let it in.
    assert refusal().exit == Exit.NO_CONNECTION
    with closing(server.admin()) as conn:
        name = check_dsn(bare_home.profile.dsn)["dbname"]
        conn.execute(
            psycopg.sql.SQL("GRANT CONNECT ON DATABASE {} TO PUBLIC").format(psycopg.sql.Identifier(name))
        )
    error = refusal()
    assert (error.exit, "has no rights" in error.what) == (Exit.REFUSED, True)


@pytest.mark.parametrize("attribute", ["SUPERUSER", "BYPASSRLS"])
def test_where_row_security_does_not_bind_nothing_opens(
    bare_home: Home, admin: Connection, attribute: str
) -> None:
    login = check_dsn(bare_home.profile.dsn)["user"]
    admin.execute(psycopg.sql.SQL(f"ALTER ROLE {{}} {attribute}").format(psycopg.sql.Identifier(login)))
    error = refusal()
    assert (error.exit, "row level security" in error.what) == (Exit.REFUSED, True)


def test_where_the_policy_is_gone_nothing_opens(bare_home: Home, admin: Connection) -> None:
    admin.execute("ALTER TABLE lua.sentinel DISABLE ROW LEVEL SECURITY")
    assert "row level security" in refusal().what


def test_a_schema_of_another_version_is_refused(bare_home: Home, admin: Connection) -> None:
    newest = schema.newest_version()
    admin.execute("INSERT INTO lua.migration VALUES (%s, 'later', 'x', now())", (newest + 1,))
    assert refusal().hint == "upgrade luactl"
    admin.execute("DELETE FROM lua.migration WHERE version >= %s", (newest,))
    assert "luactl init" in str(refusal().hint)


def test_a_database_without_our_schema_is_refused(bare_home: Home, server: TestServer) -> None:
    with_dsn(bare_home, server, dbname="postgres")
    error = refusal()
    assert (error.exit, "no luactl schema" in error.what) == (Exit.REFUSED, True)


def test_the_clock_is_the_profiles(bare_home: Home) -> None:
    moved = replace(bare_home.profile, embedded=True, throwaway=True, clock_shift=timedelta(days=3650))
    assert clock_of(moved).now() - datetime.now(UTC) > timedelta(days=3649)
    assert abs(clock_of(bare_home.profile).now() - datetime.now(UTC)) < timedelta(minutes=1)


def error_of(session: Session, statement: str) -> LuactlError:
    with pytest.raises(psycopg.Error) as caught, transaction(session, lock_timeout="20ms") as conn:
        conn.execute(statement.encode())
    told = explain(caught.value)
    assert told.__cause__ is caught.value
    assert told.hint
    return told


@pytest.fixture
def opened(bare_home: Home) -> Session:
    """A Session which the test may ruin."""
    profile = bare_home.profile
    conn = dial(profile.dsn, passfile=profile.passfile, profile=profile.name, command="test")
    return Session(conn, admit(conn), clock_of(profile), profile, "test")


def test_errors_in_mid_command_have_the_right_exit(
    opened: Session, server: TestServer, database: str
) -> None:
    with closing(opened.conn), closing(server.admin(database)) as other:
        assert type(error_of(opened, "SELECT * FROM pg_authid")) is RefusedError
        assert type(error_of(opened, "SET LOCAL statement_timeout = 1; SELECT pg_sleep(9)")) is BusyError
        with other.transaction():
            other.execute("LOCK TABLE lua.tenant")
            assert type(error_of(opened, "SELECT * FROM lua.tenant")) is BusyError
        told = error_of(opened, "SELECT 1/0")
        assert (told.exit, told.what) == (Exit.FAILED, "the database refused: division by zero")
        other.execute("SELECT pg_terminate_backend(%s)", (opened.conn.info.backend_pid,))
        assert type(error_of(opened, "SELECT 1")) is NoConnectionError


def test_a_full_disk_is_told() -> None:
    told = explain(psycopg.errors.DiskFull("could not extend file"))
    assert (told.exit, "disk is full" in told.what) == (Exit.FAILED, True)


def test_a_fault_of_ours_is_not_put_on_the_database(opened: Session) -> None:
    with closing(opened.conn), pytest.raises(psycopg.ProgrammingError) as caught:
        opened.conn.execute("SELECT %(a)s, '%'", {"a": 1})
    assert "fault in luactl" in str(explain(caught.value).hint)


def test_connecting_loads_nothing_that_it_does_not_use() -> None:
    program = "import sys, luactl.connect; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    ).stdout.split()
    assert not {"cryptography", "aiosql", "tomlkit", "typer", "tabulate", "textual"} & set(loaded)


def test_the_program_says_it_too(bare_home: Home, server: TestServer) -> None:
    with_dsn(bare_home, server, dbname="no_such_database")
    done = run_program(bare_home.environ, "tenant", "list")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: cannot connect with profile 'test': the database does not exist")
    assert "\nhint: " in done.stderr


def test_a_command_without_a_profile_makes_nothing(tmp_path: Path) -> None:
    done = run_program(isolated(tmp_path / "home"), "tenant", "list")
    assert (done.returncode, done.stdout) == (3, "")
    assert "luactl init" in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_command_brings_a_killed_server_back(running_home: Home) -> None:
    run_program(running_home.environ, "embedded", "start")
    server = embedded.Server(running_home.paths.server("local"), embedded.bundled_binaries())
    pid = embedded.status(server).pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    # At once: the dying server may still look alive.
    done = run_program(running_home.environ, "-o", "json", "tenant", "list")
    assert done.returncode == 0, done.stderr
    assert embedded.status(server).pid != pid
