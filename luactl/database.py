"""The database behind a profile: its schema's version, how to reach it, and what a DBA must prepare.

Migrations themselves are `luactl.schema`'s; here stands who may run them and what the ledger keeps of it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from . import embedded, schema
from .config import Profile, check_dsn
from .connect import Connection, clock_of, connect, dial, server_of
from .db import Session, queries
from .errors import NoConnectionError, RefusedError, UsageError
from .profile.libpq import same_database
from .shipped import OF_PEOPLE

Say = Callable[[str], None]


@dataclass(frozen=True)
class Status:
    """A database as `luactl db status` shows it."""

    profile: str
    production: bool
    server: str
    """Host and port, or the socket's folder."""
    database: str
    login: str
    server_version: str
    standby: bool
    tls: str | None
    """Protocol of the connection, None without TLS."""
    schema_version: int | None
    """The newest migration that ran; None: none did, or this login may not know."""
    needed_version: int
    """What this luactl works with."""
    state: str
    """current, empty, older, newer or hidden."""
    size: int
    """Bytes on disk."""


@dataclass(frozen=True)
class Migrated:
    """What a migration did, or would do."""

    database: str
    login: str
    migrations: tuple[str, ...]
    """As `0002_lua`; empty when the schema was current."""
    version: int


def status(conn: Connection, profile: Profile) -> Status:
    """Describe a database whose schema may be of any version. Changes nothing."""
    ask = queries("database")
    server_version, standby, database, login, size, tls = ask.facts(conn)
    readable = ask.may_read_version(conn)
    version = ask.version(conn) if readable else None
    return Status(
        profile=profile.name,
        production=profile.production,
        server=f"{conn.info.host}:{conn.info.port}",
        database=database,
        login=login,
        server_version=server_version,
        standby=standby,
        tls=tls,
        schema_version=version,
        needed_version=schema.newest_version(),
        state=_state(readable, version),
        size=size,
    )


def _state(readable: bool | None, version: int | None) -> str:
    if readable is False:
        return "hidden"
    if version is None:
        return "empty"
    newest = schema.newest_version()
    return "current" if version == newest else "older" if version < newest else "newer"


@contextmanager
def migrator(profile: Profile, dsn: str | None, say: Say = lambda text: None) -> Iterator[Session]:
    """Open a session that may change the schema: by `dsn`, or as the superuser of an embedded server.

    Raises RefusedError when the login has not the rights or the DSN names another database.
    """
    with closing(_connection(profile, dsn, say)) as conn:
        if not queries("database").may_migrate(conn):
            raise RefusedError(
                f"login {conn.info.user!r} may not change the schema",
                hint="--dsn names a login that may; `luactl db sql-roles` prints what a DBA runs to make one",
            )
        yield Session(conn, conn.info.user, clock_of(profile), profile, "db migrate")


def _connection(profile: Profile, dsn: str | None, say: Say) -> Connection:
    if dsn is not None:
        if profile.embedded or not same_database(profile, dsn):
            raise RefusedError(
                f"the DSN does not name the database of profile {profile.name!r}",
                hint="give the profile's own DSN with another user; `luactl db url` shows it",
            )
        return connect(replace(profile, dsn=dsn, passfile=None), command="db migrate", say=say)
    if not profile.embedded:
        return connect(profile, command="db migrate", say=say)
    server = server_of(profile)
    port = embedded.start(server, say)
    reach = embedded.superuser_conninfo(server, check_dsn(profile.dsn)["dbname"], port)
    return dial(reach, passfile=None, profile=f"{profile.name} (as its superuser)", command="db migrate")


def migrate(session: Session, *, dry_run: bool = False) -> Migrated:
    """Bring the schema up to date; each migration leaves its ledger entry in its own transaction.

    What runs before there is a ledger is named by the first entry after. Raises BusyError, RefusedError for
    a database that is newer than this luactl.
    """
    if dry_run:
        names = schema.pending(session.conn)
    else:
        names = schema.migrate(session.conn, session.clock, remember=_recorder(session), step=session.step)
    facts = queries("database").facts(session.conn)
    return Migrated(facts[2], facts[3], tuple(names), schema.newest_version())


def _recorder(session: Session) -> Callable[[schema.Migration], None]:
    from .ledger import Entry, append

    def remember(migration: schema.Migration) -> None:
        if not queries("database").has_ledger(session.conn):
            return
        told = queries("database").told(session.conn)  # what ran before is untold, in this run or another
        applied = queries("schema").applied(session.conn)
        names = [f"{version:04}_{name}" for version, name, _ in applied if version > told]
        append(session, Entry("db.migrate", object="schema", detail={"migrations": names}))

    return remember


def reach(profile: Profile, say: Say = lambda text: None) -> dict[str, str]:
    """Return libpq options by which anything reaches the database; an embedded server is started."""
    options = check_dsn(profile.dsn)
    if profile.embedded:
        options["port"] = str(embedded.start(server_of(profile), say))
    if profile.passfile:
        options.setdefault("passfile", str(profile.passfile))
    return options


def url(options: Mapping[str, str]) -> str:
    """Return libpq options as a URI; there is no secret in them."""
    from urllib.parse import quote, urlencode

    plain = {key: value for key, value in options.items() if key in ("user", "host", "port", "dbname")}
    if any(sign in plain.get("host", "") + plain.get("port", "") for sign in ",/@:"):
        del plain["host"]
        plain.pop("port", None)
    rest = {key: value for key, value in options.items() if key not in plain}
    user = f"{quote(plain['user'], safe='')}@" if "user" in plain else ""
    port = f":{plain['port']}" if "port" in plain else ""
    query = f"?{urlencode(rest, quote_via=quote)}" if rest else ""
    return (
        f"postgresql://{user}{plain.get('host', '')}{port}/{quote(plain.get('dbname', ''), safe='')}{query}"
    )


def psql(
    profile: Profile,
    options: Mapping[str, str],
    arguments: Sequence[str],
    environ: Mapping[str, str] = os.environ,
) -> tuple[Path, list[str], dict[str, str]]:
    """Return program, arguments and environment of a psql; the bundled one where there is no other.

    Raises NoConnectionError when there is none at all.
    """
    from psycopg.conninfo import make_conninfo

    program = Path(shutil.which("psql", path=environ.get("PATH")) or embedded.bundled_binaries() / "psql")
    if not program.exists():
        raise NoConnectionError("there is no psql here", hint="install the Postgres client")
    mark = [f"--set=PROMPT{n}=[PRODUCTION {profile.name}] %/%R%x%# " for n in (1, 2) if profile.production]
    command = [str(program), *mark, f"--dbname={make_conninfo('', **options)}", *arguments]
    return program, command, {**environ, "PGAPPNAME": "luactl db psql"}


def role_sql(database: str, migrator: str, login: str, *, after: bool) -> str:
    """Return what a superuser runs before (or after) somebody without such rights migrates a database.

    The roles are those of the migrations, in their own words. Raises UsageError for a bad name.
    """
    from psycopg import sql

    for name in (database, migrator, login):
        if not name or "\0" in name or len(name.encode()) > 63 or not name.isprintable():
            raise UsageError(
                f"{name[:80]!r} is no name of a role or database", hint="1 to 63 bytes, printable"
            )
    names = {
        "database": sql.Identifier(database),
        "migrator": sql.Identifier(migrator),
        "login": sql.Identifier(login),
        "migrator_name": sql.Literal(migrator),
        "login_name": sql.Literal(login),
        "groups": sql.SQL(", ").join(map(sql.Identifier, OF_PEOPLE)),
    }
    ask = queries("database")
    told = [ask.after.sql] if after else [ask.again.sql, "", ask.before.sql]
    texts = [sql.SQL(text).format(**names).as_string(None).strip() if text else _roles() for text in told]
    return "\n".join(texts) + "\n"


def _roles() -> str:
    """Return the parts of the migrations that make roles."""
    texts = (migration.text for migration in schema.migrations())
    found = [
        one
        for text in texts
        for one in re.findall(r"^DO \$roles\$.*?^\$roles\$;$", text, re.DOTALL | re.MULTILINE)
    ]
    if not found:
        raise ValueError("no migration has a $roles$ block")
    return "\n".join(found)
