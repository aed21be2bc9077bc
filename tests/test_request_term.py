"""Months by the calendar: vectors by hand, and the rule against what Postgres says of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from conftest import TEMPLATE, TestServer
from hypothesis import given
from hypothesis import strategies as st

from luactl.request.term import EXTENDED, MONTHS, calendar_end, calendar_note, day_of, end, over_at

DAYS = st.dates(date(2020, 1, 1), date(2060, 12, 31))
TERMS = st.sampled_from([MONTHS, EXTENDED])
EASTER_MONDAY = date(2026, 4, 6)


@pytest.mark.parametrize(
    ("received", "months", "plain", "due"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28), date(2026, 3, 2)),  # a Saturday
        (date(2026, 8, 31), 1, date(2026, 9, 30), date(2026, 9, 30)),
        (date(2024, 1, 30), 1, date(2024, 2, 29), date(2024, 2, 29)),  # a leap year
        (date(2026, 3, 5), 1, date(2026, 4, 5), date(2026, 4, 6)),  # Easter Sunday
        (date(2026, 11, 20), 1, date(2026, 12, 20), date(2026, 12, 21)),
        (date(2026, 12, 15), 1, date(2027, 1, 15), date(2027, 1, 15)),
        (date(2026, 1, 31), 3, date(2026, 4, 30), date(2026, 4, 30)),
        (date(2026, 11, 30), 3, date(2027, 2, 28), date(2027, 3, 1)),
    ],
)
def test_known_ends(received: date, months: int, plain: date, due: date) -> None:
    assert (calendar_end(received, months), end(received, months)) == (plain, due)


def test_a_holiday_moves_it_further() -> None:
    assert end(date(2026, 3, 5), 1, {EASTER_MONDAY}) == date(2026, 4, 7)


@given(DAYS, TERMS)
def test_it_ends_on_the_same_number_or_the_months_last_day(day: date, months: int) -> None:
    plain = calendar_end(day, months)
    assert (plain.year * 12 + plain.month) - (day.year * 12 + day.month) == months
    assert plain.day == day.day or (plain.day < day.day and (plain + timedelta(days=1)).day == 1)


@given(DAYS, TERMS)
def test_it_is_a_working_day_and_never_before_the_plain_end(day: date, months: int) -> None:
    plain, due = calendar_end(day, months), end(day, months)
    assert due.isoweekday() <= 5
    assert all((plain + timedelta(days=n)).isoweekday() > 5 for n in range((due - plain).days))


@given(DAYS, TERMS)
def test_who_comes_later_never_has_to_be_answered_earlier(day: date, months: int) -> None:
    assert end(day, months) <= end(day + timedelta(days=1), months)
    assert end(day, MONTHS) < end(day, EXTENDED)


@given(DAYS)
def test_the_last_day_counts_to_its_end_and_the_next_instant_is_late(day: date) -> None:
    late = over_at(end(day))
    assert day_of(late - timedelta(microseconds=1)) == end(day)
    assert day_of(late) == end(day) + timedelta(days=1)


def test_the_day_of_receipt_is_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert day_of(datetime(2026, 12, 1, 0, 30, tzinfo=berlin)) == date(2026, 11, 30)
    assert day_of(datetime(2026, 12, 1, 0, 30, tzinfo=UTC)) == date(2026, 12, 1)


def test_postgres_counts_alike(server: TestServer) -> None:
    """The table's own rule is Postgres' arithmetic: every day of five years, leap years among them."""
    with server.admin(TEMPLATE) as conn:
        for months in (MONTHS, EXTENDED):
            rows = conn.execute(
                "SELECT d::date, (d::date + make_interval(months => %s))::date"
                " FROM generate_series('2023-01-01'::date, '2028-12-31', '1 day') AS d",
                (months,),
            ).fetchall()
            assert len(rows) > 2000
            assert all(calendar_end(day, months) == plain for day, plain in rows)


def test_a_note_tells_how_it_comes_about() -> None:
    said = calendar_note(date(2026, 11, 20))
    assert said.startswith("1 month from 2026-11-20 end on 2026-12-20, a Sunday, so Monday 2026-12-21; ")
    assert "3 months from 2026-01-31 end on 2026-04-30, a Thursday;" in calendar_note(date(2026, 1, 31), 3)
