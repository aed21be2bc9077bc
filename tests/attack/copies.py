"""What an attacker holds: directories copied from a data directory, and the bytes in them.

Shares no code with luactl. Knows only how Postgres lays out its files: 8 KiB heap pages, and WAL whose
pages carry headers in the middle of the records they hold.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

WAL_PAGE = 8192
LONG_HEADER, SHORT_HEADER = 40, 24
LONG_FLAG = 0x0002


def wal_stream(segment: bytes) -> bytes:
    """Join the records of one WAL segment by leaving out the header of each page."""
    parts = []
    for start in range(0, len(segment), WAL_PAGE):
        page = segment[start : start + WAL_PAGE]
        info = int.from_bytes(page[2:4], "little")
        parts.append(page[LONG_HEADER if info & LONG_FLAG else SHORT_HEADER :])
    return b"".join(parts)


def raw_streams(copy: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a copy as a stream of bytes; WAL segments also without their page headers."""
    for file in sorted(copy.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        content = file.read_bytes()
        if len(file.name) == 24 and file.name.strip("0123456789ABCDEF") == "":
            yield f"{file} (records)", wal_stream(content)
        yield str(file), content


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def server_account() -> dict[str, Any]:
    """Return subprocess arguments for an account that Postgres agrees to run under."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextmanager
def opened(
    copy: Path, bin_dir: Path, scratch: Path, database: str
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Start a server on a private clone of a copy, letting anybody in, as its thief would."""
    data = scratch / "stolen"
    shutil.copytree(copy, data, symlinks=True)
    (data / "postmaster.pid").unlink(missing_ok=True)
    (data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
    for path in [data, *data.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, server_account()["user"], server_account()["group"], follow_symlinks=False)
    data.chmod(0o700)
    port = free_port()
    settings = {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "ssl": "off",
        "archive_mode": "off",
        "logging_collector": "off",
    }
    arguments = [f"--{key}={value}" for key, value in settings.items()]
    with (scratch / "stolen.log").open("wb") as log:
        server = subprocess.Popen(
            [bin_dir / "postgres", "-D", "/proc/self/cwd", *arguments],
            cwd=data,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **server_account(),
        )
    try:
        with connect_when_ready(server, port, scratch / "stolen.log", database) as connection:
            yield connection
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(data)


def connect_when_ready(
    server: subprocess.Popen[bytes], port: int, log: Path, database: str
) -> psycopg.Connection[tuple[Any, ...]]:
    """Try to connect until the server lets us in; fail with its log when it ends instead."""
    while True:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text(errors='replace')}")
        try:
            first = psycopg.connect(
                host="127.0.0.1",
                port=port,
                user="postgres",
                dbname=database,
                connect_timeout=5,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            last = str(error)
            if "refused" not in last and "starting up" not in last and "recovery" not in last:
                raise
            with suppress(subprocess.TimeoutExpired):
                server.wait(0.05)
        else:
            return first
