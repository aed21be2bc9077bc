"""First paint of the terminal UI against a bare Textual app that runs the same query."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

from .home import LUACTL, dsn, home
from .measure import Measure, Size
from .pty import until_drawn

LIMIT = 1.3
RUNS = {Size.FULL: 21, Size.SMALL: 7}
BARE = Path(__file__).parent / "programs" / "bare_tui.py"


def measure(size: Size) -> Measure:
    """Time both from the command line to the number of tenants on the screen, in turns."""
    ours, bare = [], []
    with home() as env:
        environ = {**env, "BARE_DSN": dsn(env)}
        for turn in range(RUNS[size] + 1):
            one = until_drawn([LUACTL, "tui"], environ, "0 tenants")
            other = until_drawn([sys.executable, str(BARE)], environ, "0 tenants")
            if turn:
                ours.append(one)
                bare.append(other)
    return Measure("tui_first_paint", median(ours), median(bare), LIMIT, RUNS[size])
