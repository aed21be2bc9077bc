"""Waiting without sleeping: for an answer, and for the end of the connections to a database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

PATIENCE = 60.0
HERE = "FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"


def until(question: Callable[[], object]) -> None:
    """Return once the answer is yes. Fails when nobody has patience any more."""
    deadline = time.monotonic() + PATIENCE
    while not question():
        assert time.monotonic() < deadline


def leave(conn: psycopg.Connection[Any], database: str) -> None:
    """End all connections to a database; return when they are gone."""
    conn.execute(f"SELECT pg_terminate_backend(pid) {HERE}".encode(), (database,))
    until(lambda: conn.execute(f"SELECT {HERE}".encode(), (database,)).rowcount == 0)


def drop_database(conn: psycopg.Connection[Any], database: str) -> None:
    """Drop a database, if it is there, with all connections to it.

    DROP DATABASE itself would look only every 0.1 s whether they have ended.
    """
    leave(conn, database)
    conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
