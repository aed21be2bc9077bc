"""The filter of a hold on a query: one written form, and nothing else is read."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luactl import hold
from luactl.errors import UsageError
from luactl.hold.filter import KINDS, Filter


@given(
    st.one_of(st.none(), st.lists(st.sampled_from(KINDS), min_size=1)),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    st.integers(0, 4000),
    st.booleans(),
    st.booleans(),
)
def test_a_filter_has_one_written_form(
    kinds: list[str] | None, first: date, days: int, from_: bool, until: bool
) -> None:
    words = ["interaction"]
    words += [f"until={first + timedelta(days)}"] if until else []
    words += [f"kind={','.join(kinds)}"] if kinds else []
    words += [f"from={first}"] if from_ else []
    read = hold.parse("  ".join(words))
    assert hold.parse(str(read)) == read
    assert (read.first_on is not None, read.last_on is not None) == (from_, until)
    assert read.kinds is None or set(read.kinds) == set(kinds or ())


NO_FILTERS = (
    "",
    "contact",
    "interaction kind=",
    "interaction kind=letter",
    "interaction year=2024",
    "interaction from=2024-02-30",
    "interaction from=2024-01-02 until=2024-01-01",
    "interaction from=2024-01-01 from=2024-01-02",
    "invoice kind=call",
    "invoice year=2024 from=2024-01-01",
    "invoice year=24",
    "invoice from=20240101",
    "invoice x=1",
    "invoice 2024",
)


@pytest.mark.parametrize("text", NO_FILTERS)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        hold.parse(text)
    assert refusal.value.hint


def test_a_year_is_a_span_of_days() -> None:
    assert hold.parse("invoice year=2024") == Filter("invoice", None, date(2024, 1, 1), date(2024, 12, 31))
