"""Sessions that are open when a review closes: those of who is suspended, or loses a role, end with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from conftest import Connection
from psycopg import sql
from support_review import House, build, take_down

from luactl.access import review
from luactl.commands.access_review import _notes as notes
from luactl.connect import dial
from luactl.db import Session


@pytest.fixture
def house(admin: Connection, login: Callable[..., Session]) -> Iterator[House]:
    made = build(admin, login)
    yield made
    take_down(made)


def sessions_of(house: House, handle: str) -> int:
    """Return how many sessions somebody has, by the server."""
    row = house.admin.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = %s", (f"{handle}_{house.tag}",)
    ).fetchone()
    return int(row[0]) if row else 0


def test_open_sessions_end_with_the_close(house: House, tmp_path: Path) -> None:
    """Of who is suspended, and of who lost a role, which SET ROLE would keep; nobody else's."""
    opened = house.open()
    mara, bert = house.sessions["mara"], house.sessions["bert"].conn
    bert.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(house.crew)))
    review.show_mine(mara, opened.review_id)
    review.decide(mara, opened.review_id, [2], "revoke", "left the crew")
    review.decide(mara, opened.review_id, [3], "keep")
    late, file = house.later("dora", 15), tmp_path / "undo.json"
    plan = review.close(late, opened.review_id, file, dry_run=True)
    assert [(one.login.partition("_")[0], one.open, one.left) for one in plan.sessions] == [
        ("anna", 1, 1), ("bert", 1, 1)
    ]  # fmt: skip
    assert f"1 open sessions of anna_{house.tag} end" in notes(plan, planned=True)
    assert (sessions_of(house, "anna"), sessions_of(house, "bert")) == (1, 1)
    closed = review.close(late, opened.review_id, file)
    assert [(one.open, one.left) for one in closed.sessions] == [(1, 0), (1, 0)]
    assert f"1 open sessions of bert_{house.tag} were ended" in notes(closed)
    assert [sessions_of(house, who) for who in ("anna", "bert", "cleo", "dora")] == [0, 0, 1, 1]
    with pytest.raises(psycopg.OperationalError):
        bert.execute("SELECT 1")
    review.undo(late, file, "was on leave")
    anna = house.sessions["anna"].profile
    with closing(dial(anna.dsn, passfile=anna.passfile, profile="test", command="test")) as again:
        assert review.close(house.later("dora", 16), opened.review_id).sessions == ()
        again.execute("SELECT 1")  # who was let in again is in


def test_a_close_that_was_cut_short_ends_the_sessions_when_it_is_run_again(
    house: House, tmp_path: Path
) -> None:
    opened = house.open()
    late, file = house.later("dora", 15), tmp_path / "undo.json"

    def stop(step: str) -> None:
        if step == "review closed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        review.close(replace(late, step=stop), opened.review_id, file)
    assert (review.find(late, opened.review_id).state, sessions_of(house, "anna")) == ("closed", 1)
    assert len(review.close(late, opened.review_id).sessions) == 3
    assert sessions_of(house, "anna") == 0


def test_a_review_ends_no_session_but_those_it_has_to(house: House) -> None:
    opened = house.open()
    dora = house.sessions["dora"]
    count = dora.conn.execute("SELECT lua.end_review_sessions(%s)", (opened.review_id,)).fetchone()
    assert count == (0,)
    for function in ("review_sessions", "end_review_sessions"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            house.sessions["mara"].conn.execute(
                sql.SQL("SELECT lua.{}(%s)").format(sql.Identifier(function)), (opened.review_id,)
            )
    assert sessions_of(house, "anna") == 1
