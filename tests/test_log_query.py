"""The query language: what it reads, what it refuses, and that the database finds what the words mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_log import logged, write  # noqa: F401

from luactl.db import Session
from luactl.errors import NotFoundError, UsageError
from luactl.log.query import Every, Field, Node, Not, Query, Some, Text, Value, parse, stores
from luactl.log.search import count, rows

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BEGIN = 1_767_225_600_000
SOURCE = "00000000-0000-4000-8000-000000000001"


def where(text: str) -> str:
    return str(parse(text, NOW).where)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", "()"),
        ("actor:anna", "actor:anna"),
        ("ACTOR:anna", "actor:anna"),
        ("actor:anna,ben tenant:smile", "(actor:anna,ben tenant:smile)"),
        ("-address:10.0.*", "-address:10.0.*"),
        ("NOT action:read", "-action:read"),
        ("address:2001:db8::1", "address:2001:db8::1"),
        ("address:10.0.0.0/8", "address:10.0.0.0/8"),
        ('"third party" invoic*', '("third party" "invoic"*)'),
        ("text:invoice", '"invoice"'),
        ("a OR b c", '("a" OR ("b" "c"))'),
        ("(a OR b) -(c d)", '(("a" OR "b") -("c" "d"))'),
        ('actor:"anna b"', 'actor:"anna b"'),
        ('actor:"a*b"', 'actor:"a*b"'),
        ("actor:a*b", "actor:a*b"),
        (r'"say \"no\""', r'"say \"no\""'),
        ("-since-friday", '-"since-friday"'),
    ],
)
def test_what_is_read(text: str, read: str) -> None:
    assert where(text) == read


def test_times_stand_beside_the_tree() -> None:
    query = parse("since:-2h action:read until:2026-03-01", NOW)
    assert query == Query(
        Field("action", (Value(("read",)),)), NOW - timedelta(hours=2), datetime(2026, 3, 1, tzinfo=UTC)
    )
    assert parse("since:-2h", NOW).where == Every(())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("colour:red", "there is no field 'colour'"),
        ("actr:anna", "did you mean actor:"),
        ("actor:", "has no value"),
        ("actor:a,", "too early"),
        ("(a", "not closed"),
        ("a)", "cannot read ')'"),
        ("a OR", "too early"),
        ("OR a", "cannot read 'OR'"),
        ("()", "cannot read ')'"),
        ("-", "too early"),
        ('"open', "does not end"),
        ("a , b", "cannot read ','"),
        ("*", "cannot look for the text"),
        ("*voice", "cannot look for the text"),
        ("!!!", "cannot look for the text"),
        ("outcome:maybe", "one of done"),
        ("id:7", "whole id"),
        ("id:ffffffff-ffff-7fff-bfff-ffffffffffff", "whole id"),
        ("subject:0199*", "whole id"),
        ("address:10.0.0.0/99", "not a network"),
        ("since:yesterday", "not a time"),
        ("since:-1h since:-2h", "twice"),
        ("since:-1h,-2h", "one time"),
        ("-since:-1h", "hold for the whole query"),
        ("a OR since:-1h", "hold for the whole query"),
        ("(since:-1h)", "hold for the whole query"),
        ("(" * 60 + "a" + ")" * 60, "deep"),
        ("-" * 60 + "a", "deep"),
        ("a" * 4001, "at most 4,000"),
        ("a\0", "NUL"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text, NOW)
    assert why in f"{refused.value.what} {refused.value.hint}"


@given(
    st.text(max_size=60) | st.lists(st.sampled_from([*'a"-():*, \\OR', "actor:", "since:-2h"])).map("".join)
)
def test_any_text_is_a_query_or_a_usage_error(text: str) -> None:
    try:
        query = parse(text, NOW)
    except UsageError:
        return
    assert parse(str(query), NOW) == query


ACTORS = ["anna", "ben", "a_b", "a%b"]
ADDRESSES = [None, "10.0.0.7", "10.1.2.3", "2001:db8::1", "host.example"]
WORDS = ["invoice", "third party", "10.0.0.7", "inv"]
VALUES = st.sampled_from(["anna", "a_b", "a%b", "a*", "*n", "*_*", "x"])
LEAVES: st.SearchStrategy[Node] = st.one_of(
    st.lists(VALUES, min_size=1, max_size=2).map(
        lambda v: Field("purpose", tuple(Value(tuple(x.split("*"))) for x in v))
    ),
    st.sampled_from(["10.0.0.0/8", "10.0.*", "10.0.0.7", "2001:db8::/32", "*"]).map(
        lambda v: Field("address", (Value(tuple(v.split("*"))),))
    ),
    st.sampled_from([Text("invoice"), Text("inv", is_prefix=True), Text("third party"), Text("party third")]),
    st.sampled_from(["done", "failed"]).map(lambda v: Field("outcome", (Value((v,)),))),
)
NODES = st.recursive(
    LEAVES,
    lambda inner: (
        inner.map(Not)
        | st.lists(inner, max_size=3).map(lambda n: Every(tuple(n)))
        | st.lists(inner, min_size=1, max_size=3).map(lambda n: Some(tuple(n)))
    ),
    max_leaves=6,
)


def holds(node: Node, row: dict[str, Any]) -> bool:
    """What the words mean, said in Python."""
    match node:
        case Not():
            return not holds(node.node, row)
        case Every():
            return all(holds(one, row) for one in node.nodes)
        case Some():
            return any(holds(one, row) for one in node.nodes)
        case Text():
            words, sought = row["message"].split(), node.words.split()
            runs = (words[n : n + len(sought)] for n in range(len(words)))
            return any(
                run == sought
                or (
                    node.is_prefix
                    and len(run) == len(sought)
                    and run[:-1] == sought[:-1]
                    and run[-1].startswith(sought[-1])
                )
                for run in runs
            )
        case Field():
            return any(_has(row[node.name], value) for value in node.values)


def _has(held: str | None, value: Value) -> bool:
    if held is None:
        return False
    if value.is_exact and "/" in value.pieces[0]:
        return held != "host.example" and ip_address(held) in ip_network(value.pieces[0])
    pattern = "*".join(piece.replace("[", "[[]") for piece in value.pieces)
    return fnmatchcase(held, pattern)


@pytest.fixture
def lines(logged: Session, admin: Any) -> list[dict[str, Any]]:  # noqa: F811
    """A few lines that differ in what queries ask."""
    admin.execute(
        "INSERT INTO lua.log_source (source_id, name, format, path, host, created_at, created_by)"
        " VALUES (%s, 'crm', 'jsonl', '/crm', 'crm', now(), 'x')",
        (SOURCE,),
    )
    made = [
        {"purpose": p, "address": a, "message": m, "outcome": o}
        for n, p in enumerate(["anna", "a_b", "a%b", "ben", None])
        for a in ADDRESSES
        for m in (["an invoice", "third party", "inv"][n % 3],)
        for o in (["done", "failed"][n % 2],)
    ]
    with admin.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO lua.log_line (id, at, source_id, file_no, place, tenant_id, action, purpose,"
            " outcome, address, severity, message, ingested_at)"
            " SELECT (lpad(to_hex(%(ms)s), 12, '0') || '70008000000000000000')::uuid,"
            " to_timestamp(%(ms)s / 1000.0), %(source)s, 1, %(n)s, 0,"
            " 'line', %(purpose)s, %(outcome)s, %(address)s, 'LOG', %(message)s, now()",
            [{**row, "n": n, "ms": BEGIN + n, "source": SOURCE} for n, row in enumerate(made)],
        )
    return made


@pytest.fixture
def entries(logged: Session) -> None:  # noqa: F811
    """Entries that differ in the same."""
    for purpose in ("anna", "a_b", "third party", None):
        write(logged, "tenant.create", purpose=purpose)
        write(logged, "tenant.import", purpose=purpose, outcome="failed", object="table:inv")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(node=NODES)
def test_the_database_finds_what_the_words_mean(
    node: Node,
    lines: list[dict[str, Any]],
    entries: None,
    logged: Session,  # noqa: F811
) -> None:
    found = rows(logged, Query(Every((kind("line"), node))), None)
    assert len(lines) == 25
    expected = [n for n, row in enumerate(lines) if holds(node, row)]
    assert sorted(round(line.at.timestamp() * 1000) - BEGIN for line in found) == expected
    # Each store asked by itself, both at once, and the view of both find the same.
    told = rows(logged, Query(Every((kind("ledger"), node))), None)
    assert rows(logged, Query(node), None) == told + found
    assert count(logged, Query(node)).count == len(told + found)


def kind(name: str) -> Field:
    return Field("kind", (Value((name,)),))


@pytest.mark.parametrize(
    ("text", "where_it_may_be"),
    [
        ("", "ledger line"),
        ("kind:line", "line"),
        ("-kind:line", "ledger"),
        ("-kind:line,ledger", ""),
        ("severity:ERROR actor:anna", "line"),
        ("-severity:ERROR", "ledger line"),
        ("code:42501 OR kind:ledger", "ledger line"),
        ("code:42501 kind:ledger", ""),
        ("(source:crm OR application:psql) tenant:7", "line"),
    ],
)
def test_a_store_that_can_hold_nothing_is_not_asked(text: str, where_it_may_be: str) -> None:
    assert {store.value for store in stores(parse(text, NOW).where)} == set(where_it_may_be.split())


def test_both_stores_are_one_list(logged: Session, lines: list[dict[str, Any]]) -> None:  # noqa: F811
    written = write(logged, "tenant.create")
    found = rows(logged, parse("", NOW), None)
    assert [line.kind for line in found] == ["ledger", "ledger", *["line"] * len(lines)]
    assert (found[0].id, found[0].detail) == (written[0], None)
    assert found[2].source == "crm"
    assert {line.kind for line in rows(logged, parse("severity:LOG", NOW), None)} == {"line"}
    for one in (found[0], found[2]):
        assert [line.id for line in rows(logged, parse(f"id:{one.id}", NOW), None)] == [one.id]


def test_what_joins_names_parts_words(logged: Session) -> None:  # noqa: F811
    for text in ("", "crm.contact/a@b:c_d-e", "-2 - 3.5 «Ärzte-Haus»", "a./@:_-b ...", "id ﬁ_ẞ-İ:x  \t\n.y"):
        spaced = text.translate(dict.fromkeys(map(ord, "./@:_-"), " "))
        found = logged.conn.execute("SELECT lua.words(%s) = to_tsvector('simple', %s)", [text, spaced])
        assert found.fetchone() == (True,), text


def test_a_tenant_or_source_that_is_not_there(logged: Session) -> None:  # noqa: F811
    for text in ("tenant:nobody", "source:nothing"):
        with pytest.raises(NotFoundError, match=text.split(":")[1]):
            rows(logged, parse(text, NOW), None)
    assert rows(logged, parse("tenant:nobody* OR source:x* OR tenant:77", NOW), None) == []
