"""Erasing many people's rows against the best SQL by hand, one statement a table."""

from __future__ import annotations

from statistics import median

from .erasing import ground, ours, timed
from .erasing_by_hand import as_a_set
from .measure import Measure, Size

LIMIT = 1.5
RUNS = 3


def measure(size: Size) -> Measure:
    """Erase as many people of as many tenants in turns."""
    with ground(size, 2 * RUNS) as prepared:
        pairs = zip(prepared.tenants[::2], prepared.tenants[1::2], strict=True)
        times = [(timed(prepared, one, ours), timed(prepared, two, as_a_set)) for one, two in pairs]
    return Measure(
        "erasure_set",
        median(one for one, _ in times),
        median(two for _, two in times),
        LIMIT,
        prepared.people,
    )
