"""Eight writers of one tenant that claim keys at once, against eight writers of eight tenants.

They share the counter row, the lock of the tree and the nodes of the tenant: sharing must not cost. Each
claims as an import does: numbers and nodes first, then the claims of a batch in a transaction of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

from .home import dsn
from .key_world import new_tenant
from .measure import Measure, Size
from .tenant import engine

LIMIT = 1.5
WRITERS = 8
BATCHES = {Size.FULL: 60, Size.SMALL: 12}
BATCH = 200
TURNS = 3


def measure(size: Size) -> Measure:
    """Let them run side by side, on one tenant and on eight in turns."""
    with engine() as session:
        home = session.profile.books[0].parents[2]
        tenants = [new_tenant(session, f"practice-{number}") for number in range(WRITERS)]
        shared, apart = [], []
        for turn in range(TURNS + 1):
            times = (_run(home, tenants[:1] * WRITERS, BATCHES[size]), _run(home, tenants, BATCHES[size]))
            if turn:
                shared.append(times[0])
                apart.append(times[1])
    return Measure("key_claim", median(shared), median(apart), LIMIT, WRITERS * BATCHES[size] * BATCH)


def _run(home: object, tenants: Sequence[int], batches: int) -> float:
    """Return the seconds from when all are ready until the last one is done."""
    programs = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.key_claim", str(tenant), str(batches)],
            env={**os.environ, "LUACTL_HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for tenant in tenants
    ]
    for program in programs:
        if program.stdout is None or program.stdout.readline() != b"ready\n":
            raise ValueError("a writer did not start")
    begun = time.perf_counter()
    for program in programs:
        program.communicate(b"go\n")
    if any(program.returncode for program in programs):
        raise ValueError("a writer failed")
    return time.perf_counter() - begun


def write(tenant_id: int, batches: int) -> None:
    """Claim keys batch by batch, once somebody says so."""
    import psycopg
    from uuid_utils.compat import uuid7

    from luactl.config import load_profile
    from luactl.connect import admit, clock_of
    from luactl.db import Session, transaction
    from luactl.key import KeyClass, open_tenant

    profile = load_profile(environ=os.environ)
    with psycopg.connect(dsn(os.environ), autocommit=True) as conn:
        session = Session(conn, admit(conn), clock_of(profile), profile, "bench")
        keys = open_tenant(session, tenant_id)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for _ in range(batches):
            ids = [uuid7() for _ in range(BATCH)]
            keys.reserve(KeyClass.MAIN, BATCH)
            with transaction(session, tenant_id):
                keys.claim(ids, KeyClass.MAIN, new=True)


if __name__ == "__main__":
    write(int(sys.argv[1]), int(sys.argv[2]))
