"""Dates and amounts as people write them."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luactl.crm.ids import uuid7_of, uuid7s
from luactl.crm.value import decimal_separator, parse_amount, parse_date, parse_moment


@pytest.mark.parametrize(
    ("text", "day"),
    [("2021-01-02", (2021, 1, 2)), ("2021-01-02 00:00:00", (2021, 1, 2)), ("2.1.2021", (2021, 1, 2)),
     ("02.01.2021 14:30 Uhr", (2021, 1, 2)), ("2021-01-02T23:59:00-05:00", (2021, 1, 2))],
)  # fmt: skip
def test_dates(text: str, day: tuple[int, int, int]) -> None:
    assert parse_date(text) == date(*day)


def test_instants_are_utc_unless_they_say_otherwise() -> None:
    assert parse_moment("02.01.2021 14:30") == datetime(2021, 1, 2, 14, 30, tzinfo=UTC)
    assert parse_moment("2021-01-02T23:30:00-05:00") == datetime(2021, 1, 3, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "31.02.2021", "2021-13-01", "01/02/2021", "soon", "1.1.21", "0.0.0000"])
def test_what_is_no_date(text: str) -> None:
    for parse in (parse_date, parse_moment):
        with pytest.raises(ValueError, match="is no date"):
            parse(text)


@pytest.mark.parametrize(
    ("text", "separator", "amount"),
    [("1.98", None, "1.98"), ("1,98", None, "1.98"), ("1.234,56", None, "1234.56"),
     ("1,234.56", None, "1234.56"),
     ("1 234,56 €", None, "1234.56"), ("EUR 12", None, "12"), ("-0,5", None, "-0.5"),
     ("1'234.50", None, "1234.50"),
     ("1.234", ",", "1234"), ("1,234", ".", "1234"), ("1.234.567", None, "1234567"), ("12.500", ".", "12.50"),
     ("0.990", None, "0.99")],
)  # fmt: skip
def test_amounts(text: str, separator: str | None, amount: str) -> None:
    assert parse_amount(text, separator, 2) == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "no amount"), ("abc", "no amount"), ("1.234", "ambiguous"), ("1,999.999", "decimals"),
     ("0.001", "decimals"),
     ("9" * 20, "too large"), ("1e5", "no amount"),
     ("NaN", "no amount"), ("1--2", "no amount"), ("1,2,3", "no amount"), ("1.2,50", "no amount")],
)  # fmt: skip
def test_what_is_no_amount(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_amount(text, None, 2)


def test_the_column_tells_its_decimal_separator() -> None:
    assert decimal_separator(["1.234", "7,50", "x"]) == ","
    assert decimal_separator(["1,234", "7.50"]) == "."
    assert decimal_separator(["1.234", "12"]) is None


@given(st.decimals(-999999, 999999, places=2))
def test_every_way_to_write_an_amount_is_read(amount: Decimal) -> None:
    english = f"{amount:,.2f}"
    german = english.translate({ord(","): ".", ord("."): ","})
    assert parse_amount(english, None, 2) == parse_amount(german, None, 2) == amount


def test_ids_are_version_7_and_tell_the_time() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    ids = [*uuid7s(at, 100), uuid7_of(at, b"0123456789")]
    assert len(set(ids)) == 101
    assert ids[:-1] == sorted(ids[:-1])
    assert {(one.version, one.variant, one.int >> 80) for one in ids} == {
        (7, "specified in RFC 4122", int(at.timestamp() * 1000))
    }
    assert uuid7_of(at, b"0123456789") == ids[-1] != uuid7_of(at, b"0123456780")
    with pytest.raises(ValueError, match="1970"):
        uuid7_of(datetime(1960, 1, 1, tzinfo=UTC), b"0123456789")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"])
def test_an_instant_that_utc_cannot_name_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="is no date"):
        parse_moment(text)


def test_hostile_amounts_take_no_time() -> None:
    """A regular expression that backtracks over the blanks would take minutes for each such line."""
    begun = time.process_time()
    with pytest.raises(ValueError, match="is no amount"):
        parse_amount("1" + " " * 100_000 + "x", None, 2)
    assert decimal_separator(["1" + " " * 100_000 + "x", "1,98"]) == ","
    assert time.process_time() - begun < 1
