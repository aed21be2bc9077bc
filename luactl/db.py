"""The session with Postgres: one connection, who speaks through it, by which clock, with which keys.

Owns transactions, tenant context, time-outs and the loading of named queries. It knows no noun.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from .clock import Clock

if TYPE_CHECKING:
    from .config import Profile

# Without it the driver's remarks, made while an error is on its way, would go raw to standard error.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

LOCK_TIMEOUT = "10s"
STATEMENT_TIMEOUT = "10min"
CANCEL_SECONDS = 5.0
Step = Callable[[str], None]


def unheard(_name: str) -> None:
    """Let a step pass: nobody listens."""


@dataclass(frozen=True)
class Session:
    """Everything an engine function needs.

    `conn` is in autocommit mode: every transaction is explicit (see `transaction`). `actor` is the
    login that Postgres authenticated (session_user). `command` is what the ledger says was run.
    """

    conn: psycopg.Connection[tuple[Any, ...]]
    actor: str
    clock: Clock
    profile: Profile
    command: str
    on_behalf: str | None = None
    step: Step = unheard
    """Hears of each point of a change at which a crash would matter, when it is reached
    (docs/reference/failures.md names them): a screen shows it, tests strike there."""


@cache
def queries(noun: str) -> Any:
    """Load the named queries of `sql/queries/<noun>.sql` (aiosql's format); parameters are `:name`."""
    import aiosql

    text = files("luactl.sql").joinpath("queries", f"{noun}.sql").read_text(encoding="utf-8")
    return aiosql.from_str(text, "psycopg", mandatory_parameters=False)


@contextmanager
def transaction(
    session: Session, tenant_id: int | None = None, *, lock_timeout: str | None = None
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Run one top-level transaction, in the context of a tenant if one is given.

    The context is a SET LOCAL statement of its own at the top level, never set_config() and never
    nested: elsewhere policies would silently see nothing. Waits for locks as long as `lock_timeout` says,
    LOCK_TIMEOUT without one. Raises RuntimeError when nested.
    """
    if session.conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raise RuntimeError("a tenant's transaction must be a top-level one")
    with session.conn.transaction():
        settings = [
            sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(lock_timeout or LOCK_TIMEOUT)),
            sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(STATEMENT_TIMEOUT)),
        ]
        if tenant_id is not None:
            settings.append(sql.SQL("SET LOCAL lua.tenant_id = {}").format(sql.Literal(int(tenant_id))))
        session.conn.execute(sql.SQL("; ").join(settings))
        yield session.conn
        session.step("about to commit")
    session.step("committed")


@contextmanager
def pipeline(conn: psycopg.Connection[tuple[Any, ...]]) -> Iterator[None]:
    """Send statements without waiting for each; after Ctrl-C none of them is waited for either."""
    with conn.pipeline():
        try:
            yield
        except KeyboardInterrupt:
            conn.cancel_safe(timeout=CANCEL_SECONDS)
            raise


def in_context(session: Session, tenant_id: int) -> None:
    """Move the running transaction on to another tenant (for work that spans several)."""
    session.conn.execute(sql.SQL("SET LOCAL lua.tenant_id = {}").format(sql.Literal(int(tenant_id))))
