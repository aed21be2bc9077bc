"""Entries and lines for tests, as if they had been written by anybody at any time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid5

from conftest import Connection

from luactl.ledger.entry import Entry, Stamp, canonical, new_id

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday."""
SPACE = UUID(int=7)
SOURCES = {"db": "csvlog", "crm": "jsonl", "host": "journald"}
_ENTRY = """
    INSERT INTO ledger.entry (id, at, actor, tenant_id, subject, touched, action, object, outcome, body)
    VALUES (%s, date_trunc('milliseconds', %s::timestamptz), %s, %s, %s, %s, %s, %s, %s, %s)"""
_LEAF = """
    INSERT INTO ledger.leaf
    VALUES ((SELECT coalesce(max(index) + 1, 0) FROM ledger.leaf), %s, %s, sha256('x'))"""
_LINE = """
    INSERT INTO lua.log_line (id, at, source_id, file_no, place, actor, on_behalf, tenant_id, action, object,
        outcome, address, session, severity, code, message, ingested_at)
    VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'LOG', %s, %s, %s)"""
_places = count(1)


def person(number: int) -> UUID:
    """Return a ledger reference."""
    return uuid5(SPACE, f"person {number}")


def source_id(name: str) -> UUID:
    """Return the id of a source that `add_sources` makes."""
    return uuid5(SPACE, f"source {name}")


def add_sources(admin: Connection, *names: str) -> None:
    """Register sources, each with a file that was read up to NOW, from long ago on."""
    for name in names or SOURCES:
        admin.execute(
            "INSERT INTO lua.log_source (source_id, name, format, path, host, created_at, created_by)"
            " VALUES (%s, %s, %s, '/log', 'here', %s, 'x')",
            (source_id(name), name, SOURCES[name], NOW - timedelta(days=400)),
        )
        admin.execute(
            "INSERT INTO lua.log_file (source_id, file_no, identity, name, first_at, last_at, updated_at)"
            " VALUES (%s, 1, 'x', 'x', %s, %s, %s)",
            (source_id(name), NOW - timedelta(days=400), NOW, NOW),
        )


def plant(admin: Connection, events: Iterable[Mapping[str, Any]]) -> list[UUID]:
    """Insert events and return their ids. `source` makes a line of an event, without it it is an entry.

    `at` counts minutes from NOW, `people` are numbers or a range (from, to), `times` repeats an event
    `every` so many minutes.
    """
    return [_insert(admin, dict(one)) for one in _repeated(events)]


def _repeated(events: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for event in events:
        rest = {key: value for key, value in event.items() if key not in ("times", "every")}
        for number in range(event.get("times", 1)):
            yield {**rest, "at": event.get("at", 0) + number * event.get("every", 1)}


def _insert(admin: Connection, event: dict[str, Any]) -> UUID:
    at = NOW + timedelta(minutes=event.pop("at"))
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    id_ = new_id(at)
    if "source" in event:
        _insert_line(admin, id_, at, event)
    else:
        _insert_entry(admin, id_, at, event)
    return id_


def _insert_line(admin: Connection, id_: UUID, at: datetime, event: dict[str, Any]) -> None:
    get = event.get
    admin.execute(
        _LINE,
        (
            id_,
            at,
            source_id(event["source"]),
            next(_places),
            get("actor"),
            get("behalf"),
            get("tenant", 0),
            event["action"],
            get("object"),
            get("outcome", "done"),
            get("address"),
            get("session"),
            get("code"),
            get("message", "said"),
            at,
        ),
    )


def _insert_entry(admin: Connection, id_: UUID, at: datetime, event: dict[str, Any]) -> None:
    get, detail = event.get, event.get("detail")
    people = [person(number) for number in _numbers(get("people"))]
    is_read = event["action"] == "read"
    if is_read:
        detail = {**(detail or {}), "references": [str(one) for one in people]}
    subject = people[0] if people and not is_read else None
    entry = Entry(
        event["action"],
        get("tenant", 0),
        get("object"),
        subject,
        get("purpose"),
        get("outcome", "done"),
        detail,
    )
    body = canonical(entry, Stamp(event["actor"], get("behalf"), get("session", "1.2"), get("address")), id_)
    admin.execute(
        _ENTRY,
        (
            id_,
            at,
            event["actor"],
            entry.tenant_id,
            subject,
            people if is_read else None,
            entry.action,
            entry.object,
            entry.outcome,
            body,
        ),
    )
    if get("indexed", True):
        admin.execute(_LEAF, (id_, at))


def _numbers(said: Any) -> Iterable[int]:
    if isinstance(said, dict):
        return range(said["from"], said["to"])
    return said or ()
