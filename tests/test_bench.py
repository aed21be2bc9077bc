"""Every measure in its small size keeps its limit; `make bench` takes the full size."""

from __future__ import annotations

import json
from types import ModuleType

import pytest

from bench.measure import Measure, Size, interleaved
from bench.run import measures

ATTEMPTS = 5


@pytest.mark.parametrize("module", list(measures()), ids=lambda module: module.__name__)
def test_measure_keeps_its_limit(module: ModuleType) -> None:
    # A loaded machine can spoil one round; ours being too slow spoils all.
    results: list[Measure] = []
    while len(results) < ATTEMPTS and not (results and results[-1].held):
        results.append(module.measure(Size.SMALL))
    assert results[-1].held, [result.line() for result in results]


def test_line_has_the_agreed_fields() -> None:
    line = json.loads(Measure("toy", 3.0, 2.0, 1.4, 5).line())
    assert line == {"name": "toy", "ours": 3.0, "baseline": 2.0, "ratio": 1.5, "limit": 1.4, "n": 5}


def test_a_slower_way_does_not_hold() -> None:
    assert not Measure("toy", 3.0, 2.0, 1.4, 5).held
    assert Measure("toy", 2.8, 2.0, 1.4, 5).held


def test_both_ways_run_in_turns() -> None:
    ran: list[str] = []
    interleaved(lambda: ran.append("ours"), lambda: ran.append("baseline"), 3)
    assert ran == ["ours", "baseline"] * 4
