"""What the tests of keys share: a tenant in a real database, and runs that are killed half way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from luactl import key
from luactl.db import Session, Step, queries, transaction, unheard
from luactl.key import KeyClass, SubjectKey, TenantDrop, TenantKeys

KILLED = -signal.SIGKILL
STEPS = (
    "root placed at holder 1",
    "root placed at holder 2",
    "claims given up",
    "rows changed",
    "nodes rewritten",
    "epoch committed",
    "book 1 written",
    "book 2 written",
    "read back",
    "root destroyed at holder 1",
    "root destroyed at holder 2",
)


def add_tenant(session: Session, admin: psycopg.Connection, tenant_id: int) -> TenantKeys:
    """Put a tenant into directory and tree, and open its keys."""
    number = key.reserve_tenants(session)[0]
    admin.execute(
        "INSERT INTO lua.tenant_directory (tenant_id, slug, key_no) VALUES (%s, %s, %s)",
        (tenant_id, f"tenant-{tenant_id}", number),
    )
    with transaction(session):
        key.create_tenant(session, tenant_id, number)
    return key.open_tenant(session, tenant_id)


def add_subjects(
    keys: TenantKeys, session: Session, count: int, key_class: KeyClass = KeyClass.MAIN
) -> dict[UUID, SubjectKey]:
    """Claim keys for so many new subjects."""
    ids = [uuid7() for _ in range(count)]
    keys.reserve(key_class, count)
    with transaction(session, keys.tenant_id):
        return keys.claim(ids, key_class, new=True)


def drop_subjects(
    session: Session, tenant_id: int, ids: Iterable[UUID], step: Step = unheard
) -> key.EpochChange:
    """Drop the main keys of these subjects."""
    drops = [TenantDrop(tenant_id, [(subject, KeyClass.MAIN) for subject in ids])]
    return key.drop(replace(session, step=step), drops, lambda _epoch: None)


def epoch_of(session: Session) -> int:
    """Return the database's epoch."""
    epoch: int = queries("key").epoch(session.conn)
    return epoch


def run_killed(at: str, tenant_id: int, ids: Sequence[UUID]) -> int:
    """Drop these subjects in a process of its own that kills itself at a step; return its exit code."""
    arguments = [sys.executable, __file__, at, str(tenant_id), *map(str, ids)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.run(arguments, env=environ, check=False, timeout=60).returncode


def main(at: str, tenant_id: str, *ids: str) -> None:
    """The process that `run_killed` starts."""
    from luactl.connect import open_session

    def step(name: str) -> None:
        if name == at:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_session("test", command="test") as session:
        drop_subjects(session, int(tenant_id), map(UUID, ids), step)


if __name__ == "__main__":
    main(*sys.argv[1:])
