"""Everybody who reaches one table among many, in seconds, against one second."""

from __future__ import annotations

import time
from statistics import median

from .access_world import access_world
from .measure import Measure, Size

SECONDS = 1.0
TURNS = 5


def measure(size: Size) -> Measure:
    """Ask for some tables."""
    from luactl import access

    with access_world(size) as (own, _superuser):
        times = []
        for number in range(TURNS + 1):
            begun = time.perf_counter()
            if not access.who(own, f"many.t{number}"):
                raise ValueError("nobody reaches it")
            times.append(time.perf_counter() - begun)
        return Measure("access_who_seconds", median(times[1:]), SECONDS, 1.0, TURNS)
