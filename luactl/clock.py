"""The only source of the present time, so that tests and the demo can move it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time; always timezone-aware, in UTC."""

    def now(self) -> datetime:
        """Return the present instant."""


def instant(moment: datetime) -> str:
    """Return an instant as documents write it: RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


@dataclass(frozen=True)
class SystemClock:
    """The clock of this host."""

    def now(self) -> datetime:
        """Return the host's time in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class ShiftedClock:
    """The host's clock, moved by a fixed amount. Only throw-away homes may have one."""

    shift: timedelta

    def now(self) -> datetime:
        """Return the host's time plus the shift."""
        return datetime.now(UTC) + self.shift


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still."""

    instant: datetime

    def now(self) -> datetime:
        """Return the one instant that this clock knows."""
        return self.instant
