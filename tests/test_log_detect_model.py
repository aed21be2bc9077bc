"""What random rules mean, said in Python, is what the database finds."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import Connection, Home
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_events import NOW, add_sources, plant

from luactl.clock import FixedClock
from luactl.db import Session
from luactl.log.detect.catalog import resolve
from luactl.log.detect.episode import Asked, episodes
from luactl.log.detect.parse import written
from luactl.log.query import Condition

SLOW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BERLIN = ZoneInfo("Europe/Berlin")
HEAD = {"title": "A rule", "id": "f7573590-55ed-41de-89fa-4601386f68ca", "name": "rule"}
LEDGER = {"product": "luacrm", "service": "ledger"}

TEXTS = ["anna", "Anna", "a_b", "a%b", "a*b", "a\\b", "axyb"]
ADDRESSES = [None, "10.0.0.7", "10.1.2.3", "2001:db8::1"]
EVENTS = [
    {
        "action": "read" if n % 3 else "tenant.create",
        "actor": actor,
        "address": ADDRESSES[n % 4],
        "object": TEXTS[(n * 5) % 7] if n % 2 else None,
        "behalf": TEXTS[n % 5],
        "at": -n * 97,
        "people": list(range(n % 4)) if n % 3 else [],
        "detail": {"login": TEXTS[n % 3]} if n % 3 == 0 else None,
    }
    for n, actor in enumerate(TEXTS * 3)
]


@pytest.fixture
def logged(bare_home: Home, admin: Connection) -> Session:
    add_sources(admin)
    return Session(admin, "postgres", FixedClock(NOW), bare_home.profile, "test")


# A field of a row, what a rule calls it, and what a value of a rule looks like.
PATTERNS = st.sampled_from(
    ["anna", "ANNA", "a_b", "a%b", "a\\*b", "a?b", "a*", "*b", "*n*", "a\\\\b", "a\\b", "x", ""]
)
PLAIN = st.sampled_from(["actor", "behalf", "object", "detail.login"])
TEXT_ITEM = st.tuples(
    PLAIN,
    st.sampled_from(
        ["", "|contains", "|startswith", "|endswith", "|cased", "|neq", "|contains|cased", "|startswith|neq"]
    ),
    st.lists(PATTERNS, min_size=1, max_size=3),
).map(lambda found: (found[0] + found[1], found[2]))
ALL_ITEM = st.tuples(PLAIN, st.lists(PATTERNS, min_size=2, max_size=3)).map(
    lambda found: (found[0] + "|contains|all", found[1])
)
OTHER_ITEM = st.one_of(
    st.tuples(
        st.sampled_from(["at|hour", "at|hour|gte", "at|hour|lt", "at|weekday|lte", "at|minute|gt"]),
        st.integers(0, 59),
    ),
    st.tuples(st.sampled_from(["subjects", "subjects|gt", "subjects|lte"]), st.integers(0, 4)),
    st.tuples(st.just("address|cidr"), st.sampled_from(["10.0.0.0/8", "10.0.0.0/24", "2001:db8::/32"])),
    st.tuples(
        st.sampled_from(["address|exists", "object|exists", "detail.login|exists", "subject|exists"]),
        st.booleans(),
    ),
    st.tuples(st.sampled_from(["object", "address"]), st.none()),
    st.tuples(
        st.sampled_from(["object|fieldref", "detail.login|fieldref"]), st.sampled_from(["actor", "behalf"])
    ),
    st.tuples(st.just("action"), st.sampled_from(["READ", "tenant.*", "*a*"])),
)
ITEMS = st.one_of(TEXT_ITEM, ALL_ITEM, OTHER_ITEM)
SELECTION = st.one_of(
    st.lists(ITEMS, min_size=1, max_size=3).map(dict),
    st.lists(st.lists(ITEMS, min_size=1, max_size=2).map(dict), min_size=1, max_size=2),
)
CONDITIONS = st.sampled_from(
    [
        "a",
        "a and b",
        "a or b and not c",
        "not (a or b)",
        "1 of them",
        "all of them",
        "1 of a* or c",
        "not 1 of them",
        "a and all of *",
        "not not a",
        "(a or b) and (b or c)",
        "any of them and not a",
    ]
)


def says(detection: dict[str, Any], condition: str, row: dict[str, Any]) -> bool:
    """Whether a row is as the detection says."""
    held = {name: _selected(one, row) for name, one in detection.items()}
    text = condition
    for quantity, word in (("all", "all"), ("any", "any"), ("1", "any")):
        for pattern in ("them", "a*", "*"):
            those = [value for name, value in held.items() if pattern == "them" or fnmatchcase(name, pattern)]
            text = text.replace(f"{quantity} of {pattern}", f"({word}({those}))")
    return bool(eval(text, {"any": any, "all": all}, held))  # the conditions above are Python too


def _selected(selection: Any, row: dict[str, Any]) -> bool:
    if isinstance(selection, list):
        return any(_selected(one, row) for one in selection)
    return all(_item(key, value, row) for key, value in selection.items())


def _item(key: str, said: Any, row: dict[str, Any]) -> bool:
    name, *modifiers = key.split("|")
    if name == "at":
        at = (NOW + timedelta(minutes=row["at"])).astimezone(BERLIN)
        part = {"hour": at.hour, "minute": at.minute, "weekday": at.isoweekday()}[modifiers[0]]
        return _compared(part, modifiers[1:], said)
    if name == "subjects":
        return _compared(len(row["people"]), modifiers, said)
    held = (row["detail"] or {}).get("login") if name == "detail.login" else row.get(name)
    if "exists" in modifiers:
        return (bool(row["people"]) if name == "subject" else held is not None) is said
    if "fieldref" in modifiers:
        return held is not None and held == row[said]
    if said is None:
        return held is None
    if "cidr" in modifiers:
        return held is not None and ip_address(held) in ip_network(said)
    values = said if isinstance(said, list) else [said]
    found = [_like(held, value, modifiers) for value in values]
    result = all(found) if "all" in modifiers else any(found)
    return not result if "neq" in modifiers else result


def _compared(number: int, signs: list[str], said: int) -> bool:
    sign = signs[0] if signs else "eq"
    return {
        "eq": number == said,
        "gt": number > said,
        "gte": number >= said,
        "lt": number < said,
        "lte": number <= said,
    }[sign]


def _like(held: str | None, pattern: str, modifiers: list[str]) -> bool:
    """A walk over both texts, after the escapes of the rule are taken out."""
    if held is None:
        return False
    signs: list[str | None] = []  # None: anything; "": one character
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\" and pattern[at + 1 : at + 2] in ("*", "?", "\\"):
            at += 1
            signs.append(pattern[at])
        else:
            signs.append({"*": None, "?": ""}.get(pattern[at], pattern[at]))
        at += 1
    before = [None] if {"contains", "endswith"} & set(modifiers) else []
    after = [None] if {"contains", "startswith"} & set(modifiers) else []
    if "cased" not in modifiers:
        held, signs = held.lower(), [sign and sign.lower() for sign in signs]
    return _walk(held, [*before, *signs, *after])


def _walk(held: str, signs: list[str | None]) -> bool:
    if not signs:
        return not held
    if signs[0] is None:
        return any(_walk(held[n:], signs[1:]) for n in range(len(held) + 1))
    return bool(held) and signs[0] in ("", held[0]) and _walk(held[1:], signs[1:])


@SLOW
@given(
    detection=st.fixed_dictionaries({"a": SELECTION, "b": SELECTION, "c": SELECTION}), condition=CONDITIONS
)
def test_a_detection_finds_what_it_says(detection: dict[str, Any], condition: str, logged: Session) -> None:
    if logged.conn.execute("SELECT count(*) FROM ledger.entry").fetchone() != (len(EVENTS),):
        plant(logged.conn, EVENTS)
    document = {**HEAD, "logsource": LEDGER, "detection": {**detection, "condition": condition}}
    events = written(document, "x.yml", "0" * 64).events
    assert events is not None
    found = _zoned(logged, events.where)
    assert found == sorted(row["at"] for row in EVENTS if says(detection, condition, row))


def _zoned(session: Session, where: Any) -> list[int]:
    condition = Condition({}, zone="Europe/Berlin")
    from psycopg.sql import SQL

    text = SQL("SELECT at FROM lua.activity WHERE kind = 'ledger' AND {}").format(condition.write(where))
    found = session.conn.execute(text, condition.values).fetchall()
    return sorted(round((at - NOW).total_seconds() / 60) for (at,) in found)


LOGS = 3
ACTORS = ["anna", "ben"]


def _log(number: int) -> list[dict[str, Any]]:
    """A log that is crowded in places, with times that are the same."""
    chance = random.Random(number)
    return [
        {
            "action": chance.choice(["read", "tenant.create"]),
            "actor": chance.choice(ACTORS),
            "object": f"log{number}",
            "at": -5 * chance.choice([chance.randrange(0, 12), chance.randrange(0, 60)]),
            "address": f"10.0.0.{chance.randrange(4)}",
            "people": sorted(chance.sample(range(6), chance.randrange(0, 4))),
        }
        for _ in range(40)
    ]


LOG_EVENTS = {
    number: [e for e in _log(number) if e["action"] == "read" or len(e["people"]) < 2]
    for number in range(LOGS)
}
COUNTS = st.fixed_dictionaries(
    {
        "log": st.integers(0, LOGS - 1),
        "type": st.sampled_from(["event_count", "value_count", "luactl_new_values"]),
        "field": st.sampled_from(["subject", "address", "action"]),
        "span": st.sampled_from([4, 5, 10, 15, 30, 60]),
        "least": st.integers(1, 6),
        "since": st.integers(-200, -1),
        "begin": st.sampled_from([-300, -120, -60, -20]),
        "lookback": st.sampled_from([5, 10, 20, 60, 100]),
        "history": st.booleans(),
        "is_grouped": st.booleans(),
    }
)


@SLOW
@given(said=COUNTS)
def test_a_count_finds_what_it_says(said: dict[str, Any], logged: Session) -> None:
    _plant_logs(logged)
    is_new = said["type"] == "luactl_new_values"
    field = {} if said["type"] == "event_count" else {"field": said["field"]}
    ours = (
        {"luactl": {"lookback": f"{said['lookback']}m", "needs-history": said["history"]}} if is_new else {}
    )
    correlation = {
        "type": said["type"],
        "rules": ["plain"],
        "group-by": ["actor"] if said["is_grouped"] else [],
        "timespan": f"{said['span']}m",
        "condition": {"gte": said["least"], **field},
        **ours,
    }
    assert _asked(logged, said, {**HEAD, "correlation": correlation}) == _counted(said, is_new)


NEW_PEOPLE = {"type": "luactl_new_values", "field": "subject", "history": False}


@settings(SLOW, max_examples=40)
@given(said=COUNTS, since=st.integers(-60, -1), lookback=st.sampled_from([20, 60, 100]))
def test_people_are_known_from_before_what_is_counted(
    said: dict[str, Any], since: int, lookback: int, logged: Session
) -> None:
    """Those are looked up one by one."""
    test_a_count_finds_what_it_says.hypothesis.inner_test(  # type: ignore[attr-defined]
        {**said, **NEW_PEOPLE, "since": since, "begin": -20, "lookback": lookback}, logged
    )


def _counted(said: dict[str, Any], is_new: bool) -> list[tuple[Any, ...]]:
    span, found = said["span"], []
    for group in ACTORS if said["is_grouped"] else [None]:
        every = [e for e in LOG_EVENTS[said["log"]] if e["at"] < 0 and group in (None, e["actor"])]
        rows = sorted((e["at"], n, value) for n, e in enumerate(every) for value in _values(e, said))
        rows = [
            (at, value)
            for at, n, value in ((a, n, f"{n}" if said["type"] == "event_count" else v) for a, n, v in rows)
        ]
        if is_new:
            rows = _first_seen(rows, said)
        begin = min(said["begin"], said["since"] - span)
        rows = [row for row in rows if row[0] >= begin]
        hits = [at for at, _v in rows if len({v for t, v in rows if at - span <= t <= at}) >= said["least"]]
        inside = [(at, v) for at, v in rows if any(at <= hit <= at + span for hit in hits)]
        for episode in _episodes(inside, span):
            if max(hit for hit in hits if hit <= episode[-1][0]) >= said["since"]:
                found.append((group, episode[0][0], episode[-1][0], len({v for _t, v in episode})))
    return sorted(found, key=str)


def _first_seen(rows: list[tuple[int, str]], said: dict[str, Any]) -> list[tuple[int, str]]:
    back, span, found = said["lookback"], said["span"], []
    for n, (at, value) in enumerate(rows):
        before = [t for m, (t, v) in enumerate(rows) if v == value and m < n]
        is_known = any(at - back <= t <= at - span for t, _v in rows)
        if (not before or max(before) < at - back) and (is_known or not said["history"]):
            found.append((at, value))
    return found


def _episodes(rows: list[tuple[int, Any]], apart: int) -> list[list[tuple[int, Any]]]:
    if not rows:
        return []
    cuts = [n for n, (one, other) in enumerate(pairwise(rows), 1) if other[0] - one[0] > apart]
    return [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]


def _values(event: dict[str, Any], said: dict[str, Any]) -> list[str]:
    if said["type"] != "event_count" and said["field"] == "subject":
        return [str(one) for one in event["people"]]
    return ["x"] if said["type"] == "event_count" else [event[said["field"]]]


ORDERED = st.fixed_dictionaries(
    {
        "log": st.integers(0, LOGS - 1),
        "span": st.sampled_from([5, 10, 20]),
        "least": st.integers(1, 4),
        "since": st.integers(-200, -1),
        "within": st.sampled_from([4, 5, 10, 30]),
    }
)


@SLOW
@given(said=ORDERED)
def test_a_sequence_finds_what_it_says(said: dict[str, Any], logged: Session) -> None:
    _plant_logs(logged)
    counted = {
        "title": "Many",
        "id": "9a5ac849-24f1-4473-9bbf-f53ae6bf1ec5",
        "name": "many",
        "correlation": {
            "type": "event_count",
            "rules": ["plain"],
            "group-by": ["actor"],
            "timespan": f"{said['span']}m",
            "condition": {"gt": said["least"] - 1},
        },
    }
    then = _plain(said, "then", "8361268f-dbc8-4fd9-a530-92951a20f8b7", "tenant.create")
    correlation = {
        "type": "temporal_ordered",
        "rules": ["many", "then"],
        "group-by": ["actor"],
        "timespan": f"{said['within']}m",
    }
    found = _asked(logged, said, {**HEAD, "correlation": correlation}, counted, then, action="read")
    assert found == _in_order(said)


def _in_order(said: dict[str, Any]) -> list[tuple[Any, ...]]:
    span, within, found = said["span"], said["within"], []
    for group in ACTORS:
        every = [
            (e["at"], n, e)
            for n, e in enumerate(LOG_EVENTS[said["log"]])
            if e["at"] < 0 and e["actor"] == group
        ]
        first = sorted((at, n) for at, n, e in every if e["action"] == "read")
        hits = [at for at, _n in first if sum(at - span <= t <= at for t, _n in first) >= said["least"]]
        met = [
            (at, n)
            for at, n, e in every
            if e["action"] != "read" and any(at - within <= t < at for t in hits)
        ]
        inside = [(at, n) for at, n in first if any(at <= t <= at + span + within for t, _n in met)]
        for episode in _episodes(sorted([*inside, *met]), span + within):
            last = max(at for at, n in met if (at, n) in episode)
            if last >= said["since"]:
                found.append((group, episode[0][0], episode[-1][0], len(episode)))
    return sorted(found, key=str)


def _plant_logs(session: Session) -> None:
    count = sum(len(events) for events in LOG_EVENTS.values())
    if session.conn.execute("SELECT count(*) FROM ledger.entry").fetchone() != (count,):
        for events in LOG_EVENTS.values():
            plant(session.conn, events)


def _plain(said: dict[str, Any], name: str, id_: str, action: str) -> dict[str, Any]:
    selection = {"object": f"log{said['log']}", "action": action}
    return {
        "title": "Plain",
        "id": id_,
        "name": name,
        "logsource": LEDGER,
        "detection": {"a": selection, "condition": "a"},
    }


def _asked(
    session: Session, said: dict[str, Any], *documents: dict[str, Any], action: str = "*"
) -> list[tuple[Any, ...]]:
    plain = _plain(said, "plain", "5408e677-32a8-4c61-8c15-d671c408aff6", action)
    (rule,) = resolve([written(one, "x.yml", "0" * 64) for one in (*documents, plain)])
    since = NOW + timedelta(minutes=said["since"])
    begin = NOW + timedelta(minutes=said.get("begin", -300))
    found = episodes(session, rule, Asked(since, NOW, begin, "UTC", {}))
    return sorted(
        ((one.group.get("actor"), _minute(one.first_at), _minute(one.last_at), one.count) for one in found),
        key=str,
    )


def _minute(at: datetime) -> int:
    return round((at - NOW).total_seconds() / 60)
