"""By when a request must be answered: months by the calendar. Pure.

Sources: Art. 12(3) GDPR; Regulation (EEC, Euratom) No 1182/71, Art. 3. A month ends on the day of the same
number, or on the last day of a month that lacks it. An end on a Saturday, a Sunday or a public holiday moves
to the next working day, and that day counts to its end. Days are in UTC.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

MONTHS, EXTENDED = 1, 3
"""From receipt: one month, and two more when it is extended."""
SATURDAY = 5


def day_of(received_at: datetime) -> date:
    """Return the day of receipt."""
    return received_at.astimezone(UTC).date()


def calendar_end(day: date, months: int) -> date:
    """Return the last day of a period of months after a day, before weekends are looked at."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def end(day: date, months: int = MONTHS, holidays: Collection[date] = ()) -> date:
    """Return the last day on which an answer is in time. Holidays are those of the place; none are known yet,
    so that a date may be told too early, never too late.
    """
    found = calendar_end(day, months)
    while found.weekday() >= SATURDAY or found in holidays:
        found += timedelta(days=1)
    return found


def over_at(due_on: date) -> datetime:
    """Return the instant from which on an answer is late: the end of that day."""
    return datetime.combine(due_on + timedelta(days=1), time(), UTC)


def calendar_note(day: date, months: int = MONTHS) -> str:
    """Say in a sentence how the last day comes about."""
    plain, due = calendar_end(day, months), end(day, months)
    moved = f", a {plain:%A}, so {due:%A} {due}" if plain != due else f", a {due:%A}"
    month = "month" if months == 1 else "months"
    return f"{months} {month} from {day} end on {plain}{moved}; public holidays of the place are not reckoned"
