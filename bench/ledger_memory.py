"""What a process weighs that has checked ten million entries, against the limit of 200 MB.

The superuser writes the entries, as for the measures of the log; luactl gives them their places.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .key_memory import peak
from .log_world import ENTRIES, fresh_log_world
from .measure import Measure, Size

LIMIT = 1.0
MOST_MEGABYTES = 200.0
QUEUE = (Path(__file__).parent / "programs" / "ledger_queue.sql").read_text(encoding="utf-8")


def measure(size: Size) -> Measure:
    """Check them in a process of its own, and ask the kernel for its peak."""
    from luactl import ledger

    with fresh_log_world(size) as (session, above):
        above.execute(QUEUE)
        ledger.integrate(session)
        above.execute("VACUUM (ANALYZE)")
        home = session.profile.books[0].parents[2]
        done = subprocess.run(
            [sys.executable, "-m", "bench.ledger_memory"],
            env={**os.environ, "LUACTL_HOME": str(home)},
            stdout=subprocess.PIPE,
            check=True,
        )
    checked, megabytes = done.stdout.split()
    if int(checked) < ENTRIES[size]:
        raise ValueError(f"{int(checked)} entries were checked")
    return Measure("ledger_memory", float(megabytes), MOST_MEGABYTES, LIMIT, int(checked))


def check() -> int:
    """Verify the log of this home; return how many entries."""
    from luactl import ledger
    from luactl.connect import open_session

    with open_session(command="bench") as session:
        found = ledger.verify(session)
    if not found.ok:
        raise ValueError(str(found.findings[:3]))
    return found.size


if __name__ == "__main__":
    sys.stdout.write(f"{check()} {peak():.1f}\n")
