"""`luactl --help` against the help of a bare Typer program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .measure import Measure, Size, interleaved, program

LIMIT = 1.2
RUNS = {Size.FULL: 41, Size.SMALL: 11}
BARE = Path(__file__).parent / "programs" / "bare_help.py"


def measure(size: Size) -> Measure:
    """Time both as whole processes, from the command line to the exit."""
    luactl = str(Path(sys.executable).with_name("luactl"))
    n = RUNS[size]
    ours, baseline = interleaved(
        program([luactl, "--help"], os.environ), program([sys.executable, str(BARE), "--help"], os.environ), n
    )
    return Measure("startup_help", ours, baseline, LIMIT, n)
