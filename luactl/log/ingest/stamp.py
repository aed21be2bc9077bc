"""Times as logs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_STAMP = re.compile(
    r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,9}))?"
    r" ?(Z|[+-]\d{2}(?::?\d{2})?|[A-Za-z][A-Za-z0-9_+/-]*)?"
)


class StampError(ValueError):
    """What should be a time is none."""


def stamp(text: str, zone: str) -> datetime:
    """Read a time; one without an offset of its own is in `zone` (IANA). Returns UTC. Raises StampError.

    In the hour that a clock shows twice, the abbreviation beside it (CEST, CET) says which one is meant;
    without it the first.
    """
    match = _STAMP.fullmatch(text.strip())
    if match is None:
        raise StampError(text)
    day, clock, fraction, offset = match.groups()
    try:
        base = _second(day, clock, offset or "", zone)
    except (ValueError, OverflowError) as error:
        raise StampError(text) from error
    return base + timedelta(microseconds=int((fraction or "0").ljust(6, "0")[:6]))


@lru_cache(maxsize=64)
def _second(day: str, clock: str, offset: str, zone: str) -> datetime:
    """Most lines of a second share it."""
    naive = datetime.fromisoformat(f"{day}T{clock}")
    if offset in ("Z", "UTC", "GMT"):
        return naive.replace(tzinfo=UTC)
    if offset[:1] in ("+", "-"):
        digits = offset[1:].replace(":", "").ljust(4, "0")
        ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return naive.replace(tzinfo=UTC) - (ahead if offset[0] == "+" else -ahead)
    local = [naive.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1)]
    meant = next((one for one in local if one.tzname() == offset), local[0])
    return meant.astimezone(UTC)
