"""The second connection of a lock: kept for the next one, replaced when ended, closed with the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from luactl.db import Session, queries
from luactl.errors import BusyError
from luactl.exclusive import Paired, hold

KEY, OTHER = 4711, 4712
BUSY = BusyError("somebody else has it", hint="wait")
LOCKS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name LIKE 'luactl-lock%' ORDER BY pid"
)


def pids(admin: psycopg.Connection[Any]) -> list[int]:
    return [row[0] for row in admin.execute(LOCKS)]


def is_free(admin: psycopg.Connection[Any], key: int) -> bool:
    """Whether somebody else could have the lock now."""
    with admin.transaction():
        return bool(queries("exclusive").try_lock(admin, key=key))


def test_one_connection_serves_every_lock_of_a_session(
    session: Session, admin: psycopg.Connection[Any]
) -> None:
    seen = []
    for key in (KEY, OTHER, KEY):
        with hold(session.conn, key, BUSY) as held:
            held.check(session.conn)
            assert not is_free(admin, key)
            seen.append(pids(admin))
        assert is_free(admin, key)
    assert len(seen[0]) == 1
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("wait", [True, False])
def test_a_lock_keeps_nobody_from_clearing_away_what_was_deleted(
    session: Session, admin: psycopg.Connection[Any], wait: bool
) -> None:
    with hold(session.conn, KEY, BUSY, wait=wait):
        idle = "SELECT state, backend_xmin FROM pg_stat_activity WHERE application_name LIKE 'luactl-lock%'"
        assert admin.execute(f"{idle} AND datname = current_database()").fetchall() == [
            ("idle in transaction", None)
        ]


def test_a_connection_that_was_ended_in_between_is_replaced(
    session: Session, admin: psycopg.Connection[Any]
) -> None:
    with hold(session.conn, KEY, BUSY):
        (first,) = pids(admin)
    admin.execute("SELECT pg_terminate_backend(%s, 10000)", (first,))
    with hold(session.conn, KEY, BUSY) as held:
        held.check(session.conn)
        assert pids(admin) != [first]


def test_a_lock_within_a_lock_leaves_the_outer_one_alone(
    session: Session, admin: psycopg.Connection[Any]
) -> None:
    with hold(session.conn, KEY, BUSY) as outer:
        with hold(session.conn, OTHER, BUSY) as inner:
            outer.check(session.conn)
            inner.check(session.conn)
            assert len(pids(admin)) == 2
        outer.check(session.conn)
        assert is_free(admin, OTHER)
    with hold(session.conn, KEY, BUSY):
        assert len(pids(admin)) == 1


def test_who_waited_in_vain_can_lock_again(session: Session, admin: psycopg.Connection[Any]) -> None:
    with admin.transaction():
        queries("exclusive").lock(admin, key=KEY)
        with (
            pytest.raises(BusyError, match="somebody else"),
            hold(session.conn, KEY, BUSY, lock_timeout="20ms"),
        ):
            pass
    with hold(session.conn, KEY, BUSY) as held:
        held.check(session.conn)


def test_both_connections_are_closed_together(login: Callable[..., Session]) -> None:
    conn = login("lua_operator").conn
    assert isinstance(conn, Paired)
    with hold(conn, KEY, BUSY):
        pass
    kept = conn._spare
    assert kept is not None
    assert not kept.closed
    conn.close()
    assert kept.closed
