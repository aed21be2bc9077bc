"""How the cost of a tenant grows with the number of tenants that are there: the exponent of the total time.

1 means that each tenant costs the same. The fit is a line through logarithms; of each hundred tenants the
quicker quarter counts, since what else the machine does only ever adds time.
"""

from __future__ import annotations

import math
import time
from itertools import islice
from statistics import linear_regression, quantiles

from .measure import Measure, Size
from .tenant import by_engine, engine

LIMIT = 1.05
RANGE = {Size.FULL: (1_000, 10_000), Size.SMALL: (100, 1_000)}
CHUNKS = 90


def measure(size: Size) -> Measure:
    """Create tenants one after another and fit the exponent of the total time over the last nine tenths."""
    first, last = RANGE[size]
    chunk = (last - first) // CHUNKS
    points: list[tuple[float, float]] = []
    with engine() as session:
        made = by_engine(session, last)
        for _ in islice(made, first):
            pass
        for number in range(first, last, chunk):
            costs = []
            for _ in range(chunk):
                begun = time.perf_counter()
                next(made)
                costs.append(time.perf_counter() - begun)
            points.append((math.log(number + chunk / 2), math.log(quantiles(costs, n=4)[0])))
    slope = linear_regression([x for x, _ in points], [y for _, y in points]).slope
    return Measure("tenant_scaling_exponent", 1 + slope, 1.0, LIMIT, last)
