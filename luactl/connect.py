"""The way into a database: profile, server, login, schema and row security, or a clear reason why not.

Also says what an error of Postgres means to a person, at connecting and in the middle of a command.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from . import db, schema
from .clock import Clock, ShiftedClock, SystemClock
from .config import Profile, find_paths, load_profile
from .db import Session
from .embedded import Server, bundled_binaries, running_port, start
from .errors import BusyError, LuactlError, NoConnectionError, RefusedError
from .exclusive import Paired

CONNECT_TIMEOUT = 10
RECOVERY_SECONDS = 30.0
MOST_APART = timedelta(hours=1)
PREPARE_THRESHOLD = 5
# A peer that vanished, by a firewall perhaps, is noticed within two minutes instead of two hours.
KEEPALIVES = {"keepalives_idle": 60, "keepalives_interval": 15, "keepalives_count": 4}
PASSWORD_HINT = "put it into ~/.pgpass or the file that PGPASSFILE names (mode 0600)"
ADMISSION = "`luactl tenant admit SLUG LOGIN`, by an administrator, lets a login work on a dedicated tenant"
DUTY = "duty rule "
"""What a refusal of `lua.check_duties` begins with."""
UNBOUND = re.compile(
    r"login (?P<login>\S+) belongs to nobody in force|"
    r"no undertaking of confidentiality is in force for (?P<who>\S+)"
)
"""What a refusal of `lua.require_bound` says."""
NOT_ADMITTED = re.compile(r"tenant \d{13,} is not for ")
OWN_LOGIN = re.compile(r"lua_t[0-9]+|lua_e[0-9]+_[0-9]+_[0-9a-f]{14}")
ELEVATED = re.compile(r"lua_e[0-9]+_([0-9]+)_[0-9a-f]{14}")
ROW_SECURITY_HINT = "connect as a login that is neither superuser nor BYPASSRLS; `luactl init` can make one"

Connection = psycopg.Connection[tuple[Any, ...]]


@contextmanager
def open_session(
    profile_name: str | None = None, *, command: str, say: Callable[[str], None] = lambda text: None
) -> Iterator[Session]:
    """Open the Session of a profile (None: LUACTL_PROFILE or the default one); closed at the end.

    `command` is noun and verb, for the ledger and pg_stat_activity; `say` hears of a server that is being
    started. Raises NoConnectionError, RefusedError (schema of another version, row security not at work).
    """
    with enter(load_profile(profile_name), command=command, say=say) as session:
        yield session


@contextmanager
def enter(
    profile: Profile, *, command: str, say: Callable[[str], None] = lambda text: None
) -> Iterator[Session]:
    """Open the Session of a profile that is read already, as `open_session` does."""
    with closing(connect(profile, command=command, say=say)) as conn:
        yield Session(conn, admit(conn), clock_of(profile), profile, command)


def clock_of(profile: Profile) -> Clock:
    """Return the clock that a profile's commands go by."""
    return ShiftedClock(profile.clock_shift) if profile.clock_shift else SystemClock()


def server_of(profile: Profile) -> Server:
    """Return the embedded server of a profile."""
    return Server(find_paths().server(profile.server_name), bundled_binaries())


def connect(profile: Profile, *, command: str, say: Callable[[str], None] = lambda text: None) -> Connection:
    """Connect (autocommit), starting or recovering the embedded server if the profile has one.

    Checks nothing about the database. Raises NoConnectionError, BusyError, and RefusedError for a production
    profile whose connection is not TLS verified in full.
    """
    if not profile.production:
        return _reach(profile, command, say)
    from .profile.production import demand_encrypted, demand_tls

    demand_tls(profile)
    conn = _reach(profile, command, say)
    demand_encrypted(conn, profile)
    return conn


def _reach(profile: Profile, command: str, say: Callable[[str], None]) -> Connection:
    if not profile.embedded:
        return dial(profile.dsn, passfile=profile.passfile, profile=profile.name, command=command)
    server = server_of(profile)
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        port = running_port(server)
        if port is None:
            say("starting the embedded database")
            port = start(server, say)
        try:
            dsn = f"{profile.dsn} port={port}"
            return dial(dsn, passfile=profile.passfile, profile=profile.name, command=command)
        except NoConnectionError as error:
            # A server that is being killed still looks alive for a moment, and then refuses or hangs up.
            if not isinstance(error.__cause__, psycopg.OperationalError) or time.monotonic() > deadline:
                raise
            if not _is_passing(str(error.__cause__)):
                raise
            time.sleep(0.02)


def dial(dsn: str, *, passfile: Path | None, profile: str, command: str) -> Connection:
    """Connect to a DSN (autocommit), with a password file of our own unless the DSN names one.

    `profile` is the name that an error tells. Raises NoConnectionError.
    """
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        if passfile is not None and "passfile" not in conninfo_to_dict(dsn):
            dsn = make_conninfo(dsn, passfile=str(passfile))
        return Paired.connect(
            dsn,
            autocommit=True,
            prepare_threshold=None,  # until `admit` has seen that no pooler is between
            connect_timeout=_time_out(conninfo_to_dict(dsn)),
            **_keepalives(conninfo_to_dict(dsn)),
            application_name=f"luactl {command}"[:63],
        )
    except psycopg.OperationalError as error:
        demand_in_time(str(conninfo_to_dict(dsn).get("user", "")), SystemClock().now())
        raise connection_failed(error, profile) from error
    except psycopg.ProgrammingError:
        raise NoConnectionError(
            f"the DSN of profile {profile!r} is malformed", hint="correct it in config.toml"
        ) from None


def demand_in_time(login: str, now: datetime) -> None:
    """Raise RefusedError for an elevated login whose time is over; its name says until when it goes."""
    found = ELEVATED.fullmatch(login)
    if found is not None and now.timestamp() >= int(found[1]):
        until = datetime.fromtimestamp(int(found[1]), UTC)
        raise RefusedError(
            f"the elevation is over: it went until {until:%Y-%m-%d %H:%M:%S} UTC",
            hint="go on with your own profile; `luactl access elevate` asks anew",
        )


def _time_out(given: Mapping[str, Any]) -> int | None:
    """Return our own time-out; None, which libpq overlooks, where DSN, service or environment say it."""
    said = {"connect_timeout", "service"} & given.keys() or {
        "PGCONNECT_TIMEOUT",
        "PGSERVICE",
    } & os.environ.keys()
    return None if said else CONNECT_TIMEOUT


def _keepalives(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return our own, unless the DSN or a service says anything about them."""
    said = any(name == "service" or name.startswith(("keepalives", "tcp_user")) for name in given)
    return {} if said or "PGSERVICE" in os.environ else KEEPALIVES


# A pooler tells another process than the one that serves: what is set for a session would be somebody else's
# next. Without one, statements outside of our transactions wait no longer for a lock than those within, and
# who was given row_security = off for good works on, so that drift can tell of it.
_QUESTION = sql.SQL(
    "BEGIN READ ONLY; SET LOCAL lua.tenant_id = 0; SET LOCAL lock_timeout = {limit};"
    " SET LOCAL row_security = on; SELECT session_user,"
    " (SELECT max(version) FROM lua.migration), ARRAY(SELECT tenant_id FROM lua.sentinel), pg_backend_pid(),"
    " clock_timestamp(); SELECT set_config('lock_timeout', {limit}, false),"
    " set_config('row_security', 'on', false) WHERE pg_backend_pid() = {ours}; COMMIT"
)


def admit(conn: Connection) -> str:
    """Return who Postgres says we are; checks schema version, row security and clocks in one round trip.

    Raises RefusedError when the login has no rights here, the schema has another version, row security does
    not keep tenants apart for this login, or this host's clock and the server's are more than an hour apart.
    """
    limit, ours = sql.Literal(db.LOCK_TIMEOUT), sql.Literal(conn.info.backend_pid)
    try:
        cursor = conn.execute(_QUESTION.format(limit=limit, ours=ours))
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        conn.rollback()
        schema.check_version(None)
        raise
    except psycopg.errors.InsufficientPrivilege as error:
        conn.rollback()
        raise RefusedError(
            f"login {conn.info.user!r} has no rights in this database",
            hint="ask an administrator for membership in a group role such as lua_auditor",
        ) from error
    except psycopg.OperationalError as error:
        raise explain(error) from error
    for _ in range(4):
        cursor.nextset()
    actor, version, seen, pid, at = cursor.fetchall()[0]
    schema.check_version(version)
    _check_clock(at)
    demand_in_time(actor, at)
    # The sentinel is no row of a dedicated tenant's own login, nor of an elevated one: they see one tenant.
    if seen != ([] if OWN_LOGIN.fullmatch(actor) else [0]):
        raise RefusedError(
            f"row level security does not bind {actor!r}: tenants would not be kept apart",
            hint=ROW_SECURITY_HINT,
        )
    if pid == conn.info.backend_pid:
        conn.prepare_threshold = PREPARE_THRESHOLD
    return str(actor)


def _check_clock(theirs: datetime) -> None:
    """Refuse to work by a wrong clock: what is due, who may still and what is recorded all depend on it."""
    apart = SystemClock().now() - theirs
    if abs(apart) > MOST_APART:
        word = "ahead of" if apart > timedelta(0) else "behind"
        by = timedelta(seconds=round(abs(apart).total_seconds()))
        raise RefusedError(
            f"this host's clock is {word} the server's, by {by} h",
            hint="set right whichever is wrong (NTP), then run it again; nothing was changed",
        )


# What libpq and the server say when no connection comes about (there is no SQLSTATE then), and what it means.
_REASONS = (
    ("could not translate host name", "the server's name is unknown", "correct the host in the DSN"),
    ("failed to resolve host", "the server's name is unknown", "correct the host in the DSN"),
    ("could not parse network address", "the address is malformed", "correct hostaddr in the DSN"),
    ("connection refused", "nothing answers there", "is the server running? are host and port right?"),
    ("no such file or directory", "no server listens on that socket", "name a host in the DSN"),
    ("no route to host", "the server cannot be reached from here", "check network and firewall"),
    ("network is unreachable", "the server cannot be reached from here", "check network and firewall"),
    ("connection timed out", "no answer", "check host, port and firewall"),
    ("connection reset", "the connection was cut", "check the network and what stands between"),
    ("timeout expired", f"no answer within {CONNECT_TIMEOUT} s", "check host, port and firewall"),
    ("no password supplied", "the server wants a password and none is stored", PASSWORD_HINT),
    ("password authentication failed", "wrong user or password", "correct the user, or the password file"),
    ("sasl authentication failed", "wrong user or password", "correct the user, or the password file"),
    (
        "no pg_hba.conf entry",
        "the server does not admit this login from here",
        "see its pg_hba.conf: login, database, address, and whether it wants TLS (sslmode)",
    ),
    (
        "requires a valid client certificate",
        "the server wants a client certificate",
        "name one with sslcert and sslkey, or put it into ~/.postgresql/",
    ),
    (
        "certificate authentication failed",
        "the client certificate is not for this login",
        "its common name is the login: correct the user, or sslcert and sslkey",
    ),
    (
        "unknown ca",
        "the server does not trust the client certificate",
        "its authority must stand in the server's ssl_ca_file: correct sslcert, or ask there",
    ),
    (
        "has group or world access",
        "others may read the key of the client certificate, so it is not used",
        "chmod 600 the file that sslkey names",
    ),
    (
        "could not load private key file",
        "the key of the client certificate does not fit",
        "correct sslcert and sslkey: they belong together",
    ),
    (
        "certificate present, but not private key",
        "the key of the client certificate is missing",
        "correct sslkey",
    ),
    (
        "could not read certificate file",
        "the client certificate cannot be read",
        "correct sslcert in the DSN or the service",
    ),
    ("certificate verify failed", "the server's certificate is not one we trust", "check sslrootcert"),
    ("server certificate for", "the server's certificate names another host", "check host and certificate"),
    ("server does not support ssl", "the server offers no TLS", "turn TLS on there"),
    ("root certificate file", "the file that sslrootcert names is missing", "correct sslrootcert in the DSN"),
    ("ssl error", "no TLS connection comes about", "check sslmode, sslrootcert and the server's TLS"),
    ("is not permitted to log in", "that role may not log in", "use another user in the DSN"),
    ("too many", "the server takes no more connections", "close some, or raise max_connections"),
    ("connection slots", "the server takes no more connections", "close some, or raise max_connections"),
    ("the database system is", "the server is starting or stopping", "wait a moment, then run it again"),
    ("server closed the connection", "the server hung up", "look into the server's log"),
    ("eof detected", "the server hung up", "look into the server's log"),
)
_PASSING = (
    "connection refused", "server closed the connection", "the database system is", "connection reset",
    "terminating connection",
)  # fmt: skip


def _is_passing(message: str) -> bool:
    return any(sign in message.lower() for sign in _PASSING)


def connection_failed(error: psycopg.OperationalError, profile: str) -> NoConnectionError:
    """Say why no connection came about, and what to do about it."""
    lines = str(error).strip().splitlines() or ["no reason given"]
    message = str(error).lower()
    failed = f"cannot connect with profile {profile!r}"
    missing = re.search(r'(database|role) "[^"]*" does not exist', message)
    if missing:
        return NoConnectionError(
            f"{failed}: the {missing[1]} does not exist there", hint=f"correct the {missing[1]} in the DSN"
        )
    for sign, meaning, hint in _REASONS:
        if sign in message:
            return NoConnectionError(f"{failed}: {meaning}", hint=hint)
    return NoConnectionError(f"{failed}: {lines[-1].strip()}", hint="check the profile's DSN")


_GAVE_UP = (
    psycopg.errors.QueryCanceled, psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout, psycopg.errors.TooManyConnections, psycopg.errors.OutOfMemory,
)  # fmt: skip


def explain(error: psycopg.Error) -> LuactlError:
    """Say what an error of Postgres in the middle of a command means, with the right exit code."""
    told = _explain(error)
    told.__cause__ = error
    return told


def _binding(login: str | None, who: str | None) -> str:
    if login is not None:
        return f"`luactl access adopt {login} --person HANDLE` writes down whose it is; then what they signed"
    return f"record it, then run this again; `luactl staff show {who}` tells what is missing"


def _no_right(said: str) -> RefusedError:
    """Say which right was missing, or which rule forbids it, and what would help."""
    if said.startswith(DUTY):
        return RefusedError(
            said,
            hint="`luactl access duty list` shows the rules; one is waived by `luactl access duty waive`",
        )
    unbound = UNBOUND.fullmatch(said)
    if unbound is not None:
        return RefusedError(f"{said} (Art. 28(3)(b) GDPR)", hint=_binding(**unbound.groupdict()))
    admitting = NOT_ADMITTED.match(said)
    return RefusedError(
        f"you have no right to do this: {said}",
        hint=ADMISSION if admitting else "docs/reference/roles.md says which group role has it",
    )


def _explain(error: psycopg.Error) -> LuactlError:
    e = psycopg.errors
    said = error.diag.message_primary or str(error).strip().partition("\n")[0]
    if isinstance(error, e.SerializationFailure) and "recovery" in said:
        return BusyError("the standby had to go on with replication", hint="run it again, or on the primary")
    if isinstance(error, (e.LockNotAvailable, e.DeadlockDetected, e.SerializationFailure)):
        who = "".join(getattr(error, "__notes__", ()))
        return BusyError(
            f"somebody else is changing the same data{': perhaps ' if who else ''}{who}",
            hint="run it again; what was not committed was rolled back",
        )
    if isinstance(error, _GAVE_UP):
        return BusyError(f"the database gave up: {said}", hint="run it again when the server has less to do")
    if "read-only file system" in said.lower() or isinstance(error, e.IoError):
        return LuactlError(
            f"the database server's disk does not take or give data: {said}",
            hint="have its administrator look at the disk; what was not committed was rolled back",
        )
    if isinstance(error, e.InsufficientPrivilege):
        return _no_right(said)
    if isinstance(error, e.DiskFull):
        return LuactlError(
            "the database server's disk is full",
            hint="make room there, then run it again; what was not committed was rolled back",
        )
    if isinstance(error, e.ReadOnlySqlTransaction):
        return NoConnectionError(
            "the server takes no changes: it is a standby, or made read-only",
            hint="connect to the primary; or have its DBA look at default_transaction_read_only",
        )
    if "statement pooling mode" in said:
        return RefusedError(
            "the pooler takes transactions apart", hint="give this database pool_mode = transaction there"
        )
    if "query_wait_timeout" in said:
        return BusyError(
            "the pooler had no connection to the server free in time",
            hint="raise its default_pool_size: luactl uses two connections at a time; or run it again",
        )
    if isinstance(error, psycopg.OperationalError) and _is_gone(error):
        why = f": {said}" if error.sqlstate else ""  # else the driver's own words, which help nobody
        return NoConnectionError(
            f"the connection to the database was lost in the middle of the command{why}",
            hint="what was not committed was rolled back; run it again when the server is back",
        )
    if error.sqlstate is None:
        return LuactlError(
            f"unexpected {type(error).__name__}: {said}",
            hint="this is a fault in luactl; repeat with --debug to see where",
        )
    return LuactlError(f"the database refused: {said}", hint="repeat with --debug to see where")


def _is_gone(error: psycopg.Error) -> bool:
    """Whether the connection is lost: SQLSTATE class 08 or 57P0x, or none at all because libpq noticed it."""
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P0"))
