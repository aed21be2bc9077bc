"""Every measure in its small size keeps its limit; `make bench` takes the full size."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.measure import Measure, interleaved
from bench.run import measures

ATTEMPTS = 5
NAMES = [module.__name__.rpartition(".")[2] for module in measures()]
# Limits that are not kept yet, and the ratio that must not get worse meanwhile (`make bench` fails).
NOT_YET: dict[str, float] = {
    "access_matrix": 5.0,  # small: 200 roles do not make up for reading the catalog
    "key_drop_many": 3.3,
    "ledger_append_trigger": 0.6,
    "ledger_integrate": 3.5,
    "ledger_verify": 2.0,
}


def small(name: str) -> float:
    """Return ratio by limit of a measure in its small size, taken in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.run", "--small", name],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stdout, done.stderr
    line = json.loads(done.stdout)
    return float(line["ratio"] / NOT_YET.get(name, line["limit"]))


@pytest.mark.alone
@pytest.mark.parametrize("name", NAMES)
def test_measure_keeps_its_limit(name: str) -> None:
    if name == "log_ingest_parse" and shutil.which("pgbadger") is None:
        pytest.skip("pgbadger, which it is compared with, is not installed")
    # A loaded machine can spoil one round; ours being too slow spoils all.
    results: list[float] = []
    while len(results) < ATTEMPTS and not (results and results[-1] <= 1):
        results.append(small(name))
    assert results[-1] <= 1, results


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
