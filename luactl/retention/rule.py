"""Deletion rules and the arithmetic of what is due (vocabulary: ISO/IEC 27555).

A *starting point* opens a period (a month, or a calendar year); the *regular deletion period* counts in
months from the end of that period. All boundaries are in UTC, as the periods themselves are. Pure: no
database, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime
from typing import Literal

from ..key import classes as key

StartingPoint = Literal["end of relationship", "month of occurrence", "year of issue"]
CLASSES = {one.label: one for one in key.RetentionClass}


@dataclass(frozen=True)
class Rule:
    """One deletion rule of one tenant."""

    retention_class: str
    """contact, interaction or invoice."""
    starting_point: StartingPoint
    """What starts the clock."""
    months: int | None
    """Regular deletion period, counted from the end of the period; None: until erasure."""
    minimum_months: int
    """What a legal duty demands; 0 without one."""
    basis: str
    """Why the data are kept that long."""
    updated_at: datetime
    """When the rule was last set."""


def period_id(retention_class: str, number: int) -> int:
    """Return the number under which the key tree knows a period."""
    return key.period_id(CLASSES[retention_class], number)


def period_of(identifier: int) -> tuple[str, int] | None:
    """Split a period id into class and number; None when luactl's rules know no such class."""
    try:
        found, number = key.split_period(identifier)
    except ValueError:
        return None
    return found.label, number


def _month_index(instant: datetime) -> int:
    """Count the months from year 0 to the month of `instant` in UTC."""
    moment = instant.astimezone(UTC)
    return moment.year * 12 + moment.month - 1


def _end_index(rule: Rule, number: int) -> int | None:
    """Return the index of the first month after the period; None for a period that never ends by itself."""
    if number == 0 or rule.starting_point == "end of relationship":
        return None
    if rule.starting_point == "year of issue":
        return (number + 1) * 12
    year, month = divmod(number, 100)
    if not 1 <= month <= 12:
        raise ValueError(f"{number} is no month of the form yyyymm")
    return year * 12 + month


def due_at(rule: Rule, number: int) -> datetime | None:
    """Return the instant from which everything in period `number` is due.

    None: it never is by itself (period 0, a rule without an end, or past the last year that a date can hold).
    Raises ValueError for a number that is no period of the rule.
    """
    end = _end_index(rule, number)
    if end is None or rule.months is None:
        return None
    year, month = divmod(end + rule.months, 12)
    return None if year > MAXYEAR else datetime(year, month + 1, 1, tzinfo=UTC)


def due(rule: Rule, number: int, now: datetime) -> bool:
    """Tell whether period `number` is wholly due at `now` (timezone-aware).

    Raises ValueError as `due_at` does.
    """
    instant = due_at(rule, number)
    return instant is not None and instant <= now


def first_kept(rule: Rule, now: datetime) -> int:
    """Return the first period number that is not due: all smaller ones but 0 are.

    0 when the rule has no end.
    """
    if rule.months is None or rule.starting_point == "end of relationship":
        return 0
    index = max(_month_index(now) - rule.months, 0)
    if rule.starting_point == "year of issue":
        return index // 12
    year, month = divmod(index, 12)
    return year * 100 + month + 1
