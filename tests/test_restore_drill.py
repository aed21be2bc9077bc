"""The drill with Postgres' own means: base backup, recovery to a point in time, a standby that lagged."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support_restore import EVERYBODY, LATER, Practice, opened

from luactl import embedded

pytestmark = pytest.mark.long
DEADLINE = 60.0


@pytest.fixture
def practice() -> Iterator[Practice]:
    folder = Path(tempfile.mkdtemp(prefix="luactl-drill-"))
    folder.chmod(0o711)  # the server's own account writes the archive, and must get there
    try:
        with opened(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)


def superuser(server: embedded.Server, port: int) -> psycopg.Connection:
    conn: psycopg.Connection = psycopg.connect(
        embedded.superuser_conninfo(server, "luactl", port), autocommit=True
    )
    return conn


def until(server: embedded.Server, port: int, question: str) -> None:
    """Ask the server until it says yes; fail after a minute."""
    end = time.monotonic() + DEADLINE
    with closing(superuser(server, port)) as conn:
        while conn.execute(question).fetchone() != (True,):  # type: ignore[call-overload]
            assert time.monotonic() < end, question


def archive(practice: Practice) -> Path:
    folder = practice.folder / "archive"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    port = embedded.start(practice.server)
    with closing(superuser(practice.server, port)) as conn:
        conn.execute("ALTER SYSTEM SET archive_mode = on")
        conn.execute(f"ALTER SYSTEM SET archive_command = 'cp %p {folder}/%f'")  # a path of this test's own
    embedded.stop(practice.server)
    return folder


def base_backup(practice: Practice, target: Path, *more: str) -> None:
    """Take a real base backup of the running server, with a password that a standby can use too."""
    server = practice.server
    port = embedded.start(server)
    options = conninfo_to_dict(embedded.superuser_conninfo(server, "luactl", port))
    password = server.superuser_passfile.read_text().strip().rpartition(":")[2]
    plain = {key: options[key] for key in ("host", "hostaddr", "port", "user")}
    dsn = make_conninfo(**plain, password=password, sslmode="require")
    command = [server.bindir / "pg_basebackup", "-D", target, "-X", "stream", "-c", "fast", "-d", dsn, *more]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def put_back(practice: Practice, copy: Path, settings: str = "", signal: str | None = None) -> None:
    """Put a copy in the place of the data directory, with settings for its recovery."""
    embedded.stop(practice.server)
    owner = practice.server.data.stat()
    shutil.rmtree(practice.server.data)
    shutil.copytree(copy, practice.server.data, symlinks=True)
    with (practice.server.data / "postgresql.auto.conf").open("a") as file:
        file.write(settings)
    if signal:
        (practice.server.data / signal).touch()
    for path in (practice.server.data, *practice.server.data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    practice.server.data.chmod(0o700)


def check(practice: Practice) -> None:
    """Make the restored database what it may be, and see that it is."""
    assert practice.data("restore", "check", "--yes")["findings"] == []
    assert practice.readable() == EVERYBODY - {"nele@praxis.example"}
    assert practice.data("key", "verify")["findings"] == []
    log = practice.data("ledger", "verify")
    assert (log["ok"], len(log["lost"])) == (True, 1)
    assert practice.query("SELECT count(*) FROM crm.contact") == [(2,)]
    practice.take_in(LATER)
    assert practice.readable() == EVERYBODY - {"nele@praxis.example"} | {"ida@berg.example"}
    practice.run("ledger", "integrate")
    assert practice.data("ledger", "verify")["ok"]


def test_recovery_to_the_moment_before_an_erasure(practice: Practice) -> None:
    folder = archive(practice)
    base_backup(practice, practice.folder / "base")
    practice.query("SELECT pg_create_restore_point('before')")
    practice.erase("1")
    practice.run("ledger", "integrate")
    practice.query("SELECT pg_switch_wal()")
    put_back(
        practice,
        practice.folder / "base",
        f"restore_command = 'cp {folder}/%f %p'\nrecovery_target_name = 'before'\n"
        "recovery_target_action = 'promote'\n",
        "recovery.signal",
    )
    port = embedded.start(practice.server)
    until(practice.server, port, "SELECT NOT pg_is_in_recovery()")
    check(practice)


def test_failover_to_a_standby_that_had_lost_the_primary(practice: Practice) -> None:
    base = practice.folder / "standby"
    base.mkdir(mode=0o711)
    base_backup(practice, base / "pgdata", "-R")
    owner = practice.server.data.stat()
    for path in (base / "pgdata", *(base / "pgdata").rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    (base / "superuser.pgpass").write_bytes(practice.server.superuser_passfile.read_bytes())
    (base / "superuser.pgpass").chmod(0o600)
    standby = embedded.Server(base, practice.server.bindir)
    try:
        port = embedded.start(standby)
        until(standby, port, "SELECT count(*) > 0 FROM pg_stat_wal_receiver WHERE status = 'streaming'")
        practice.run("crm", "interaction", "list", "--tenant", "smile")  # one more thing that must arrive
        (position,) = practice.query("SELECT pg_current_wal_lsn()::text")[0]
        until(standby, port, f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn")
    finally:
        embedded.stop(standby)
    practice.erase("1")
    practice.run("ledger", "integrate")
    put_back(practice, base / "pgdata")
    port = embedded.start(practice.server)
    with closing(superuser(practice.server, port)) as conn:
        conn.execute("SELECT pg_promote()")
    until(practice.server, port, "SELECT NOT pg_is_in_recovery()")
    check(practice)
