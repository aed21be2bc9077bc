"""How decisions were made: how long each took, how many at once; what looks waved through. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

QUICK = 2000
"""Milliseconds: nobody reads an item and a path in less."""
ENOUGH = 5
"""Decisions from which on a pace says something."""
LARGE_BATCH = 20


@dataclass(frozen=True)
class Pace:
    """How one reviewer decided."""

    reviewer: str
    """Handle."""
    decisions: int
    """Those that count or counted; changes of mind too."""
    kept: int
    median_ms: int
    """Of the time that a decision took."""
    quick: int
    """Decisions in less than two seconds."""
    largest_batch: int
    waved_through: str | None
    """What looks like it; None: nothing does."""


def paces(decisions: Iterable[Mapping[str, Any]], handles: Mapping[str, str]) -> tuple[Pace, ...]:
    """Return how each reviewer decided, from the bodies of decisions, by handle."""
    by_person: dict[str, list[Mapping[str, Any]]] = {}
    for one in decisions:
        by_person.setdefault(one["person"], []).append(one)
    found = [_pace(handles.get(person, person), made) for person, made in by_person.items()]
    return tuple(sorted(found, key=lambda one: one.reviewer))


def _pace(reviewer: str, made: list[Mapping[str, Any]]) -> Pace:
    spent = [one["ms"] for one in made]
    kept = sum(one["decision"] == "keep" for one in made)
    quick, largest = sum(ms < QUICK for ms in spent), max(one["batch"] for one in made)
    said = []
    if len(made) >= ENOUGH and quick * 2 > len(made):
        said.append(f"{quick:,} of {len(made):,} decisions took less than {QUICK // 1000} s")
    if largest >= LARGE_BATCH:
        said.append(f"{largest:,} items were decided at once")
    if len(made) >= LARGE_BATCH and kept == len(made):
        said.append("everything was kept")
    return Pace(reviewer, len(made), kept, int(median(spent)), quick, largest, "; ".join(said) or None)
