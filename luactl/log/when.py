"""Times as people type them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from ..errors import UsageError

_SPAN = re.compile(r"-([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_time(text: str, now: datetime) -> datetime:
    """Read an RFC 3339 time, a date (midnight UTC) or a span back from now: -90s, -30m, -2h, -3d, -1w.

    Raises UsageError.
    """
    try:
        if span := _SPAN.fullmatch(text):
            return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise UsageError(
            f"not a time: {text}",
            hint="write 2026-03-01T12:00:00Z, 2026-03-01, or a span back such as -2h or -3d",
        )
    return parsed.astimezone(UTC)


def parse_span(text: str) -> timedelta:
    """Read a span of time: 90s, 30m, 2h, 3d, 1w. Raises UsageError."""
    if span := _SPAN.fullmatch(f"-{text}"):
        return timedelta(**{_UNITS[span[2]]: int(span[1])})
    raise UsageError(f"not a span of time: {text}", hint="write 90s, 30m, 2h, 3d or 1w")
