"""Resident memory after scrolling through a whole list of contacts, in MB, against 150 MB.

The scrolling runs in a process of its own: `python -m bench.tui_memory SLUG`. The terminal is a tall one: a
page costs mostly the same whether it has 40 rows or 240, and every row is opened and drawn all the same. How
the memory grows stands on standard error.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from .key_memory import peak
from .measure import Measure, Size
from .scrolling import opened, settled, tenants

MOST_MB = 150.0
CONTACTS = {Size.FULL: 1_000_000, Size.SMALL: 3_000}
TERMINAL = (80, 250)
LONGEST_PAGE = 60.0
"""Seconds after which a page that does not come is an error."""
POINTS = 20
"""How often on the way the memory is told."""


def measure(size: Size) -> Measure:
    """Scroll from the first contact to the last, page by page."""
    with tenants(CONTACTS[size]) as (tenant,):
        command = [sys.executable, "-m", "bench.tui_memory", tenant.slug]
        told = subprocess.run(command, env=dict(os.environ), stdout=subprocess.PIPE, check=True).stdout
    return Measure("tui_memory_mb", float(told), MOST_MB, 1.0, CONTACTS[size])


async def scroll(slug: str) -> None:
    """Scroll to the end. Raises ValueError when it was not reached, TimeoutError when a page did not come."""
    from luactl.connect import open_session
    from luactl.tenant import find
    from luactl.tui.command import PageDown

    with open_session(command="bench") as session:
        tenant = find(session, slug)
    async with opened(tenant, TERMINAL) as (pilot, screen):
        table, begun, told = screen.table, time.monotonic(), 0
        total = screen.total or 0
        while table.after:
            here, asked = (table.place or 0) + len(table.rows), time.monotonic()
            if here * POINTS >= told * total:
                say(f"{here:>9,} of {total:,}: {resident():.1f} MB, {asked - begun:.0f} s")
                told += 1
            screen.perform(PageDown)
            while (table.place or 0) + len(table.rows) == here:  # drawn once, when all of it is there
                await asyncio.sleep(0.001)
                if time.monotonic() - asked > LONGEST_PAGE:
                    raise TimeoutError(f"no page came after {here} contacts")
            await settled(pilot)
        here = (table.place or 0) + len(table.rows)
    say(f"{here:>9,} of {total:,}: {resident():.1f} MB, {time.monotonic() - begun:.0f} s")
    if here != total:
        raise ValueError(f"only {here} of {total} contacts were scrolled through")


def resident() -> float:
    """Return the memory that this process has right now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024 / 1024


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def main(slug: str) -> None:
    """Scroll, then print the most memory that this process ever had, in MB."""
    asyncio.run(scroll(slug))
    print(peak())


if __name__ == "__main__":
    main(sys.argv[1])
