"""What a look for residue comes to: one finding a place, and never a value that was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["found", "suspect", "clear", "not observable", "named"]


@dataclass(frozen=True)
class Finding:
    """What was seen in one place."""

    place: str
    """heap, toast, btree, gin, brin, statistics, wal, recycled wal, server log, …"""
    object: str
    """Which table, index, file or holder."""
    state: State
    """found: a marker lies there; suspect: statistics say that something may; clear: looked, nothing; not
    observable: could not look; named: something elsewhere that needs its own check, or stands in the way."""
    what: str
    """What was seen, or why nothing was."""
    remedy: str = ""
    """What takes it away, or when it goes by itself."""
    markers: int = 0
    """How many of the markers lie there."""
    hits: int = 0
    """How often they do, all together."""


@dataclass(frozen=True)
class Residue:
    """All findings of one look."""

    markers: int
    """How many markers were looked for; 0: only statistics were asked."""
    tables: tuple[str, ...]
    """Which tables were looked at."""
    findings: tuple[Finding, ...]
    """In the order of places: relations, statistics, log, server, elsewhere."""

    @property
    def found(self) -> bool:
        """Whether any marker lies anywhere."""
        return any(one.state == "found" for one in self.findings)
