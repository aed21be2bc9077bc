"""The version of the database's schema: brought up to date by `luactl init`, checked by everything else.

Migrations are the numbered files of sql/migrations/. Each is one transaction together with the row that
remembers it, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg

from .clock import Clock
from .db import Step, queries, unheard
from .errors import BusyError, RefusedError
from .exclusive import hold

LOCK_KEY = 0x6C75616D69677261  # "luamigra"
LOCK_TIMEOUT = "30s"
FILE_NAME = re.compile(r"(\d{4})_([a-z][a-z0-9_]*)\.sql")


@dataclass(frozen=True)
class Migration:
    """One numbered file."""

    version: int
    """1, 2, 3 … without a gap."""
    name: str
    """What the file's name says after the number."""
    text: str
    """Its SQL."""

    def __str__(self) -> str:
        """Return number and name, as `0002_lua`."""
        return f"{self.version:04}_{self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """Return every migration that this luactl knows, in order.

    Raises ValueError when a file is misnamed or a number is missing or given twice.
    """
    found = []
    for file in files("luactl.sql").joinpath("migrations").iterdir():
        match = FILE_NAME.fullmatch(file.name)
        if match is None:
            raise ValueError(f"{file.name} is no name of a migration: NNNN_name.sql is")
        found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("migrations are not numbered 1, 2, 3 … without a gap")
    return tuple(found)


@cache
def newest_version() -> int:
    """Return the schema version that this luactl works with; reads file names only."""
    names = (file.name for file in files("luactl.sql").joinpath("migrations").iterdir())
    return max(int(name[:4]) for name in names if FILE_NAME.fullmatch(name))


def migrate(
    conn: psycopg.Connection[tuple[Any, ...]],
    clock: Clock,
    *,
    lock_timeout: str = LOCK_TIMEOUT,
    remember: Callable[[Migration], None] = lambda migration: None,
    step: Step = unheard,
) -> list[str]:
    """Bring the database up to date and return what ran, as `0002_lua`; nothing to do is an empty list.

    `conn` is in autocommit mode, a superuser's or of the login that `luactl db sql-roles` is for.
    `remember` is called within the transaction of each migration; `step` is the session's. Raises BusyError
    when another migration holds the lock, RefusedError when the database is newer than this luactl or a file
    that ran has changed since.
    """
    with _locked(conn, lock_timeout):
        step("schema locked")
        with conn.transaction():
            queries("schema").bootstrap(conn)
        step("committed")
        return [_apply(conn, migration, clock, remember, step) for migration in _missing(conn)]


@contextmanager
def _locked(conn: psycopg.Connection[tuple[Any, ...]], lock_timeout: str) -> Iterator[None]:
    """Keep other migrations of this database out."""
    busy = BusyError("another luactl is changing this database's schema", hint="wait, then run it again")
    with hold(conn, LOCK_KEY, busy, lock_timeout=lock_timeout):
        yield


def pending(conn: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    """Return what `migrate` would run here, changing nothing. Raises RefusedError as `migrate` does."""
    if not queries("schema").is_bootstrapped(conn):
        return [str(migration) for migration in migrations()]
    return [str(migration) for migration in _missing(conn)]


def _missing(conn: psycopg.Connection[tuple[Any, ...]]) -> list[Migration]:
    """Return what has not run yet. Raises RefusedError when what ran is not what this luactl knows."""
    known = {migration.version: migration for migration in migrations()}
    applied = {version: (name, checksum) for version, name, checksum in queries("schema").applied(conn)}
    if applied.keys() - known.keys():
        raise too_new(max(applied))
    for version, (name, checksum) in applied.items():
        if known[version].checksum != checksum:
            raise RefusedError(
                f"migration {version:04}_{name} ran here with another text than this luactl has",
                hint="install the luactl that made this database, or restore the database from a backup",
            )
    return [migration for version, migration in sorted(known.items()) if version not in applied]


def _apply(
    conn: psycopg.Connection[tuple[Any, ...]],
    migration: Migration,
    clock: Clock,
    remember: Callable[[Migration], None],
    step: Step,
) -> str:
    bound = migration.version > 1 and not queries("schema").is_superuser(conn)
    with conn.transaction():
        if bound:  # the definer must be able to own functions there; a superuser gives them to it regardless
            queries("schema").open_schemas(conn)
        conn.execute(migration.text.encode())
        conn.execute("RESET ROLE")
        if bound:
            queries("schema").close_schemas(conn)
        queries("schema").record(
            conn, version=migration.version, name=migration.name, checksum=migration.checksum, at=clock.now()
        )
        if migration.version == newest_version():
            _ship(conn)
        remember(migration)
        step("about to commit")
    step("committed")
    return str(migration)


def _ship(conn: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Let the database remember what its migrations give, so that it puts back itself what drifts from it."""
    from . import shipped

    rights, policies = list(shipped.rights()), shipped.policies()
    conn.execute("SET LOCAL ROLE lua_owner")
    queries("schema").ship_rights(
        conn,
        objects=[one.object for one in rights],
        privileges=[one.privilege for one in rights],
        roles=[one.role for one in rights],
        columns=[None if one.columns is None else " ".join(one.columns) for one in rights],
    )
    queries("schema").ship_policies(
        conn,
        objects=[name for name, _policy in policies],
        policies=[policy for _name, policy in policies],
        definitions=list(policies.values()),
    )
    conn.execute("RESET ROLE")


def too_new(version: int) -> RefusedError:
    """Return the error for a database that a newer luactl made."""
    return RefusedError(
        f"the database has schema version {version}, this luactl knows versions up to {newest_version()}",
        hint="upgrade luactl",
    )


def check_version(version: int | None) -> None:
    """Compare a database's schema version with what this luactl works with; None: no migration ran.

    Raises RefusedError when they differ: nothing but `luactl init` changes a schema.
    """
    if version is not None and version > newest_version():
        raise too_new(version)
    if version != newest_version():
        have = "no luactl schema" if version is None else f"schema version {version}"
        raise RefusedError(
            f"the database has {have}, this luactl needs version {newest_version()}",
            hint="run `luactl init` (with --dsn and a superuser's DSN for a server of your own)",
        )
