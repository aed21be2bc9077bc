"""The arithmetic of what is due, without a database."""

from __future__ import annotations

from calendar import isleap, monthrange
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from luactl.retention.planning import DuePeriod
from luactl.retention.purging import batches
from luactl.retention.rule import Rule, StartingPoint, due, due_at, first_kept, period_id, period_of

YEARS = st.integers(1900, 2300)
MONTHS = st.integers(1, 1200)
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2400, 1, 1)).map(
    lambda naive: naive.replace(tzinfo=UTC)
)


def rule(point: StartingPoint, months: int | None) -> Rule:
    name = {
        "end of relationship": "contact",
        "month of occurrence": "interaction",
        "year of issue": "invoice",
    }[point]
    return Rule(name, point, months, 0, "a basis", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("point", "months", "number", "instant"),
    [
        ("month of occurrence", 1, 202401, "2024-03-01"),  # a leap February lies in between
        ("month of occurrence", 1, 202301, "2023-03-01"),
        ("month of occurrence", 24, 202412, "2027-01-01"),
        ("month of occurrence", 36, 202402, "2027-03-01"),
        ("month of occurrence", 11, 202312, "2024-12-01"),
        ("year of issue", 96, 2024, "2033-01-01"),  # invoices of 2024: eight years from the end of 2024
        ("year of issue", 1, 2024, "2025-02-01"),
        ("year of issue", 18, 2023, "2025-07-01"),
    ],
)
def test_an_instant_worked_out_by_hand(point: StartingPoint, months: int, number: int, instant: str) -> None:
    assert due_at(rule(point, months), number) == datetime.fromisoformat(instant).replace(tzinfo=UTC)


def test_what_never_ends_by_itself() -> None:
    now = datetime(9000, 1, 1, tzinfo=UTC)
    assert due_at(rule("end of relationship", None), 0) is None
    assert due_at(rule("month of occurrence", 24), 0) is None
    assert due_at(rule("month of occurrence", None), 202401) is None
    assert due_at(rule("year of issue", 1200), 9950) is None
    assert not due(rule("end of relationship", None), 0, now)


@pytest.mark.parametrize("number", [202400, 202413, 2024])
def test_a_number_that_is_no_month_is_an_error(number: int) -> None:
    with pytest.raises(ValueError, match="no month"):
        due_at(rule("month of occurrence", 1), number)


@given(YEARS, st.integers(1, 12), MONTHS)
@example(2024, 1, 1)
@example(2023, 12, 12)
def test_no_day_of_the_month_is_due_too_early_or_late(year: int, month: int, months: int) -> None:
    """Walk the calendar month by month from the last second of the period, the slow way."""
    instant = datetime(year, month, monthrange(year, month)[1], 23, 59, 59, tzinfo=UTC) + timedelta(seconds=1)
    for _ in range(months):
        instant += timedelta(days=monthrange(instant.year, instant.month)[1])
    one = rule("month of occurrence", months)
    assert due_at(one, year * 100 + month) == instant
    assert due(one, year * 100 + month, instant)
    assert not due(one, year * 100 + month, instant - timedelta(microseconds=1))


@given(YEARS, st.integers(1, 20))
def test_a_duty_in_whole_years_ends_with_a_calendar_year(year: int, years: int) -> None:
    days = sum(366 if isleap(y) else 365 for y in range(year + 1, year + 1 + years))
    assert due_at(rule("year of issue", years * 12), year) == datetime(
        year + 1, 1, 1, tzinfo=UTC
    ) + timedelta(days=days)


@given(st.sampled_from(["month of occurrence", "year of issue"]), MONTHS, INSTANTS, st.integers(-30, 30))
def test_first_kept_is_where_due_ends(point: StartingPoint, months: int, now: datetime, step: int) -> None:
    one, kept = rule(point, months), first_kept(rule(point, months), now)
    if point == "year of issue":
        number = kept + step
    else:
        year, month = divmod(kept // 100 * 12 + kept % 100 - 1 + step, 12)
        number = year * 100 + month + 1
    assert due(one, number, now) == (number < kept)


@given(
    st.sampled_from(["month of occurrence", "year of issue"]),
    MONTHS,
    INSTANTS,
    st.integers(-14 * 60, 14 * 60),
)
def test_the_time_zone_of_now_does_not_matter(
    point: StartingPoint, months: int, now: datetime, minutes: int
) -> None:
    elsewhere = now.astimezone(timezone(timedelta(minutes=minutes)))
    assert first_kept(rule(point, months), elsewhere) == first_kept(rule(point, months), now)


@given(st.sampled_from(["month of occurrence", "year of issue"]), MONTHS, INSTANTS, st.integers(1, 400))
def test_a_longer_rule_keeps_more_and_a_later_day_takes_more(
    point: StartingPoint, months: int, now: datetime, more: int
) -> None:
    assert first_kept(rule(point, months + more), now) <= first_kept(rule(point, months), now)
    assert first_kept(rule(point, months), now + timedelta(days=more)) >= first_kept(rule(point, months), now)


@given(st.sampled_from(["contact", "interaction", "invoice"]), st.integers(0, 2**24 - 1))
def test_period_ids_split_again(name: str, number: int) -> None:
    assert period_of(period_id(name, number)) == (name, number)


def test_a_class_unknown_to_the_rules_is_left_alone() -> None:
    assert period_of(200 << 24 | 202401) is None


@given(st.lists(st.integers(0, 60), max_size=12), st.integers(1, 25))
def test_batches_take_every_row_once_and_stay_small(rows: list[int], size: int) -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    periods = [
        DuePeriod(str(uuid4()), "interaction", 200001 + n, when, count, 0, 0, True)
        for n, count in enumerate(rows)
    ]
    found = list(batches(periods, size))
    assert all(0 < sum(piece.rows for piece in batch) <= size for batch in found)
    assert all(sum(piece.rows for piece in batch) == size for batch in found[:-1])
    for period in periods:
        assert sum(p.rows for batch in found for p in batch if p.period == period) == period.rows
