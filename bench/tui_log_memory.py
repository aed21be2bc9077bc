"""Resident memory after scrolling far through a log of ten million, newest first, in MB, against 150 MB.

It stops after 500,000 entries: to the oldest it would take hours, and the memory stands still long before. A
small log is scrolled through to its first entry. The scrolling runs in a process of its own, which gets the
profile on standard input. The terminal is a tall one, as for tui_memory. How the memory grows stands on
standard error.
"""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from .key_memory import peak
from .ledger_world import conninfo_of
from .log_world import BEGIN, DAYS, ENTRIES, log_world
from .measure import Measure, Size
from .scrolling import settled
from .tui_memory import LONGEST_PAGE, MOST_MB, POINTS, resident, say

if TYPE_CHECKING:
    from luactl.config import Profile

SCROLLED = {Size.FULL: 500_000, Size.SMALL: ENTRIES[Size.SMALL]}
TERMINAL = {Size.FULL: (80, 2_000), Size.SMALL: (80, 1_000)}


def measure(size: Size) -> Measure:
    """Scroll from the newest entry on, page by page."""
    own, _superuser = log_world(size)
    profile = replace(own.profile, embedded=False, dsn=conninfo_of(own))
    until = f"{BEGIN + timedelta(days=DAYS[size]):%Y-%m-%d}"
    numbers = map(str, (*TERMINAL[size], SCROLLED[size]))
    command = [sys.executable, "-m", "bench.tui_log_memory", *numbers, until]
    told = subprocess.run(command, input=pickle.dumps(profile), stdout=subprocess.PIPE, check=True).stdout
    return Measure("tui_log_memory_mb", float(told), MOST_MB, 1.0, SCROLLED[size])


async def scroll(profile: Profile, terminal: tuple[int, int], total: int, until: str) -> None:
    """Scroll through so many lines. Raises ValueError when there are others, TimeoutError without a page."""
    from luactl.clock import SystemClock
    from luactl.connect import enter
    from luactl.tui.app import Console
    from luactl.tui.command import PageUp
    from luactl.tui.log import Log
    from luactl.tui.sessions import Sessions
    from luactl.tui.settings import Settings

    sessions = Sessions(lambda: enter(profile, command="tui", say=say))
    app = Console(profile, "bench", SystemClock(), sessions, Settings())
    async with app.run_test(size=terminal) as pilot:
        screen = Log([f"until:{until}"])  # not what made the home
        app.go(screen)
        await settled(pilot)
        table, begun, told = screen.lines, time.monotonic(), 0
        seen = len(table.rows)
        while table.before and seen < total:
            oldest = table.rows[0].copy
            if seen * POINTS >= told * total:
                say(f"{seen:>10,} of {total:,}: {resident():.1f} MB, {time.monotonic() - begun:.0f} s")
                told += 1
            screen.perform(PageUp)
            await asyncio.wait_for(settled(pilot), LONGEST_PAGE)
            seen += next((n for n, row in enumerate(table.rows) if row.copy == oldest), len(table.rows))
    say(f"{seen:>10,} of {total:,}: {resident():.1f} MB, {time.monotonic() - begun:.0f} s")
    if seen < total or (seen > total and not table.before):
        raise ValueError(f"{seen} lines were scrolled through, not {total}")


def main(width: str, height: str, total: str, until: str) -> None:
    """Scroll, then print the most memory that this process ever had, in MB."""
    profile = pickle.load(sys.stdin.buffer)
    asyncio.run(scroll(profile, (int(width), int(height)), int(total), until))
    print(peak())


if __name__ == "__main__":
    main(*sys.argv[1:])
