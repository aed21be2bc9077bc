"""A key press in a long list of contacts against the same in a list of 1,000: the 95th percentile of each."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from .measure import Measure, Size
from .scrolling import scrolled, tenants

if TYPE_CHECKING:
    from luactl.tui.crm import Contacts

LIMIT = 2.0
CONTACTS = {Size.FULL: 1_000_000, Size.SMALL: 10_000}
TURNS = 3
KEYS = {Size.FULL: 400, Size.SMALL: 120}


def measure(size: Size) -> Measure:
    """Press keys in both lists: lines, pages, both ends."""
    from luactl.tui.command import Down, First, Last, PageDown, PageUp, Up

    pattern = [Down, PageDown, PageDown, Down, Up, PageDown, Last, Up, PageUp, PageUp, First, PageDown]

    def keys(_screen: Contacts) -> Iterator[Any]:
        return (pattern[number % len(pattern)] for number in range(KEYS[size]))

    with tenants(1_000, CONTACTS[size], 1_000) as (other, large, small):
        scrolled(other, keys)  # what is loaded at first use
        turns = [
            [quantiles(scrolled(tenant, keys), n=20)[-1] for tenant in (large, small)] for _ in range(TURNS)
        ]
    ours, baseline = (median(times) for times in zip(*turns, strict=True))
    return Measure("tui_key_p95", ours, baseline, LIMIT, CONTACTS[size])
