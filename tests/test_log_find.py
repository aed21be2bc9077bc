"""Looking for a text in lines: what Python marks, Postgres finds; and queries cut into their parts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL
from support_log import write_lines
from test_log import logged, write  # noqa: F401

from luactl import log
from luactl.db import Session
from luactl.errors import UsageError
from luactl.log.find import LONGEST
from luactl.log.query import Field, Value

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MESSAGES = [
    "Straße 7", "STRASSE 7", "İstanbul", "istanbul", "ſtop", "Kelvin", "kelvin", "Äpfel", "äpfel", "ÅNGSTRÖM",
    "a.b", "axb", r"C:\dir", "[x]", "(y", "y)", "{3}", "a|b", "^begin", "end$", "***:x", "(?i)x", "50 %",
    "#1", "a-b", "~", "tab\there", "two\nlines", "\x1b[31mred", "a\u202eb", "ǅ ǆ Ǆ", "ΣΑΣ σας",
    "x" * LONGEST + "y",
]  # fmt: skip


@pytest.fixture
def lines(logged: Session, admin: Any) -> list[log.Line]:  # noqa: F811
    """Lines and entries whose texts are hard to compare; oldest first."""
    write_lines(
        admin,
        [
            {
                "message": message,
                "tenant_id": n % 3,
                "object": [None, "table:crm.contact"][n % 2],
                "outcome": ["done", "failed"][n % 5 == 0],
            }
            for n, message in enumerate(MESSAGES)
        ],
    )
    write(logged, "tenant.create", "tenant.suspend", tenant_id=2, object="tenant:smile", purpose="Übergabe")
    return list(reversed(log.search(logged, log.parse("", NOW), 0).lines))


NEEDLES = st.one_of(
    st.sampled_from(MESSAGES[:-1]).flatmap(
        lambda text: st.tuples(st.integers(0, len(text) - 1), st.integers(1, 4)).map(
            lambda cut: text[cut[0] : cut[0] + cut[1]]
        )
    ),
    st.sampled_from(["y", "FAILED", "2", "Tenant", "done", "contact", "übergabe", "İ", "ss", "S", "K", "σ"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), min_size=1, max_size=3),
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=NEEDLES, swap=st.booleans(), count=st.integers(3, 50), back=st.booleans())
def test_what_is_marked_is_what_is_found(
    text: str,
    swap: bool,
    count: int,
    back: bool,
    lines: list[log.Line],
    logged: Session,  # noqa: F811
) -> None:
    """Walk through everything by finding, in steps of some lines; it is what Python marks, in its order."""
    needle = log.Needle(text.swapcase() if swap else text)
    if "\n" in needle.text:
        return
    found: list[UUID] = []
    near = None
    while True:
        looked = log.find(logged, log.parse("", NOW), needle, near, count, back=back)
        if looked.place is not None:
            found.append(looked.place[1])
        near = looked.place or looked.reached
        if near is None:
            break
    marked = [line.id for line in (reversed(lines) if back else lines) if needle.fits(line)]
    assert found == marked


def test_finds_only_within_the_query(lines: list[log.Line], logged: Session) -> None:  # noqa: F811
    query = log.parse("outcome:failed", NOW)
    looked = log.find(logged, query, log.Needle("x"), None, 100, back=False)
    assert looked.place == next(
        line.place for line in lines if line.outcome == "failed" and "x" in str(line.message)
    )
    assert looked.reached is None


def test_a_page_is_the_same_from_either_side(lines: list[log.Line], logged: Session) -> None:  # noqa: F811
    query = log.parse("", NOW)
    after = log.later(logged, query, 5, after=lines[9].place)
    before = log.search(logged, query, 5, before=lines[15].place)
    assert after.lines == before.lines == tuple(reversed(lines[10:15]))
    assert after.more
    assert log.later(logged, query, 3).lines == tuple(reversed(lines[:3]))
    assert not log.later(logged, query, 3, after=lines[-2].place).more


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("", ()),
        (" actor:anna  -action:read* ", ("actor:anna", "-action:read*")),
        ('tenant:smile,"a b" "two words" since:-2h', ('tenant:smile,"a b"', '"two words"', "since:-2h")),
        ("a OR b c", ("(a OR b c)",)),
        ("(a OR b) c", ("(a OR b)", "c")),
        ("NOT a NOT NOT b - c -(d e)", ("NOT a", "NOT NOT b", "- c", "-(d e)")),
        ("(a)(b) inv*", ("(a)(b)", "inv*")),
        ('"OR" a', ('"OR"', "a")),
        ("-NOT a --NOT b c", ("-NOT a", "--NOT b", "c")),
    ],
)
def test_parts_of_a_query(text: str, cut: tuple[str, ...]) -> None:
    assert log.parts(text) == cut


@given(
    st.lists(
        st.sampled_from(["a", '"b c"', "actor:x", "-", " ", "(", ")", "OR", "NOT", ",y", "*", "since:-2h"])
    )
)
def test_parts_are_the_whole_query(pieces: list[str]) -> None:
    text = " ".join(pieces).replace(" ,", ",").replace("- ", "-")
    try:
        whole = log.parse(text, NOW)
    except UsageError:
        return
    assert log.parse(" ".join(log.parts(text)), NOW) == whole
    assert all(log.parse(one, NOW) for one in log.parts(text))


@given(st.text(min_size=1, max_size=20))
def test_a_part_demands_exactly_that_value(value: str) -> None:
    if "\0" not in value:
        assert log.parse(log.part("object", value), NOW).where == Field("object", (Value((value,)),))


@pytest.mark.parametrize(
    "asked",
    [
        "SELECT FROM ledger.entry WHERE ledger.words(body) @@ 'seldom'",
        "SELECT FROM ledger.entry WHERE touched @> '{01a217fa-5c58-7657-9279-1606fef95cd7}'",
        "SELECT FROM lua.log_line WHERE lua.words(message) @@ 'seldom'",
    ],
)
def test_row_security_keeps_no_index_from_an_ordinary_login(session: Session, asked: LiteralString) -> None:
    """A condition of a policy in a plan would: of words and lists nobody knows that they tell nothing."""
    session.conn.execute("SET enable_seqscan = off")
    plan = " ".join(row[0] for row in session.conn.execute(SQL("EXPLAIN {}").format(SQL(asked))))
    assert "Bitmap Index Scan" in plan
    assert "Seq Scan" not in plan
    assert "as_itself" not in plan
