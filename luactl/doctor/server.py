"""Checks of the connection, the server and the schema, whatever version that has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from .. import schema
from ..connect import admit
from ..db import queries
from ..profile.libpq import effective
from ..tenant import faults
from .finding import Finding, Look

SUPPORTED = (15, 17, 18)
MOST_SKEW = timedelta(seconds=5)
LOCAL = ("localhost", "127.0.0.1", "::1")


def tls(look: Look) -> Iterator[Finding]:
    """Yield a connection to another host that is not encrypted, or whose server is not verified."""
    host = look.connection.info.host
    if host in LOCAL or host.startswith(("/", "@")):
        return
    if not look.connection.pgconn.ssl_in_use:
        yield Finding(
            f"the connection to {host} is not encrypted", "add sslmode=verify-full to the profile's dsn"
        )
        return
    mode = next((one for one in effective(look.profile, look.environ) if one.setting == "sslmode"), None)
    if mode is None or mode.value not in ("verify-ca", "verify-full"):
        told = f"sslmode is {mode.value}, from {mode.origin}" if mode else "sslmode is not set"
        yield Finding(
            f"nobody verifies that the server is {host}: {told}", "set sslmode=verify-full and sslrootcert"
        )


def versions(look: Look) -> Iterator[Finding]:
    """Yield a server of a version that luactl is not tested with."""
    yield from unsupported(look.connection.info.server_version // 10000)


def unsupported(major: int) -> Iterator[Finding]:
    """Yield a finding for a major version that is none of those tested."""
    if major not in SUPPORTED:
        yield Finding(
            f"the server is Postgres {major}", f"luactl is tested with {', '.join(map(str, SUPPORTED))}"
        )


def standby(look: Look) -> Iterator[Finding]:
    """Yield a server that takes no changes."""
    if queries("doctor").is_standby(look.connection):
        yield Finding("the server is a read-only standby", "name the primary in the profile's dsn")


def clock(look: Look) -> Iterator[Finding]:
    """Yield a difference between this host's clock and the server's, beyond what the question itself took."""
    before = look.clock.now()
    there = queries("doctor").clock(look.connection)
    after = look.clock.now()
    skew = max(there - after, before - there, timedelta(0))
    if skew > MOST_SKEW:
        yield Finding(
            f"the clocks of this host and the server differ by {skew.total_seconds():,.0f} s",
            "let both follow NTP: deadlines and the ledger's times go by them",
        )


def schema_version(look: Look) -> Iterator[Finding]:
    """Yield a schema of another version than this luactl's, and migrations that ran with another text."""
    conn = look.connection
    readable = queries("database").may_read_version(conn)
    if readable is False:
        yield Finding("this login may not see the schema's version", "it needs membership in a group role")
        return
    version = queries("database").version(conn) if readable else None
    if version is None:
        yield Finding("the database has no luactl schema", "run `luactl init`")
    elif version > schema.newest_version():
        yield Finding(f"the schema is newer ({version}) than this luactl", "upgrade luactl")
    elif version < schema.newest_version():
        yield Finding(
            f"the schema has version {version}, not {schema.newest_version()}", "run `luactl db migrate`"
        )
    else:
        schema.pending(conn)


def members(look: Look) -> Iterator[Finding]:
    """Yield who was made a member of the owner or the definer."""
    for role, member in queries("doctor").members(look.connection):
        yield Finding(
            f"{member} is a member of {role}, past all rights and row security",
            f'REVOKE {role} FROM "{member}"; after a migration: `luactl db sql-roles --after`',
        )


def row_security(look: Look) -> Iterator[Finding]:
    """Yield tables whose row security is off; a login that it does not bind is an error of `admit`."""
    for (table,) in queries("doctor").unbound(look.connection):
        yield Finding(
            f"row security does not hold on {table}", f"ALTER TABLE {table} ENABLE, FORCE ROW LEVEL SECURITY"
        )
    admit(look.connection)


def isolation(look: Look) -> Iterator[Finding]:
    """Yield what is not as creating dedicated tenants made it: roles, partitions, their row security."""
    for one in faults(look.opened):
        yield Finding(f"{one.slug or 'pooled tenants'}: {one.what}", one.mend)
