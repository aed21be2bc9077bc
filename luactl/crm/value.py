"""Dates and amounts as people write them.

Raises ValueError with a reason that repeats nothing of what was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

GERMAN = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})(?:[ ,T]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?(?: Uhr)?")
AMOUNT = re.compile(r"([+-]?)((?:\d[\d.,' \u00a0\u202f\u2019]*)?\d)")
SIGNS = re.compile(r"^(?:[€$£]|[A-Z]{2,3}(?=[\s\d+-]))\s*|\s*(?:[€$£%]|[A-Za-z]{2,3}\.?)$")
WHOLE = re.compile(r"\d+|[1-9]\d{0,2}(?:[.,]\d{3})+")
LONGEST_AMOUNT = 100
"""Longer texts are none, and would take these patterns a time that grows with the square of the length."""
GROUPED = re.compile(r"[1-9]\d{0,2}(?:[.,]\d{3})+")


def parse_moment(text: str) -> datetime:
    """Return the instant that an ISO 8601 or German date (and time) means; without an offset it is UTC."""
    if found := GERMAN.fullmatch(text):
        day, month, year, hour, minute, second = (int(part or 0) for part in found.groups())
        return _checked(lambda: datetime(year, month, day, hour, minute, second, tzinfo=UTC))
    moment = _checked(lambda: datetime.fromisoformat(text))
    return _checked(lambda: (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC))


def parse_date(text: str) -> date:
    """Return the day that a text names, as it stands there: no time zone moves it."""
    if found := GERMAN.fullmatch(text):
        return _checked(lambda: datetime(int(found[3]), int(found[2]), int(found[1]), tzinfo=UTC)).date()
    return _checked(lambda: datetime.fromisoformat(text)).date()


def _checked(make: object) -> datetime:
    try:
        return make()  # type: ignore[operator, no-any-return]
    except (ValueError, OverflowError):
        raise ValueError("is no date: write 2026-01-31 or 31.01.2026") from None


def decimal_separator(samples: Iterable[str]) -> str | None:
    """Return "," or "." if amounts in a table tell which of them separates decimals, else None."""
    votes = {",": 0, ".": 0}
    for sample in samples:
        digits = _digits(sample)
        mark = digits and _obvious(digits[1])
        if mark:
            votes[mark] += 1
    if votes[","] == votes["."]:
        return None
    return "," if votes[","] > votes["."] else "."


def parse_amount(text: str, separator: str | None, places: int, digits: int = 18) -> Decimal:
    """Return an amount with at most `places` decimals; `separator` decides what is otherwise ambiguous."""
    found = _digits(text)
    if not found:
        raise ValueError("is no amount: write 1234.50 or 1234,50")
    sign, number = found
    several = max(number.count(","), number.count(".")) > 1
    mark = _obvious(number) or (None if several else separator)
    if mark is None and GROUPED.fullmatch(number) and not several:
        raise ValueError("is ambiguous: write 1234.00 or 1234,00")
    whole, _, fraction = number.rpartition(mark) if mark and mark in number else (number, "", "")
    if whole and not WHOLE.fullmatch(whole):
        raise ValueError("is no amount: write 1234.50 or 1234,50")
    amount = Decimal(f"{sign}{re.sub('[.,]', '', whole) or '0'}.{fraction or '0'}")
    if len(fraction.rstrip("0")) > places:
        raise ValueError(f"has more than {places} decimals")
    if abs(amount) >= Decimal(10) ** (digits - places):
        raise ValueError("is too large")
    return amount.quantize(Decimal(1).scaleb(-places))


def _digits(text: str) -> tuple[str, str] | None:
    if len(text) > LONGEST_AMOUNT:
        return None
    found = AMOUNT.fullmatch(SIGNS.sub("", text.strip()))
    return (found[1], re.sub("[' \u00a0\u202f\u2019]", "", found[2])) if found else None


def _obvious(number: str) -> str | None:
    """Return the decimal separator that a number itself gives away, None if it could be a grouping mark."""
    comma, point = number.rfind(","), number.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    mark = "," if comma >= 0 else "." if point >= 0 else None
    if mark is None or number.count(mark) > 1 or GROUPED.fullmatch(number):
        return None
    return mark
