"""The matrix with four times as many grants, against four times the matrix: the cost is linear in grants."""

from __future__ import annotations

import time
from statistics import median

from .access_world import GRANTS, access_world
from .measure import Measure, Size

LIMIT = 1.3
TIMES = 4
TURNS = 3


def measure(size: Size) -> Measure:
    """Work out one matrix after the other."""
    many, few = _seconds(size, GRANTS * TIMES), _seconds(size, GRANTS)
    return Measure("access_grants", many, few * TIMES, LIMIT, TURNS)


def _seconds(size: Size, grants: int) -> float:
    from luactl.access.catalog import load
    from luactl.access.way import Ways

    with access_world(size, grants) as (own, _superuser):
        times = []
        for _ in range(TURNS):
            begun = time.perf_counter()
            catalog = load(own)
            ways = Ways(catalog)
            for login in catalog.graph.roles.values():
                if login.name.startswith("many_"):
                    ways.of(login.oid)
            times.append(time.perf_counter() - begun)
        return median(times)
