"""One key of a million dropped, against one of ten thousand: the size of the tree hardly matters."""

from __future__ import annotations

from .key_world import drop, world
from .measure import Measure, Size, interleaved

LIMIT = 2.0
LARGE = {Size.FULL: 1_000_000, Size.SMALL: 40_000}
SMALL = {Size.FULL: 10_000, Size.SMALL: 400}
TURNS = {Size.FULL: 60, Size.SMALL: 15}


def measure(size: Size) -> Measure:
    """Drop in turns: of a large tenant in one home, of a small one in another."""
    with world(LARGE[size]) as (ours, tenant_id, ids), world(SMALL[size]) as (theirs, other_id, others):
        many, few = iter(ids[::37]), iter(others[::7])

        def in_large() -> int:
            return drop(ours, tenant_id, [next(many)])

        def in_small() -> int:
            return drop(theirs, other_id, [next(few)])

        times = interleaved(in_large, in_small, TURNS[size])
    return Measure("key_drop_scaling", *times, LIMIT, TURNS[size])
