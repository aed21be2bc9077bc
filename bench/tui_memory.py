"""Resident memory after scrolling through a whole list of contacts, in MB, against 150 MB.

The scrolling runs in a process of its own: `python -m bench.tui_memory SLUG`.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .measure import Measure, Size
from .scrolling import scrolled, tenants

if TYPE_CHECKING:
    from luactl.tui.crm import Contacts

MOST_MB = 150.0
CONTACTS = {Size.FULL: 1_000_000, Size.SMALL: 3_000}


def measure(size: Size) -> Measure:
    """Scroll from the first contact to the last, page by page."""
    with tenants(CONTACTS[size]) as (tenant,):
        command = [sys.executable, "-m", "bench.tui_memory", tenant.slug]
        told = subprocess.run(command, env=dict(os.environ), stdout=subprocess.PIPE, check=True).stdout
    return Measure("tui_memory_mb", float(told), MOST_MB, 1.0, CONTACTS[size])


def main(slug: str) -> None:
    """Scroll, then print the most memory that this process ever had, in MB.

    Raises ValueError when the end was not reached.
    """
    from luactl.connect import open_session
    from luactl.tenant import find
    from luactl.tui.command import PageDown

    reached: list[tuple[int, int | None]] = []

    def pages(screen: Contacts) -> Iterator[Any]:
        while screen.table.after:
            yield PageDown
        reached.append(((screen.table.place or 0) + len(screen.table.rows), screen.total))

    with open_session(command="bench") as session:
        tenant = find(session, slug)
    scrolled(tenant, pages)
    ((here, total),) = reached
    if here != total:
        raise ValueError(f"only {here} of {total} contacts were scrolled through")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(sys.argv[1])
