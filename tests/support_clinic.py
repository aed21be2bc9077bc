"""Roles with names of their own on a server that other tests share, and logins that really try things."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import psycopg
from conftest import Connection, TestServer, new_login
from psycopg import sql


class People:
    """Roles of one test; `{anna}` in a statement stands for the real name of such a role."""

    def __init__(self, server: TestServer, database: str, admin: Connection, folder: Path) -> None:
        self.server, self.database, self.admin, self.passfile = server, database, admin, folder / "people"
        self.tag = database.removeprefix("t_")
        self.old = admin.info.server_version < 160000

    def name(self, role: str) -> str:
        """Return a role's name on this server."""
        return f"{role}_{self.tag}"

    def text(self, statement: str) -> str:
        """Put the real names in."""
        return re.sub(r"\{(\w+)\}", lambda found: self.name(found[1]), statement)

    def run(self, *statements: str) -> None:
        """Run statements as the superuser."""
        for statement in statements:
            self.admin.execute(self.text(statement).encode())

    def hire(self, person: str, *statements: str) -> None:
        """Make a login and run what makes it a member."""
        new_login(self.server, self.passfile, (), self.name(person))
        self.run(f"GRANT CONNECT ON DATABASE {self.database} TO {{{person}}}", *statements)

    def tries(self, person: str, *statements: str) -> bool:
        """Log in as somebody and tell whether all of this is let through; the last brings something."""
        dsn = self.server.dsn(self.database, self.name(person), self.passfile)
        with closing(psycopg.connect(dsn)) as conn:
            try:
                for statement in statements[:-1]:
                    conn.execute(self.text(statement).encode())
                done = conn.execute(self.text(statements[-1]).encode())
                return bool(done.fetchall()) if done.description else True
            except psycopg.errors.InsufficientPrivilege:
                return False
            finally:
                conn.rollback()

    def remove(self) -> None:
        """Take the roles away again, and what is theirs."""
        pattern = f"%\\_{self.tag}"
        found = self.admin.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (pattern,)
        ).fetchall()
        for (role,) in found:
            self.admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role)))
        for (role,) in found:
            self.admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
