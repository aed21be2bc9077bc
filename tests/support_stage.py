"""A stage that can be set again: the database, its logins and the home as they were, as often as wanted."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import support_stage_roles
from conftest import (
    GROUP_ROLES,
    TEMPLATE,
    Connection,
    TestServer,
    isolated,
    new_login,
    roles_of,
    test_profile,
)
from psycopg import sql
from support_stage_roles import Roles
from support_wait import drop_database, leave
from support_whole import Rows

from luactl.config import Profile, find_paths, save_profile

Change = Callable[[Profile], Profile]

UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
EPOCH_TEXT = re.compile(r"[0-9]{20}")
PASSING = re.compile(r"\d{4}-\d\d-\d\d[T ].*|\\x[0-9a-f]*|[0-9a-f]{64}|lua_e\d+_\d+_[0-9a-f]{14}")
# Numbers once handed out are never given back; a prefix is random; how long a reviewer took, the clock says.
NUMBER = re.compile("_id$|_no$|^epoch$|^prefix$|^milliseconds$")


@dataclass
class Stage:
    """A database and a home; `save` keeps them as they are, `reset` makes them so again."""

    server: TestServer
    database: str
    home: Path
    aside: Path
    roles: Roles | None = None
    name: str = "saved"
    first: frozenset[str] = frozenset()
    """The roles that were there before `bare` made it."""

    @property
    def saved(self) -> str:
        """The database that `reset` copies."""
        return f"{self.database}_{self.name}"

    def save(self) -> None:
        """Keep all as it is now. Nobody may be connected."""
        conn = self.server.chores()
        self.copy(conn, self.database, self.saved)
        self.roles = support_stage_roles.read(conn)
        shutil.rmtree(self.aside, ignore_errors=True)
        shutil.copytree(self.home, self.aside, symlinks=True)

    def reset(self) -> Connection:
        """Make all as it was; return a superuser's connection to the database."""
        self.restore()
        conn = self.server.chores()
        assert self.roles is not None
        support_stage_roles.put_back(conn, self.roles)
        shutil.rmtree(self.home)
        shutil.copytree(self.aside, self.home, symlinks=True)
        return self.server.admin(self.database)

    def restore(self) -> None:
        """Make the database as it was and leave the home as it is, as whoever restores a backup does."""
        conn = self.server.chores()
        self.copy(conn, self.saved, self.database)
        self.admit(conn, self.database)

    def forget(self) -> None:
        """Drop what was kept."""
        conn = self.server.chores()
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(self.saved)))

    def end(self) -> None:
        """Drop everything that `bare` made, and what came to it."""
        self.forget()
        conn = self.server.chores()
        drop_database(conn, self.database)
        for role in sorted(roles_of(conn) - self.first):
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))

    @staticmethod
    def admit(conn: Connection, database: str) -> None:
        """Let the groups in, and nobody else: CREATE DATABASE does not copy such rights."""
        groups = sql.SQL(", ").join(sql.Identifier(role) for role in (*GROUP_ROLES, "lua_app", "lua_ai"))
        name = sql.Identifier(database)
        conn.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        conn.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, groups))

    @staticmethod
    def copy(conn: Connection, source: str, target: str) -> None:
        """Make the database `target` a copy of `source`. Nobody may be connected to either."""
        there, here = sql.Identifier(source), sql.Identifier(target)
        drop_database(conn, target)
        leave(conn, source)
        # The other strategy copies sequences as if what they have logged ahead were logged for the copy too:
        # when the server is killed they fall back.
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(here, there))

    def enter(self, patch: pytest.MonkeyPatch) -> None:
        """Give this process the environment of the home."""
        environ = isolated(self.home)
        for key in set(os.environ) - set(environ):
            patch.delenv(key)
        for key, value in environ.items():
            patch.setenv(key, value)

    def files(self) -> Counter[str]:
        """Return the files and folders of the home, with ids and epochs left out of their names."""
        names = (str(one.relative_to(self.home)) for one in self.home.rglob("*"))
        return Counter(EPOCH_TEXT.sub("EPOCH", UUID_TEXT.sub("ID", name)) for name in names)


def bare(server: TestServer, folder: Path, change: Change = lambda profile: profile) -> tuple[Stage, Profile]:
    """Make a migrated database and a home whose profile points at it; no keys, no log yet."""
    name, home = f"s_{secrets.token_hex(6)}", folder / "home"
    paths = find_paths(isolated(home))
    paths.make()
    with closing(server.admin()) as conn:
        first = frozenset(roles_of(conn))
        Stage.copy(conn, TEMPLATE, name)
        Stage.admit(conn, name)
    passfile = paths.passfile("test")
    login = new_login(server, passfile, GROUP_ROLES)
    profile = change(test_profile(home, server, name, login, passfile))
    save_profile(paths, profile)
    return Stage(server, name, home, folder / "aside", first=first), profile


def gist(rows: Rows) -> Counter[str]:
    """Return how many rows say what, without ids, times and ciphertext, which differ from run to run.

    Of keys and ledger only the numbers of rows that count for somebody.
    """
    found: Counter[str] = Counter()
    for (table, _key), row in rows.items():
        schema = table.partition(".")[0]
        if table in ("vault.slot", "vault.period", "vault.tombstone", "ledger.origin"):
            found[table] += 1
        elif table == "crm.subject":  # its way into the ledger is made at the first reading
            found[f"{table} {row.fields['status']}"] += 1
        elif schema in ("lua", "crm"):
            found[f"{table} {_plain(row.fields)}"] += 1
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if not NUMBER.search(name)}
    if isinstance(value, list):
        return sorted(str(_plain(one)) for one in value)
    if isinstance(value, str):
        return UUID_TEXT.sub("ID", PASSING.sub("…", value))
    return value
