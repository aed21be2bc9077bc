"""The everyday login: a role of its own with a random password in a password file of our own."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from ..config import write_private
from ..connect import Connection
from ..db import queries
from ..errors import RefusedError, UsageError
from ..passfile import new_password, password_in, verifier_of, with_password
from ..shipped import OF_PEOPLE

LONGEST_NAME = 63
CONNECTIONS = 50
"""How many connections a new login may have at once."""
PER_GRANTOR = 160000
"""The first server version in which a role is changed only by who has ADMIN on it."""


def is_login_name(login: str) -> bool:
    """Tell whether a login may have that name: neither Postgres nor luactl reserves it."""
    reserved = login.startswith(("pg_", "lua_")) or login in ("public", "none")
    return not reserved and login.isprintable() and 0 < len(login.encode()) <= LONGEST_NAME


def check_login_name(login: str) -> None:
    """Refuse what Postgres or luactl reserves. Raises UsageError."""
    if not is_login_name(login):
        raise UsageError(
            f"{login!r} cannot be the name of a login", hint="name another one: `luactl init --login NAME`"
        )


def password_of(passfile: Path, login: str) -> str | None:
    """Return the password that our own file has for a login, None if it has none."""
    return password_in(passfile.read_text(encoding="utf-8"), login) if passfile.exists() else None


def _store_password(passfile: Path, login: str) -> str:
    """Return the stored password, or store a new one; it is never written over."""
    stored = password_of(passfile, login)
    if stored is not None:
        return stored
    password = new_password()
    earlier = passfile.read_text(encoding="utf-8") if passfile.exists() else ""
    write_private(passfile, with_password(earlier, login, password))
    return password


def lacks_login(conn: Connection, login: str, passfile: Path | None) -> bool:
    """Whether the login, its membership in any group role, or its password in `passfile` is missing.

    `passfile` None: its password is not ours. Raises RefusedError where row security does not bind it.
    """
    known = queries("init").login(conn, login=login)
    if known is None:
        return True
    can_login, unbound, groups = known
    if unbound:
        raise RefusedError(
            f"row security does not bind {login!r}: it is superuser or BYPASSRLS",
            hint="name another everyday login: `luactl init --login NAME`",
        )
    return not (can_login and groups and (passfile is None or password_of(passfile, login)))


def ensure_login(conn: Connection, login: str, passfile: Path | None) -> None:
    """Make the login, or repair it, in the running transaction; only its SCRAM verifier reaches the server.

    A login that is in any group role already keeps just what it has.
    """
    known = queries("init").login(conn, login=login)
    name = sql.Identifier(login)
    if passfile is not None:
        password = _store_password(passfile, login)  # before the role, so that it cannot be lost in between
        verifier = verifier_of(conn, login, password)
        verb = sql.SQL("CREATE ROLE {} CONNECTION LIMIT {}" if known is None else "ALTER ROLE {}")
        conn.execute("SET LOCAL log_statement = 'none'")
        made = verb.format(name, sql.Literal(CONNECTIONS))
        conn.execute(sql.SQL("{} LOGIN PASSWORD {}").format(made, sql.Literal(verifier)))
    elif known is not None and not known[0]:
        raise RefusedError(f"role {login!r} may not log in", hint="name another login, or let it log in")
    if known is None or not known[2]:
        groups = sql.SQL(", ").join(map(sql.Identifier, OF_PEOPLE))
        # As if by luactl's own functions: so they can change it, and it is no grant behind their back.
        conn.execute(sql.SQL("GRANT {} TO {} GRANTED BY lua_rolekeeper").format(groups, name))
    if known is None and conn.info.server_version >= PER_GRANTOR:
        handed = sql.SQL("GRANT {} TO lua_rolekeeper WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
        conn.execute(handed.format(name))
