"""A PgBouncer in front of the test server, and homes that reach their database only through it."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from conftest import Connection, Home, TestServer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from luactl.config import Profile, save_profile, write_private

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
# Nothing is forgiven here that docs/reference/postgres.md does not tell people to set.
SETTINGS = {
    "listen_addr": "127.0.0.1",
    "unix_socket_dir": "",
    "auth_type": "scram-sha-256",
    "auth_query": "SELECT usename, passwd FROM pg_catalog.pg_shadow WHERE usename = $1",
    "client_tls_sslmode": "disable",
    "server_tls_sslmode": "prefer",
    "pool_mode": "transaction",
    "default_pool_size": "8",
}


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer."""

    port: int

    def dsn(self, profile: Profile) -> str:
        """Return the profile's DSN, by way of the pooler and without TLS, as it is on one host."""
        kept = {k: v for k, v in conninfo_to_dict(profile.dsn).items() if k in ("user", "dbname", "passfile")}
        there = {"host": "127.0.0.1", "port": str(self.port), "sslmode": "disable"}
        return make_conninfo("", **kept, **there)

    def connect(self, profile: Profile) -> Connection:
        """Connect as any program would."""
        return psycopg.connect(self.dsn(profile), autocommit=True, prepare_threshold=None)


@contextmanager
def pooler(server: TestServer, **settings: str) -> Iterator[Pooler]:
    """Run a PgBouncer for all databases of the server; skips the test where there is none."""
    if PROGRAM is None:
        pytest.skip("PgBouncer is not installed (Debian: pgbouncer)")
    folder = Path(tempfile.mkdtemp(prefix="luactl-pooler-"))
    name, password = f"pooler_{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    with closing(server.admin()) as conn:
        options = sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}")
        conn.execute(options.format(sql.Identifier(name), sql.Literal(password)))
    port = _free_port()
    _write(folder, server.port, name, password, {**SETTINGS, "listen_port": str(port), **settings})
    process = subprocess.Popen([PROGRAM, "-q", "pgbouncer.ini"], cwd=folder, **_account(folder))
    try:
        _until_it_listens(process, port, folder)
        yield Pooler(port)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder)
        with closing(server.admin()) as conn:
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def through(pooler: Pooler, home: Home) -> Home:
    """Have the home's profile reach its database through the pooler, and no other way."""
    profile = replace(home.profile, dsn=pooler.dsn(home.profile))
    save_profile(home.paths, profile)
    return replace(home, profile=profile)


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def _write(folder: Path, port: int, name: str, password: str, settings: dict[str, str]) -> None:
    lines = [
        "[databases]",
        f"* = host=127.0.0.1 port={port} auth_user={name}",
        "[pgbouncer]",
        "auth_file = users.txt",
        "logfile = pgbouncer.log",
        *(f"{key} = {value}" for key, value in settings.items()),
    ]
    write_private(folder / "pgbouncer.ini", "\n".join(lines) + "\n")
    write_private(folder / "users.txt", f'"{name}" "{password}"\n')


def _account(folder: Path) -> dict[str, int]:
    """Return what subprocess needs to run it as somebody else than root, which it refuses to run as."""
    if os.geteuid() != 0:
        return {}
    person = pwd.getpwnam("nobody")
    for path in (folder, *folder.iterdir()):
        os.chown(path, person.pw_uid, person.pw_gid)
    return {"user": person.pw_uid, "group": person.pw_gid}


def _until_it_listens(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    while process.poll() is None:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
    raise RuntimeError(f"PgBouncer did not start: {(folder / 'pgbouncer.log').read_text()}")
