"""How the cost of a tenant grows with the number of tenants that are there: the exponent of the total time.

1 means that each tenant costs the same. Two databases, one with ten times the tenants of the other, get
further ones in turns, so that a slow moment of the machine falls on both.
"""

from __future__ import annotations

import math
from itertools import islice

from .measure import Measure, Size, interleaved
from .tenant import by_engine, engine

LIMIT = 1.05
FEW = {Size.FULL: 1_000, Size.SMALL: 100}
TIMES = 10
TURNS = {Size.FULL: 400, Size.SMALL: 100}


def measure(size: Size) -> Measure:
    """Fill two databases, then create tenants in both by turns; the exponent follows from the two medians."""
    few, turns = FEW[size], TURNS[size]
    with engine() as small, engine() as large:
        made = [by_engine(small, few + turns + 1), by_engine(large, few * TIMES + turns + 1)]
        for tenants, there in zip(made, (few, few * TIMES), strict=True):
            for _ in islice(tenants, there):
                pass
        at_last, at_first = interleaved(lambda: next(made[1]), lambda: next(made[0]), turns)
    exponent = 1 + math.log(at_last / at_first) / math.log(TIMES)
    return Measure("tenant_scaling_exponent", exponent, 1.0, LIMIT, few * TIMES)
