"""Ten thousand keys of a million dropped at once, against a bare sequence of the same writes and fsyncs."""

from __future__ import annotations

from .key_drop import compare
from .measure import Measure, Size

LIMIT = 3.0
SUBJECTS = {Size.FULL: 1_000_000, Size.SMALL: 20_000}
AT_ONCE = {Size.FULL: 10_000, Size.SMALL: 500}
TURNS = {Size.FULL: 5, Size.SMALL: 4}


def measure(size: Size) -> Measure:
    """Drop many keys in one epoch."""
    return compare("key_drop_many", (SUBJECTS[size], AT_ONCE[size], TURNS[size]), LIMIT)
