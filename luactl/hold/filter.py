"""The filter of a hold on a query: a few words over what stands in clear. Pure.

    interaction [kind=KIND[,KIND…]] [from=YYYY-MM-DD] [until=YYYY-MM-DD]
    invoice [year=YYYY | from=YYYY-MM-DD] [until=YYYY-MM-DD]

Days are in UTC, the last one included. It is stored as data and asked whenever something would go, so
rows that come later are held too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ..errors import UsageError

KINDS = ("note", "call", "email", "meeting", "visit", "message")
FORM = "such as `interaction kind=call,visit from=2024-01-01 until=2024-06-30` or `invoice year=2024`"


@dataclass(frozen=True)
class Filter:
    """Which rows a query selects."""

    about: str
    """interaction or invoice."""
    kinds: tuple[str, ...] | None = None
    """Kinds of interactions, in the order of KINDS; None: all."""
    first_on: date | None = None
    """First day of occurrence or issue; None: from the beginning."""
    last_on: date | None = None
    """Last day; None: what is still to come included."""

    def __str__(self) -> str:
        words = [self.about]
        if self.kinds is not None:
            words.append(f"kind={','.join(self.kinds)}")
        if self.first_on is not None:
            words.append(f"from={self.first_on.isoformat()}")
        if self.last_on is not None:
            words.append(f"until={self.last_on.isoformat()}")
        return " ".join(words)


def parse(text: str) -> Filter:
    """Read a filter. Raises UsageError for anything that is none."""
    about, *rest = text.split() or [""]
    if about not in ("interaction", "invoice"):
        raise UsageError("a query is about `interaction` or `invoice`", hint=FORM)
    given: dict[str, str] = {}
    for word in rest:
        name, sign, value = word.partition("=")
        if not sign or not value or name in given:
            raise UsageError(f"cannot read {word[:40]!r} in the query", hint=FORM)
        given[name] = value
    kinds = _kinds(given.pop("kind", None), about)
    first, last = _days(given, about)
    if given:
        raise UsageError(f"a query about {about} knows no {min(given)!r}", hint=FORM)
    if first is not None and last is not None and last < first:
        raise UsageError("the query ends before it begins", hint=FORM)
    return Filter(about, kinds, first, last)


def _kinds(text: str | None, about: str) -> tuple[str, ...] | None:
    if text is None:
        return None
    chosen = set(text.split(","))
    if about != "interaction" or not chosen <= set(KINDS):
        raise UsageError(f"kind={text[:40]!r} selects nothing", hint=f"interactions are {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in chosen)


def _days(given: dict[str, str], about: str) -> tuple[date | None, date | None]:
    """Take the first and the last day out of what was given."""
    year = given.pop("year", None)
    if year is None:
        return _day(given.pop("from", None)), _day(given.pop("until", None))
    if about != "invoice" or {"from", "until"} & given.keys():
        raise UsageError("year= selects invoices of a whole year, without from= and until=", hint=FORM)
    return _day(f"{year}-01-01"), _day(f"{year}-12-31")


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        if len(text) != len("2024-01-01"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no day", hint="written 2024-01-01") from None
