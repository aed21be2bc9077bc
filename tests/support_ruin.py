"""A server that a test may ruin: stop and kill it, take its connections, give it a standby."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from unittest.mock import patch

import psycopg
from conftest import Home, TestServer
from psycopg.conninfo import make_conninfo
from support_wait import until

from luactl import embedded
from luactl.config import save_profile
from luactl.embedded.account import choose_account

SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill": signal.SIGKILL}


def halt(server: TestServer, how: str) -> None:
    """End the server: `fast` (as a restart does), `immediate`, or `kill` (-9)."""
    pid = embedded.status(server.server).pid
    assert pid is not None
    os.kill(pid, SIGNALS[how])
    until(lambda: embedded.status(server.server).pid is None)


def bring_back(server: TestServer) -> None:
    """Start it again where it was."""
    with patch("luactl.embedded.server._free_port", lambda: server.port):
        assert embedded.start(server.server) == server.port


def restart(server: TestServer, how: str) -> None:
    """End it and start it again."""
    halt(server, how)
    bring_back(server)


@contextmanager
def standby(server: TestServer) -> Iterator[TestServer]:
    """Run a streaming standby, made by pg_basebackup."""
    primary = server.server
    base = primary.base.parent / "standby"
    copy = embedded.Server(base, primary.bindir, primary.settings, primary.tls)
    base.mkdir(mode=0o711)
    account = choose_account(primary.data)
    fresh = base / "pgdata"
    fresh.mkdir(mode=0o700)
    account.give(fresh)
    for name in ("superuser.pgpass", "server.crt")[: 2 if primary.tls else 1]:
        shutil.copy(primary.base / name, base / name)
    # The account of the server may not read our folder: it gets what it needs to log in beside its data.
    passfile = primary.data / "standby.pgpass"
    shutil.copy(primary.superuser_passfile, passfile)
    account.give(passfile)
    dsn = make_conninfo(
        host="localhost", hostaddr="127.0.0.1", port=server.port, user=embedded.SUPERUSER,
        passfile=passfile, sslmode="require" if primary.tls else "disable",
    )  # fmt: skip
    program = [
        str(primary.bindir / "pg_basebackup"),
        "-D",
        ".",
        "-R",
        "-X",
        "stream",
        "-c",
        "fast",
        "-d",
        dsn,
    ]
    subprocess.run(program, check=True, capture_output=True, **account.popen_options(fresh))
    try:
        yield TestServer(copy, embedded.start(copy))
    finally:
        embedded.stop(copy)
        shutil.rmtree(base)


def caught_up(server: TestServer, follower: TestServer) -> None:
    """Return once the standby has replayed what the primary has written so far."""
    with closing(server.admin()) as conn, closing(follower.admin()) as other:
        row = conn.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        assert row is not None
        question = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        until(lambda: other.execute(question, row).fetchone() == (True,))


def follow(home: Home, server: TestServer) -> None:
    """Point the home's profile at another server that has its database."""
    dsn = make_conninfo(home.profile.dsn, port=server.port)
    save_profile(home.paths, replace(home.profile, dsn=dsn))


@contextmanager
def taken(server: TestServer, dsn: str, leave: int = 0) -> Iterator[None]:
    """Take every connection that this login can get, then give back as many as `leave` says."""
    held: list[psycopg.Connection] = []
    try:
        while True:
            try:
                held.append(psycopg.connect(dsn, application_name="crowd"))
            except psycopg.OperationalError:
                break
        for _ in range(leave):
            held.pop().close()
        yield
    finally:
        for conn in held:
            conn.close()
