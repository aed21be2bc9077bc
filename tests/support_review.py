"""A small house to review: a crew of operators with people behind their logins, a manager, two officers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from conftest import Connection
from psycopg import sql

from luactl.access import review
from luactl.clock import ShiftedClock
from luactl.db import Session


@dataclass
class House:
    """Who works there, and as whom they log in."""

    admin: Connection
    login: Callable[..., Session]
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    people: dict[str, UUID] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)

    @property
    def crew(self) -> str:
        """The role that leads to lua_operator, and that lua_rolekeeper gives."""
        return f"crew_{self.tag}"

    def run(self, statement: str, *names: str) -> None:
        """Run a statement as superuser, with names in the place of {}."""
        self.admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def hire(self, handle: str, *roles: str, manager: str | None = None, kind: str = "employee",
             team: str | None = None, bound: bool = True) -> str:  # fmt: skip
        """Add a person with a login of their own; returns the login."""
        person = uuid4()
        self.admin.execute(
            "INSERT INTO lua.person (person_id, handle, name, kind, manager, started_on, entry_id)"
            " VALUES (%s, %s, %s, %s, %s, '2026-01-01', %s)",
            (person, handle, handle.title(), kind, manager and self.people[manager], uuid4()),
        )
        if team:
            self.admin.execute("INSERT INTO lua.person_team VALUES (%s, %s)", (person, team))
        if bound:
            self.admin.execute(
                "INSERT INTO lua.undertaking"
                " (undertaking_id, person_id, basis, text_version, signed_on, entry_id)"
                " VALUES (%s, %s, 'gdpr-28-3-b', '1', '2026-01-01', %s)",
                (uuid4(), person, uuid4()),
            )
        self.people[handle] = person
        name = f"{handle}_{self.tag}"
        self.sessions[handle] = self.login(*roles, name=name)
        self.own(handle, name)
        return name

    def own(self, handle: str, login: str) -> None:
        """Write down whose a login is."""
        self.admin.execute(
            "INSERT INTO lua.person_login (login, person_id, since, entry_id) VALUES (%s, %s, now(), %s)",
            (login, self.people[handle], uuid4()),
        )

    def grant(self, role: str, *handles: str) -> None:
        """Give a role as lua_rolekeeper does, whose functions can take it again."""
        for handle in handles:
            self.admin.execute("SET ROLE lua_rolekeeper")
            self.run("GRANT {} TO {}", role, f"{handle}_{self.tag}")
            self.admin.execute("RESET ROLE")

    def keep(self, handle: str) -> None:
        """Let lua_rolekeeper change a login, as it may those that it made."""
        self.run("GRANT {} TO lua_rolekeeper WITH ADMIN OPTION", f"{handle}_{self.tag}")

    def open(self, **said: Any) -> review.Opened:
        """Open a review of the crew."""
        return review.open_(self.sessions["dora"], review.Ask("crew", (self.crew,), **said))

    def later(self, handle: str, days: float) -> Session:
        """Return somebody's session by a clock that is ahead."""
        one = self.sessions[handle]
        return Session(one.conn, one.actor, ShiftedClock(timedelta(days=days)), one.profile, one.command)


def take_down(house: House) -> None:
    """Leave the server's roles as others expect them."""
    for handle in house.sessions:
        house.run("ALTER ROLE {} NOSUPERUSER", f"{handle}_{house.tag}")
        house.run("REVOKE {} FROM lua_rolekeeper CASCADE", f"{handle}_{house.tag}")
    for name in ("crew", "other", "void"):
        house.run("DROP ROLE IF EXISTS {}", f"{name}_{house.tag}")


def build(admin: Connection, login: Callable[..., Session]) -> House:
    """Hire mara (manager), dora (data protection officer), and a crew of three whom mara manages."""
    house = House(admin, login)
    house.run("CREATE ROLE {} NOLOGIN", house.crew)
    house.run("GRANT lua_operator TO {}", house.crew)
    house.run("GRANT {} TO lua_rolekeeper WITH ADMIN OPTION", house.crew)
    house.hire("mara", "lua_auditor")
    house.hire("dora", "lua_dpo")
    for handle in ("anna", "bert", "cleo"):
        house.hire(handle, "lua_accounting", manager="mara")
        house.keep(handle)
    house.grant(house.crew, "anna", "bert", "cleo")
    return house
