"""Erasing many people's rows against a loop that takes them row by row."""

from __future__ import annotations

from .erasing import ground, ours, timed
from .erasing_by_hand import row_by_row
from .measure import Measure, Size

LIMIT = {Size.FULL: 1 / 30, Size.SMALL: 1 / 10}
# A few people bear more of what each transaction costs.


def measure(size: Size) -> Measure:
    """Erase as many people of two tenants."""
    with ground(size, 2) as prepared:
        mine = timed(prepared, prepared.tenants[0], ours)
        loop = timed(prepared, prepared.tenants[1], row_by_row)
    return Measure("erasure_rows", mine, loop, LIMIT[size], prepared.people)
