"""What a measure is, and how two ways of doing the same thing are timed fairly."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from statistics import median


class Size(Enum):
    """How much work a measure does: FULL for `make bench`, SMALL for the tests."""

    FULL = "full"
    SMALL = "small"


@dataclass(frozen=True)
class Measure:
    """One result: ours against the baseline's."""

    name: str
    ours: float
    """Median seconds of our way, unless the name says another unit."""
    baseline: float
    """Median seconds of the way compared with."""
    limit: float
    """The ratio that must not be exceeded."""
    n: int
    """How often each way ran, or how many items it did."""

    @property
    def ratio(self) -> float:
        """How many times the baseline ours takes."""
        return self.ours / self.baseline

    @property
    def held(self) -> bool:
        """Whether the limit was kept."""
        return self.ratio <= self.limit

    def line(self) -> str:
        """Return the measure as one line of JSON."""
        numbers = {**asdict(self), "ratio": self.ratio}
        order = ("name", "ours", "baseline", "ratio", "limit", "n")
        return json.dumps({key: _rounded(numbers[key]) for key in order})


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value


def interleaved(ours: Callable[[], object], baseline: Callable[[], object], n: int) -> tuple[float, float]:
    """Run both in turns, n times each after one unmeasured turn; return the median seconds of each.

    Taking turns lets a slow moment of the machine fall on both.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(n + 1):
        for work, kept in zip((ours, baseline), times, strict=True):
            begun = time.perf_counter()
            work()
            if turn:
                kept.append(time.perf_counter() - begun)
    return median(times[0]), median(times[1])


def program(command: Sequence[str], env: Mapping[str, str]) -> Callable[[], bytes]:
    """Return a function that runs a program to its end and returns what it printed.

    Settings of this Python (no bytecode files, say) do not reach it: it starts as a user's would. It raises
    subprocess.CalledProcessError when the program fails: a failure is no measure.
    """
    clean = {name: value for name, value in env.items() if not name.startswith("PYTHON")}
    return lambda: subprocess.run(command, env=clean, stdout=subprocess.PIPE, check=True).stdout
