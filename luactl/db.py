"""The session with Postgres: one connection, who speaks through it, by which clock, with which keys.

Owns transactions, tenant context, time-outs and the loading of named queries. It knows no noun.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from .clock import Clock
from .errors import NoConnectionError

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
    session: Session,
    tenant_id: int | None = None,
    *,
    lock_timeout: str | None = None,
    durable: bool = False,
    snapshot: bool = False,
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Run one top-level transaction, in the context of a tenant if one is given.

    `durable`: COMMIT is answered when it is on disk, whatever the login's or the server's settings say.
    `snapshot`: it reads the state of one moment, and changes nothing.

    The context is a SET LOCAL statement of its own at the top level, never set_config() and never
    nested: elsewhere policies would silently see nothing. Waits for locks as long as `lock_timeout` says,
    LOCK_TIMEOUT without one; a time-out has a note of who may be in the way. `psycopg.Rollback` ends it
    without a change. Raises RuntimeError when nested, NoConnectionError when the connection is lost before
    COMMIT is answered.
    """
    if session.conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raise RuntimeError("a tenant's transaction must be a top-level one")
    committing = False
    try:
        with _block(session.conn, _beginning(tenant_id, lock_timeout or LOCK_TIMEOUT, durable, snapshot)):
            yield session.conn
            session.step("about to commit")
            committing = True
    except psycopg.errors.LockNotAvailable as error:
        error.add_note(in_the_way(session.conn))
        raise
    except psycopg.OperationalError as error:
        if committing and session.conn.closed:
            raise NoConnectionError(
                "the connection was lost while the server committed: nobody here knows whether it did",
                hint="run it again: it finds what is there, and does the rest",
            ) from error
        raise
    session.step("committed")


@contextmanager
def _block(conn: psycopg.Connection[tuple[Any, ...]], beginning: bytes) -> Iterator[None]:
    """Begin and set in one round trip; commit at the end, or take back whatever went wrong."""
    try:
        conn.execute(beginning)
        yield
    except BaseException as error:
        with suppress(psycopg.Error):  # the other error is on its way already
            conn.rollback()
        if not isinstance(error, psycopg.Rollback):
            raise
    else:
        conn.commit()


@lru_cache(maxsize=1024)
def _beginning(tenant_id: int | None, lock_timeout: str, durable: bool, snapshot: bool) -> bytes:
    settings: list[sql.Composable] = [
        sql.SQL("BEGIN"),
        sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(lock_timeout)),
        sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(STATEMENT_TIMEOUT)),
    ]
    if snapshot:
        settings.append(sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    if durable:
        settings.append(sql.SQL("SET LOCAL synchronous_commit = on"))
    if tenant_id is not None:
        settings.append(sql.SQL("SET LOCAL lua.tenant_id = {}").format(sql.Literal(int(tenant_id))))
    return sql.SQL("; ").join(settings).as_bytes(None)


def in_the_way(conn: psycopg.Connection[tuple[Any, ...]], key: int | None = None) -> str:
    """Say who holds the advisory lock of a key, or else locks on data of ours; empty when nobody is seen."""
    noun, found = queries("exclusive"), []
    with suppress(psycopg.Error):  # the one who asks is on the way to tell another error
        found = list(noun.writers(conn) if key is None else noun.holders(conn, key=key))
    return ", ".join(f"{login} ({name or 'no name'}, pid {pid})" for pid, login, name in found)


def is_direct(conn: psycopg.Connection[tuple[Any, ...]]) -> bool:
    """Whether no pooler is between us and the server, as `connect.admit` has seen."""
    return conn.prepare_threshold is not None


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
