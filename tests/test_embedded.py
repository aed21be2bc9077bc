"""The embedded server: made once, started by whoever comes first, back after any crash."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Home, binaries, run_program
from support_wait import until

from luactl import embedded
from luactl.embedded import Server, account, cluster
from luactl.embedded import server as life
from luactl.errors import BusyError, LuactlError, NoConnectionError


@pytest.fixture(scope="module")
def made() -> Iterator[Server]:
    """One embedded server with luactl's own settings, started and stopped by the tests."""
    folder = Path(tempfile.mkdtemp(prefix="luactl-embedded-"))
    server = Server(folder / "home" / "local", embedded.bundled_binaries())
    try:
        embedded.start(server, may_create=True)
        yield server
    finally:
        embedded.stop(server)
        shutil.rmtree(folder)


def ask(server: Server, question: str) -> object:
    port = embedded.start(server)
    with closing(psycopg.connect(embedded.superuser_conninfo(server, "postgres", port))) as conn:
        row = conn.execute(question.encode()).fetchone()
    return row[0] if row and len(row) == 1 else row


def pids(server: Server) -> list[int]:
    """Return the postmaster and every process that it started."""
    parent = embedded.status(server).pid
    assert parent
    children = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if f"\nPPid:\t{parent}\n" in (entry / "status").read_text():
                children.append(int(entry.name))
    assert len(children) > 3
    return [parent, *children]


def test_the_server_is_as_the_design_wants_it(made: Server) -> None:
    wanted = {
        "data_checksums": "on",
        "fsync": "on",
        "server_encoding": "UTF8",
        "password_encryption": "scram-sha-256",
        "ssl": "on",
        "ssl_min_protocol_version": "TLSv1.3",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "logging_collector": "on",
        "log_connections": "on",
        "log_disconnections": "on",
        "log_statement": "none",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
    }
    for name, value in wanted.items():
        assert ask(made, f"SELECT current_setting('{name}')") == value, name
    assert ask(made, "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "TLSv1.3"
    assert ask(
        made, "SELECT bool_and(type = 'hostssl' AND auth_method = 'scram-sha-256') FROM pg_hba_file_rules"
    )
    assert ask(made, "SELECT row(datlocprovider, datlocale)::text FROM pg_database LIMIT 1") == "(b,C.UTF-8)"


def test_without_tls_or_password_nobody_comes_in(made: Server) -> None:
    dsn = embedded.superuser_conninfo(made, "postgres", embedded.start(made))
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(dsn, sslmode="disable", channel_binding="prefer")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(dsn, passfile="/nonexistent")


def test_a_client_that_trusts_another_certificate_does_not_connect(made: Server, tmp_path: Path) -> None:
    other, _key = cluster._make_certificate()
    (tmp_path / "other.crt").write_text(other)
    dsn = embedded.superuser_conninfo(made, "postgres", embedded.start(made))
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(dsn, sslrootcert=str(tmp_path / "other.crt"))


def test_what_a_statement_holds_stays_out_of_the_log(made: Server) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        ask(
            made, "CREATE TEMP TABLE t (a text UNIQUE); INSERT INTO t VALUES ('Agata Nowak'), ('Agata Nowak')"
        )
    until(lambda: any("duplicate key" in line for line in embedded.log_lines(made, 50)))
    assert not any("Agata" in line for line in embedded.log_lines(made, 10_000))


def test_no_secret_lies_open(made: Server) -> None:
    for file in (made.superuser_passfile, made.data / "server.key", made.data / "pg_hba.conf"):
        assert file.stat().st_mode & 0o077 == 0, file
    password = made.superuser_passfile.read_text().strip().rpartition(":")[2]
    assert len(password) > 30
    assert not any(password in file.read_text(errors="replace") for file in made.data.glob("*.conf"))


def test_start_is_idempotent_and_stop_too(made: Server) -> None:
    port = embedded.start(made)
    assert embedded.start(made) == port == embedded.status(made).port
    assert embedded.stop(made)
    assert not embedded.stop(made)
    assert not embedded.status(made).running
    assert embedded.running_port(made) is None


def test_two_starts_at_once_make_one_server(made: Server) -> None:
    embedded.stop(made)
    program = (
        "import sys; from pathlib import Path; from luactl import embedded;"
        "print(embedded.start(embedded.Server(Path(sys.argv[1]), embedded.bundled_binaries())))"
    )
    command = [sys.executable, "-c", program, str(made.base)]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    ports = {starter.communicate(timeout=60)[0].strip() for starter in starters}
    assert all(starter.returncode == 0 for starter in starters)
    assert ports == {str(embedded.status(made).port)}


@pytest.mark.parametrize("what", ["postmaster", "everything"])
def test_a_killed_server_is_recovered_with_what_was_committed(made: Server, what: str) -> None:
    table = f"kept_{what}"
    port = embedded.start(made)
    with closing(
        psycopg.connect(embedded.superuser_conninfo(made, "postgres", port), autocommit=True)
    ) as conn:
        conn.execute(f"CREATE TABLE {table} AS SELECT generate_series(1, 1000)")
        victims = pids(made)
        for pid in victims if what == "everything" else victims[:1]:
            os.kill(pid, signal.SIGKILL)
        until(lambda: embedded.running_port(made) is None)
        # `conn` is open all the while: a backend may still hold the dead server's memory.
        assert ask(made, f"TABLE {table} OFFSET 999") == 1000
    assert embedded.status(made).pid not in victims


def test_a_pid_file_that_names_a_stranger_is_not_believed(made: Server) -> None:
    embedded.stop(made)
    lines = [str(os.getpid()), "/x", "1", "5432", "", "127.0.0.1", "", "ready   "]
    (made.data / "postmaster.pid").write_text("\n".join(lines) + "\n")
    assert embedded.running_port(made) is None
    assert ask(made, "SELECT 1") == 1


def test_settings_are_put_right_at_each_start(made: Server) -> None:
    embedded.stop(made)
    (made.data / "luactl.conf").write_text("fsync = off\n")
    (made.data / "pg_hba.conf").write_text("host all all 0.0.0.0/0 trust\n")
    assert ask(made, "SELECT current_setting('fsync')") == "on"
    assert "trust" not in (made.data / "pg_hba.conf").read_text()


def test_an_old_certificate_is_renewed_and_trusted_at_once(made: Server) -> None:
    before = made.certificate.read_bytes()
    embedded.stop(made)
    long_ago = time.time() - (cluster.RENEW_AFTER_DAYS + 1) * 86400
    os.utime(made.certificate, (long_ago, long_ago))
    assert ask(made, "SELECT 1") == 1
    assert made.certificate.read_bytes() != before


def test_a_server_that_cannot_start_says_why_at_once(made: Server) -> None:
    embedded.stop(made)
    broken = Server(made.base, made.bindir, (("no_such_setting", "1"),))
    began = time.monotonic()
    with pytest.raises(NoConnectionError, match="did not start") as caught:
        embedded.start(broken)
    assert time.monotonic() - began < 20
    assert "start.log" in str(caught.value.hint)
    assert ask(made, "SELECT 1") == 1


def test_a_taken_port_is_no_obstacle(made: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.stop(made)
    with socket.socket() as taken:
        taken.bind((life.ADDRESS, 0))
        taken.listen()
        offered = [taken.getsockname()[1]]
        free = life._free_port
        monkeypatch.setattr(life, "_free_port", lambda: offered.pop() if offered else free())
        assert ask(made, "SELECT 1") == 1
    assert not offered


def test_the_last_words_of_a_server_may_come_after_its_end(
    made: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["LOG:  redirecting log output", "LOG:  redirecting log output\nFATAL:  could not bind"]
    monkeypatch.setattr(life, "_said", lambda server, pid: said.pop(0))
    assert "could not bind" in life._why(made, 1)


def test_a_server_without_a_command_line_yet_has_not_ended() -> None:
    """Between its shell and its own program a process has none; one that waits to be asked has ended."""
    with subprocess.Popen([""], executable="/bin/cat", stdin=subprocess.PIPE) as young:
        until(lambda: not Path(f"/proc/{young.pid}/cmdline").read_bytes().strip(b"\0"))
        assert not life._ended(young.pid)
        assert young.stdin is not None
        young.stdin.close()
        os.waitid(os.P_PID, young.pid, os.WEXITED | os.WNOWAIT)
        assert life._ended(young.pid)
    assert life._ended(young.pid)


def test_data_of_another_version_are_left_alone(made: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.stop(made)
    monkeypatch.setattr(life, "major_version", lambda bindir: 99)
    with pytest.raises(NoConnectionError, match="made by Postgres 17, this luactl brings Postgres 99"):
        embedded.start(made)


def test_a_held_lock_is_busy(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        embedded.locked(lock),
        pytest.raises(BusyError, match="another luactl"),
        embedded.locked(lock, seconds=0),
    ):
        pass
    with embedded.locked(lock, seconds=0):
        assert lock.stat().st_mode & 0o077 == 0


def test_only_init_makes_a_database(tmp_path: Path) -> None:
    server = Server(tmp_path / "none", embedded.bundled_binaries())
    with pytest.raises(NoConnectionError, match="no embedded database"):
        embedded.start(server)
    with pytest.raises(NoConnectionError, match="no database"):
        embedded.status(server)
    assert not embedded.stop(server)
    assert not server.base.exists()


def test_a_failed_initdb_leaves_nothing_that_a_second_try_trips_over(made: Server) -> None:
    folder = Path(tempfile.mkdtemp(prefix="luactl-embedded-"))
    folder.chmod(0o755)
    base, liar = folder / "again", folder / "bin"
    (base / "pgdata.new" / "base").mkdir(parents=True)
    (base / "pgdata.new" / "PG_VERSION").write_text("17")
    liar.mkdir()
    (liar / "postgres").write_text("#!/bin/sh\necho postgres '(PostgreSQL)' 17.1\n")
    (liar / "initdb").write_text("#!/bin/sh\necho 'initdb: error: No space left on device' >&2; exit 1\n")
    for program in liar.iterdir():
        program.chmod(0o755)
    with pytest.raises(LuactlError, match="No space left on device"):
        cluster.create(Server(base, liar), account.choose_account(base / "pgdata"), liar)
    assert not (base / "pgdata").exists()
    server = Server(base, made.bindir)
    try:
        embedded.start(server, may_create=True)
        assert ask(server, "SELECT 1") == 1
    finally:
        embedded.stop(server)
        shutil.rmtree(folder)


def test_an_unwritable_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LuactlError, match="cannot start the embedded database: Not a directory"):
        embedded.start(Server(tmp_path / "file" / "local", embedded.bundled_binaries()), may_create=True)


@pytest.mark.parametrize("version", ["15", "18"])
def test_other_versions_run_too(version: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="luactl-embedded-"))
    folder.chmod(0o755)
    server = Server(folder / "local", binaries(version), tls=version != "18")
    try:
        embedded.start(server, may_create=True)
        assert str(ask(server, "SHOW server_version")).startswith(version)
        assert embedded.status(server).version == version
    finally:
        embedded.stop(server)
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the server an account")
def test_root_lends_an_account_and_opens_no_folder_of_others() -> None:
    folder = Path(tempfile.mkdtemp(prefix="luactl-embedded-"))  # mode 0700: the account cannot pass
    server = Server(folder / "local", embedded.bundled_binaries())
    try:
        embedded.start(server, may_create=True)
        found = embedded.status(server)
        assert found.account in account.CANDIDATES
        assert found.pid
        assert Path(f"/proc/{found.pid}").stat().st_uid == pwd.getpwnam(found.account).pw_uid != 0
        assert folder.stat().st_mode & 0o777 == 0o700
        assert server.superuser_passfile.stat().st_uid == 0
        assert ask(server, "SELECT 1") == 1
    finally:
        embedded.stop(server)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["postgresql.conf", "server.crt", "PG_VERSION", "log/zz.log"])
@pytest.mark.parametrize("how", ["link", "pipe", "hard link"])
def test_what_the_servers_account_lays_is_not_followed(
    made: Server, tmp_path: Path, name: str, how: str
) -> None:
    """Root starts the server: a link in its directory must not hand its account what only root may read."""
    if how == "hard link" and os.geteuid():
        pytest.skip("only root has files of another account")
    embedded.stop(made)
    secret, place, kept = tmp_path / "secret", made.data / name, tmp_path / "kept"
    secret.write_text("17 only for root")
    if place.exists():
        shutil.move(place, kept)
    try:
        if how == "link":
            place.symlink_to(secret)
        elif how == "pipe":
            os.mkfifo(place)
        else:
            place.hardlink_to(secret)
        work = partial(embedded.log_lines, made, 5) if name == "log/zz.log" else partial(embedded.start, made)
        with pytest.raises(NoConnectionError, match=f"{name} is no plain file of the account"):
            work()
        assert not any(
            b"only for root" in file.read_bytes()
            for file in made.data.rglob("*")
            if file != place and file.is_file() and not file.is_symlink()
        )
    finally:
        place.unlink()
        if kept.exists():
            shutil.move(kept, place)
            owner = made.data.stat()
            os.chown(place, owner.st_uid, owner.st_gid)
    assert ask(made, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the server an account")
def test_binaries_out_of_the_accounts_reach_are_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = tmp_path / "root-only"
    shutil.copytree(embedded.bundled_binaries().parent, hidden / "pginstall", symlinks=True)
    hidden.chmod(0o700)
    shared = Path(tempfile.mkdtemp(prefix="luactl-shared-")) / "shared"
    shared.parent.chmod(0o755)
    monkeypatch.setattr(account, "SHARED_BINARIES", shared)
    nobody = account.Account(65534, 65534)
    heard: list[str] = []
    try:
        for _time in range(2):
            found = account.reachable_binaries(hidden / "pginstall" / "bin", nobody, heard.append)
            assert found.is_relative_to(shared)
            assert account._runs(found, nobody)
        assert len(heard) == 1
        assert str(shared) in heard[0]
        assert hidden.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(shared.parent)


def test_the_face_of_it(running_home: Home) -> None:
    def run(*arguments: str) -> dict[str, Any]:
        done = run_program(running_home.environ, "-o", "json", "embedded", *arguments)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    assert run("start")["data"]["running"]
    before = run("status")["data"]
    assert set(before) == {"running", "pid", "port", "version", "data_directory", "account"}
    assert run("start", "--dry-run")["data"] == run("stop", "--dry-run")["data"] == before
    assert not run("stop")["data"]["running"]
    assert not run("status")["data"]["running"]
    assert run("stop")["notes"] == ["it was not running"]
    lines = [row["line"] for row in run("log", "-n", "3")["data"]]
    assert len(lines) == 3
    assert "database system is shut down" in lines[-1]
    assert run("start")["data"]["running"]


def test_a_server_of_ones_own_is_not_ours_to_stop(bare_home: Home) -> None:
    for verb in ("status", "start", "stop", "log"):
        done = run_program(bare_home.environ, "embedded", verb)
        assert (done.returncode, "a server of your own" in done.stderr) == (2, True)
