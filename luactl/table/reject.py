"""Lines of a table that did not go in. A reason names fields, never what stood in them."""

from __future__ import annotations

from dataclasses import dataclass

KEPT_REJECTS = 1_000


@dataclass(frozen=True)
class Reject:
    """A line that did not go in: the table, the physical line number it starts on (from 1), and why."""

    table: str
    line: int
    reason: str
