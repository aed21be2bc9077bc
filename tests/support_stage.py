"""A stage that can be set again: the database, its logins and the home as they were, as often as wanted."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import GROUP_ROLES, Connection, TestServer
from psycopg import sql
from support_whole import snapshot

UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PASSING = re.compile(r"\d{4}-\d\d-\d\d[T ].*|\\x[0-9a-f]*|[0-9a-f]{64}")
# Numbers that were handed out are never given back; a prefix is random.
NUMBER = re.compile("_id$|_no$|^epoch$|^prefix$")
ROLES = "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'"


@dataclass
class Stage:
    """A database and a home; `save` keeps them as they are, `reset` makes them so again."""

    server: TestServer
    database: str
    home: Path
    aside: Path
    roles: frozenset[str] = frozenset()

    @property
    def saved(self) -> str:
        """The database that `reset` copies."""
        return f"{self.database}_saved"

    def save(self) -> None:
        """Keep all as it is now. Nobody may be connected."""
        with closing(self.server.admin()) as conn:
            self._copy(conn, self.database, self.saved)
            self.roles = frozenset(row[0] for row in conn.execute(ROLES))
        shutil.rmtree(self.aside, ignore_errors=True)
        shutil.copytree(self.home, self.aside, symlinks=True)

    def reset(self) -> Connection:
        """Make all as it was; return a superuser's connection to the database."""
        self.restore()
        with closing(self.server.admin()) as conn:
            for (role,) in conn.execute(ROLES).fetchall():
                if role not in self.roles:
                    conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        shutil.rmtree(self.home)
        shutil.copytree(self.aside, self.home, symlinks=True)
        return self.server.admin(self.database)

    def restore(self) -> None:
        """Make the database as it was and leave the home as it is, as whoever restores a backup does."""
        with closing(self.server.admin()) as conn:
            self._copy(conn, self.saved, self.database)
            groups = sql.SQL(", ").join(sql.Identifier(role) for role in (*GROUP_ROLES, "lua_app", "lua_ai"))
            name = sql.Identifier(self.database)
            conn.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
            conn.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, groups))

    def forget(self) -> None:
        """Drop what was kept."""
        with closing(self.server.admin()) as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(self.saved)))

    @staticmethod
    def _copy(conn: Connection, source: str, target: str) -> None:
        there, here = sql.Identifier(source), sql.Identifier(target)
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(here))
        conn.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s", (source,)
        )
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(here, there))

    def files(self) -> Counter[str]:
        """Return the files and folders of the home, with ids left out of their names."""
        return Counter(UUID_TEXT.sub("ID", str(one.relative_to(self.home))) for one in self.home.rglob("*"))


def gist(admin: Connection) -> Counter[str]:
    """Return how many rows say what, without ids, times and ciphertext, which differ from run to run.

    Of keys and ledger only the numbers of rows that count for somebody.
    """
    found: Counter[str] = Counter()
    for (table, _key), row in snapshot(admin).items():
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
