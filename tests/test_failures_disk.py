"""Bad days of the server's disk: it is full, or the kernel lets nobody write to it any more."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Connection, Home, TestServer
from support_failures import CREATE, T, met
from support_whole import luactl

from luactl.crm.report import BATCH

TABLE = "crm.contact_pooled"


@pytest.fixture
def tiny_disk(server: TestServer) -> Iterator[Path]:
    """A disk of a few pages that the server may write to."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    folder = server.server.base.parent / f"tiny-{secrets.token_hex(4)}"
    folder.mkdir()
    owner = server.server.data.stat().st_uid
    mount = ["mount", "-t", "tmpfs", "-o", f"size=1m,uid={owner},mode=700", "tmpfs", str(folder)]
    try:
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            pytest.skip("nothing can be mounted here")
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
        folder.rmdir()


@contextmanager
def contacts_on(disk: Path, admin: Connection) -> Iterator[None]:
    """Have the contacts of pooled tenants lie on that disk."""
    space = disk.name.replace("-", "_")
    admin.execute(f"CREATE TABLESPACE {space} LOCATION '{disk}'".encode())
    try:
        admin.execute(f"ALTER TABLE {TABLE} SET TABLESPACE {space}".encode())
        yield
    finally:
        admin.execute(f"ALTER TABLE {TABLE} SET TABLESPACE pg_default".encode())
        admin.execute(f"DROP TABLESPACE {space}".encode())


@pytest.fixture
def file(home: Home, tmp_path: Path) -> str:
    """Two batches of people to import into a tenant."""
    assert luactl(*CREATE).code == 0
    people = "".join(f"c{number},Muster{number}\n" for number in range(2 * BATCH))
    (tmp_path / "all.csv").write_text(f"CustomerId,LastName\n{people}")
    return str(tmp_path / "all.csv")


def contacts(admin: Connection) -> int:
    row = admin.execute("SELECT count(*) FROM crm.contact").fetchone()
    assert row is not None
    return int(row[0])


def done_again(file: str, admin: Connection) -> None:
    done = luactl("crm", "customer", "import", file, *T)
    assert done.code == 0, done.err
    assert contacts(admin) == 2 * BATCH
    for check in ("key status", "key verify", "ledger verify"):
        found = luactl(*check.split())
        assert found.code == 0, found.err


def test_the_disk_is_full(admin: Connection, tiny_disk: Path, file: str) -> None:
    with contacts_on(tiny_disk, admin):
        met(luactl("crm", "customer", "import", file, *T), "the server's disk is full")
        assert contacts(admin) % BATCH == 0
    done_again(file, admin)


def test_the_disk_is_read_only(admin: Connection, tiny_disk: Path, file: str) -> None:
    """As a kernel makes it that has met errors."""
    with contacts_on(tiny_disk, admin):
        admin.execute("CHECKPOINT")
        subprocess.run(["mount", "--bind", str(tiny_disk), str(tiny_disk)], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", str(tiny_disk)], check=True)
            met(luactl("crm", "customer", "import", file, *T), "the server's disk is read-only")
            assert luactl("tenant", "list").code == 0
        finally:
            subprocess.run(["umount", "-l", str(tiny_disk)], check=True)
        assert contacts(admin) == 0
    done_again(file, admin)
