"""What a rule is, once it is read: a condition on rows of the log, and how many of them make a finding.

Every rule counts something within a window that slides: a plain one its events (one is enough), event_count
the same with a number, value_count how many values a field has, luactl_new_values how many it never had
before, temporal_ordered what comes after something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from ..query import Node

LEVELS = ("informational", "low", "medium", "high", "critical")
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Events:
    """Which rows of the log."""

    service: str
    """The log that they stand in: a name of `origin.SERVICES`."""
    where: Node


@dataclass(frozen=True)
class Count:
    """So many different values within a span of time make a hit."""

    events: tuple[Events, ...]
    """Rows of any of these."""
    field: str | None
    """What is counted; None: the events themselves."""
    group_by: tuple[str, ...]
    """Fields whose values are looked at apart; none: all together."""
    timespan: timedelta
    least: int
    """How many at least."""
    lookback: timedelta | None = None
    """Only values count that the group did not have for so long; None: all."""
    needs_history: bool = False
    """Whether a group of which nothing is known from before is left alone."""


@dataclass(frozen=True)
class Sequence:
    """Something that comes after a hit of something else, within a span of time."""

    first: Count
    then: Count
    """A plain one: each event of it."""
    timespan: timedelta


@dataclass(frozen=True)
class Rule:
    """One rule that stands by itself."""

    id: UUID
    name: str
    """What it is called in commands."""
    title: str
    level: str
    """informational, low, medium, high or critical."""
    description: str
    falsepositives: tuple[str, ...]
    tags: tuple[str, ...]
    detects: Count | Sequence
    file: str
    """Where it comes from."""
    digest: str
    """SHA-256 of the file, hex."""

    @property
    def services(self) -> tuple[str, ...]:
        """The logs that it asks, each once."""
        counts = (
            [self.detects] if isinstance(self.detects, Count) else [self.detects.first, self.detects.then]
        )
        return tuple(dict.fromkeys(events.service for count in counts for events in count.events))

    @property
    def group_by(self) -> tuple[str, ...]:
        """The fields that tell its findings apart."""
        return (self.detects if isinstance(self.detects, Count) else self.detects.then).group_by

    @property
    def reach(self) -> timedelta:
        """How far apart two events of one finding lie at most."""
        if isinstance(self.detects, Count):
            return self.detects.timespan
        return self.detects.timespan + self.detects.first.timespan
