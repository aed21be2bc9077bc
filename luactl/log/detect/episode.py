"""One rule asked of the database: the stretches of time in which it holds, by the values of its group."""

from __future__ import annotations

from collections.abc import Sequence as Listed
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.sql import SQL, Composable, Identifier, Placeholder

from ...db import Session, queries
from ..query import Condition, Every
from ..search import looked_up
from .origin import SERVICES, TROUBLE, rows_of
from .rule import Count, Rule, Sequence

STATE_BACK = timedelta(days=1)
"""How far back is looked for what is wrong now, whatever span is asked: it may have come to be since."""
_PEOPLE = SQL("array_remove(touched || subject, NULL)")
_NOBODY = SQL("ARRAY[NULL]")
_ABOUT = (SQL("a.subject = n.v::uuid"), SQL("a.touched @> ARRAY[n.v::uuid]"))


@dataclass(frozen=True)
class Episode:
    """Something that a rule looks for, while it goes on."""

    group: dict[str, str | None]
    """What it is about: values by field."""
    first_at: datetime
    last_at: datetime
    count: int
    """What the rule counts: events, or different values of a field."""
    events: int
    evidence: tuple[UUID, ...]
    """Ids of entries and lines, oldest first, the first hundred."""


@dataclass(frozen=True)
class Asked:
    """What a rule is asked about."""

    since: datetime
    until: datetime
    """Up to but not including."""
    begin: datetime
    """From where on rows are counted: earlier than `since`, for windows that end just after it."""
    zone: str
    sources: dict[str, str]
    """Formats of all sources by name."""


def ask(session: Session, rule: Rule, since: datetime, until: datetime, zone: str = "UTC") -> list[Episode]:
    """Return what one rule finds within a time, kept or not. Raises as `episodes` does."""
    sources = {row[1]: row[2] for row in queries("log_detect").deliveries(session.conn)}
    return episodes(session, rule, Asked(since, until, since - rule.reach, zone, sources))


def episodes(session: Session, rule: Rule, asked: Asked) -> list[Episode]:
    """Return what a rule finds, oldest first. Raises NotFoundError when it names a tenant that is not."""
    is_state = rule.services == (TROUBLE,)
    since = min(asked.since, asked.until - STATE_BACK) if is_state else asked.since
    begin = min(asked.begin, since - rule.reach)
    values: dict[str, Any] = {"since": since, "until": asked.until, "begin": begin, "earliest": begin}
    detects = rule.detects
    if isinstance(detects, Sequence):
        pieces = {
            "rows": _rows(session, detects.first, asked, "a", values),
            "then_rows": _rows(session, detects.then, asked, "b", values),
        }
        values |= _sizes(detects.first) | {"within": detects.timespan.total_seconds()}
        values["reach"] = rule.reach.total_seconds()
        text = queries("log_detect").sequences.sql
    else:
        pieces = {"rows": _rows(session, detects, asked, "a", values)}
        back = detects.lookback
        values |= _sizes(detects) | {
            "lookback": None if back is None else back.total_seconds(),
            "needs_history": detects.needs_history, "earliest": begin - (back or timedelta()),
        }  # fmt: skip
        text = queries("log_detect").episodes.sql
    found = session.conn.execute(SQL(text).format(**pieces), values).fetchall()
    return _episodes(session, rule.group_by, asked, found)


def _sizes(count: Count) -> dict[str, Any]:
    return {"span": count.timespan.total_seconds(), "least": count.least}


def _rows(session: Session, count: Count, asked: Asked, name: str, values: dict[str, Any]) -> Composable:
    """Write the rows that are counted, and keep the values that go with them."""
    is_looked_up = (
        count.field == "subject"
        and "subject" not in count.group_by
        and count.lookback is not None
        and not count.needs_history
    )
    pieces, earlier = [], []
    for number, events in enumerate(count.events):
        service = SERVICES[events.service]
        where = Every((rows_of(service, asked.sources), events.where))
        condition = Condition(looked_up(session, where), zone=asked.zone, prefix=f"{name}{number}_")
        is_about_people = "subject" in (count.field, *count.group_by)
        parts = {
            "groups": SQL(", ").join([_column(condition, one) for one in count.group_by]),
            "relation": Identifier("lua", "trouble" if service.kind == TROUBLE else "activity"),
            "condition": condition.write(where),
        }
        pieces.append(
            SQL(queries("log_detect").counted_rows.sql).format(
                value=Identifier("id") if count.field is None else _column(condition, count.field),
                people=_PEOPLE if is_about_people else _NOBODY,
                first=Placeholder("begin" if is_looked_up else "earliest"),
                **parts,
            )
        )
        if is_looked_up:
            text = SQL(queries("log_detect").rows_before.sql)
            earlier += [text.format(about=about, **parts) for about in _ABOUT]
        values |= condition.values
    rows = SQL(" UNION ALL ").join(pieces)
    if not is_looked_up:
        return rows
    return SQL(queries("log_detect").rows_of_people.sql).format(
        recent=rows, earlier=SQL(" UNION ALL ").join(earlier)
    )


def _column(condition: Condition, name: str) -> Composable:
    """Write a field as text; a person is each of those that a row is about."""
    column = Identifier("person") if name == "subject" else condition.of_field(name)
    return SQL("({})::text").format(column)


def _episodes(
    session: Session, group_by: tuple[str, ...], asked: Asked, found: Listed[tuple[Any, ...]]
) -> list[Episode]:
    """Read rows, with the names of tenants and sources instead of their numbers."""
    names = {"tenant": {}, "source": {}} if not found else _names(session, group_by, found)
    return [
        Episode(
            {key: names.get(key, {}).get(value, value) for key, value in zip(group_by, values, strict=True)},
            first.astimezone(UTC), last.astimezone(UTC), count, events, tuple(evidence),
        )
        for values, first, last, count, events, evidence in found
    ]  # fmt: skip


def _names(
    session: Session, group_by: tuple[str, ...], found: Listed[tuple[Any, ...]]
) -> dict[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = {}
    if "tenant" in group_by:
        place = group_by.index("tenant")
        numbers = [int(values[place]) for values, *_rest in found if values[place] is not None]
        names["tenant"] = dict(queries("log_detect").slugs(session.conn, tenant_ids=numbers))
    if "source" in group_by:
        names["source"] = {str(row[0]): row[1] for row in queries("log").sources(session.conn)}
    return names
