"""What a process weighs that has opened a million rows of as many people, against the limit of 150 MB.

Keys are read and rows opened as a list of contacts does it, batch by batch; the sealed bytes are made on the
way, since they would otherwise be what is measured.
"""

from __future__ import annotations

import os
import subprocess
import sys

from .home import dsn
from .key_world import BLOCK, world
from .measure import Measure, Size

LIMIT = 1.0
MOST_MEGABYTES = 150.0
SUBJECTS = {Size.FULL: 1_000_000, Size.SMALL: 60_000}


def measure(size: Size) -> Measure:
    """Open them in a process of its own, and ask the kernel for its peak."""
    with world(SUBJECTS[size]) as (session, tenant_id, _ids):
        home = session.profile.books[0].parents[2]
        done = subprocess.run(
            [sys.executable, "-m", "bench.key_memory", str(tenant_id)],
            env={**os.environ, "LUACTL_HOME": str(home)},
            stdout=subprocess.PIPE,
            check=True,
        )
    opened, megabytes = done.stdout.split()
    if int(opened) != SUBJECTS[size]:
        raise ValueError(f"{int(opened)} rows were opened")
    return Measure("key_memory", float(megabytes), MOST_MEGABYTES, LIMIT, int(opened))


def open_all(tenant_id: int) -> int:
    """Open a row of every subject of a tenant, batch by batch; return how many."""
    from uuid import UUID

    import psycopg

    from luactl.config import load_profile
    from luactl.connect import admit, clock_of
    from luactl.db import Session, transaction
    from luactl.key import KeyClass, PeriodKey, Sealer, open_tenant
    from luactl.key.seal import Opener

    page = (
        "SELECT subject_id FROM vault.slot WHERE tenant_id = %s AND subject_id > %s"
        " ORDER BY tenant_id, subject_id LIMIT %s"
    )
    profile = load_profile(environ=os.environ)
    opened, after, period = 0, UUID(int=0), PeriodKey(1 << 24, bytes(32))
    sealer = Sealer(tenant_id, "crm.contact", "personal", KeyClass.MAIN, period)
    opener = Opener(tenant_id, "crm.contact", "personal", period)
    with psycopg.connect(dsn(os.environ), autocommit=True) as conn:
        session = Session(conn, admit(conn), clock_of(profile), profile, "bench")
        keys = open_tenant(session, tenant_id)
        while True:
            with transaction(session, tenant_id):
                ids = [row[0] for row in conn.execute(page, (tenant_id, after, BLOCK // 4))]
                found = keys.subjects(ids, KeyClass.MAIN)
            if not ids:
                return opened
            for who, one in found.items():
                opener.open(sealer.seal(who, one, who, {"name": "Aylin"}), who, one, who)
            opened, after = opened + len(found), ids[-1]


def peak() -> float:
    """Return the most memory that this process ever had, in megabytes.

    Not getrusage(): its peak is also that of the process that started this one, from before it ran us.
    """
    with open("/proc/self/status") as status:  # noqa: PTH123
        lines = dict(line.split(":", 1) for line in status)
    return int(lines["VmHWM"].split()[0]) / 1024


if __name__ == "__main__":
    number = open_all(int(sys.argv[1]))
    sys.stdout.write(f"{number} {peak():.1f}\n")
