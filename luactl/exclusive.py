"""A lock that is held over several transactions, and that a connection pooler cannot lose.

A pooler in transaction mode hands the server's session to somebody else after every transaction, and with it
whatever the session had locked. So the lock belongs to an open transaction of a second connection. If that
one is lost, the lock is gone while the work goes on: `Hold.check` asks, on the connection of the work, before
anything that cannot be taken back. A `Paired` connection keeps its second one until it is closed itself: a
login with TLS costs more than all else about a lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from . import db
from .db import queries
from .errors import BusyError, NoConnectionError

Connection = psycopg.Connection[tuple[Any, ...]]
IDLE, UNKNOWN = psycopg.pq.TransactionStatus.IDLE, psycopg.pq.TransactionStatus.UNKNOWN

TRANSACTION_TIMEOUT_SINCE = 170000
KEEPALIVE_SECONDS = 60


class Paired(psycopg.Connection[tuple[Any, ...]]):
    """A connection that keeps the second one, on which its locks are held, and closes it with itself."""

    _spare: Connection | None = None

    @contextmanager
    def beside(self) -> Iterator[Connection]:
        """Yield the second connection, made at the first lock; another one for a lock within a lock.

        Raises NoConnectionError.
        """
        kept, self._spare = self._spare, None
        if kept is not None and not _answers(kept):
            kept.close()
            kept = None
        found = kept or _dial_beside(self)
        try:
            yield found
        finally:
            if self.closed or self._spare or found.info.transaction_status != IDLE:
                found.close()
            else:
                self._spare = found

    def close(self) -> None:
        """Close both."""
        kept, self._spare = self._spare, None
        if kept is not None:
            kept.close()
        super().close()


def _answers(conn: Connection) -> bool:
    """Whether a connection that lay idle is still there: servers and poolers end idle ones."""
    try:
        conn.execute("")
    except psycopg.OperationalError:
        return False
    return True


@dataclass(frozen=True)
class Hold:
    """A lock that we hold: its key, and the one transaction (Postgres's virtual id) that has it."""

    key: int
    holder: str

    def check(self, conn: Connection) -> None:
        """Ask on the connection of the work whether the lock was ours all the time. Raises BusyError."""
        if not queries("exclusive").is_held(conn, key=self.key, holder=self.holder):
            raise BusyError(
                "the connection that held the lock was lost",
                hint="does the server or a pooler end idle transactions? run it again",
            )


@contextmanager
def hold(
    conn: Connection, key: int, busy: BusyError, *, lock_timeout: str | None = None, wait: bool = True
) -> Iterator[Hold]:
    """Hold the advisory lock of a key (64 bits) while the block runs, whatever transactions `conn` has in it.

    Waits as long as `lock_timeout` says (`db.LOCK_TIMEOUT` without one), or not at all; then raises `busy`.
    Raises NoConnectionError when there is no second connection to be had, RuntimeError within a transaction
    of `conn`.
    """
    if conn.info.transaction_status not in (IDLE, UNKNOWN):
        raise RuntimeError("a lock over several transactions is taken outside of one")
    with _beside(conn) as beside:
        try:
            holder = _take(beside, key, lock_timeout or db.LOCK_TIMEOUT, wait)
            if holder is None:
                who = db.in_the_way(conn, key)
                raise BusyError(f"{busy.what}: {who}" if who else busy.what, hint=busy.hint)
            yield Hold(key, holder)
        finally:
            # If this connection is gone, then so is the lock.
            with suppress(psycopg.OperationalError):
                beside.execute("COMMIT")


def _take(beside: Connection, key: int, lock_timeout: str, wait: bool) -> str | None:
    """Begin the transaction that has the lock; return its virtual id, None when somebody else has it."""
    settings = {"lock_timeout": lock_timeout, "statement_timeout": "0"}
    settings["idle_in_transaction_session_timeout"] = "0"
    if beside.info.server_version >= TRANSACTION_TIMEOUT_SINCE:
        settings["transaction_timeout"] = "0"
    local = [
        sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value))
        for name, value in settings.items()
    ]
    beside.execute(sql.SQL("; ").join([sql.SQL("BEGIN"), *local]))
    noun = queries("exclusive")
    try:
        taken = noun.lock(beside, key=key) if wait else noun.try_lock(beside, key=key)
    except psycopg.errors.LockNotAvailable:
        return None
    return str(noun.holder(beside)) if taken else None


@contextmanager
def _beside(conn: Connection) -> Iterator[Connection]:
    """Yield a second connection, which a pair keeps for its next lock."""
    if isinstance(conn, Paired):
        with conn.beside() as kept:
            yield kept
    else:
        with closing(_dial_beside(conn)) as beside:
            yield beside


def _dial_beside(conn: Connection) -> Connection:
    """Connect once more, as the same login to the very same server."""
    info = conn.info
    there = {"host": info.host, "port": str(info.port)}
    there |= {"hostaddr": info.hostaddr} if info.hostaddr else {}
    name = info.get_parameters().get("application_name", "luactl").removeprefix("luactl").strip()
    try:
        return psycopg.connect(
            make_conninfo(info.dsn, **there),
            password=info.password or None,
            autocommit=True,
            prepare_threshold=None,
            application_name=f"luactl-lock {name}".strip()[:63],
            keepalives_idle=KEEPALIVE_SECONDS,
        )
    except psycopg.OperationalError as error:
        said = (str(error).strip().splitlines() or ["no reason given"])[-1]
        raise NoConnectionError(
            f"no second connection for the lock: {said.strip()}",
            hint="server and pooler must let this login in twice at a time",
        ) from error
