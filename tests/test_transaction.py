"""Transactions: what is set in them, and what is left of one that fails."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from luactl.db import Session, transaction

IDLE = psycopg.pq.TransactionStatus.IDLE


def shown(conn: psycopg.Connection[Any], name: str) -> str:
    row = conn.execute("SELECT current_setting(%s, true)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def test_settings_hold_within_and_end_with_it(session: Session) -> None:
    session.conn.execute("SET synchronous_commit = off")
    with transaction(session, 7, lock_timeout="123ms", durable=True) as conn:
        names = ("lock_timeout", "statement_timeout", "lua.tenant_id", "synchronous_commit")
        assert [shown(conn, name) for name in names] == ["123ms", "10min", "7", "on"]
    with transaction(session) as conn:
        assert shown(conn, "synchronous_commit") == "off"
        assert shown(conn, "lua.tenant_id") == ""
        assert shown(conn, "transaction_isolation") == "read committed"
    with transaction(session, snapshot=True) as conn:
        names = ("transaction_isolation", "transaction_read_only")
        assert [shown(conn, name) for name in names] == ["repeatable read", "on"]


@pytest.mark.parametrize("error", [psycopg.Rollback, ValueError, KeyboardInterrupt])
def test_what_fails_or_is_taken_back_leaves_nothing(
    session: Session, admin: psycopg.Connection[Any], error: type[BaseException]
) -> None:
    admin.execute("CREATE TABLE public.tried (n int)")
    admin.execute("GRANT ALL ON public.tried TO PUBLIC")
    admin.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")

    def attempt() -> None:
        with transaction(session) as conn:
            conn.execute("INSERT INTO public.tried VALUES (1)")
            raise error

    if error is psycopg.Rollback:
        attempt()
    else:
        with pytest.raises(error):
            attempt()
    assert session.conn.info.transaction_status == IDLE
    assert admin.execute("SELECT count(*) FROM public.tried").fetchone() == (0,)


def test_one_that_cannot_begin_leaves_the_connection_usable(session: Session) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue), transaction(session, lock_timeout="soon"):
        pass
    with transaction(session) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_none_is_nested(session: Session) -> None:
    with transaction(session), pytest.raises(RuntimeError, match="top-level"), transaction(session):
        pass
