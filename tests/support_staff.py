"""What tests about staff share: people who are in the register, and bound."""

from __future__ import annotations

from datetime import date
from typing import Any

from conftest import Connection

from luactl import policy, staff
from luactl.db import Session
from luactl.staff import Person


def hire(session: Session, handle: str, *, bound: bool = True, **said: Any) -> Person:
    """Register somebody with an invented name, and what they signed unless `bound` says no."""
    new = staff.NewPerson(
        handle, said.pop("name", f"Invented {handle}"), said.pop("kind", "employee"), **said
    )
    person = staff.add(session, new).after
    if bound and person.kind != "job":
        sign(session, person)
    return staff.find(session, handle)


def vouch(session: Session, *logins: str) -> str:
    """Let logins, the one that asks if none is named, be of one bound person; return the handle."""
    names = logins or (session.actor,)
    handle = f"who-{names[0].replace('_', '-')}"
    hire(session, handle, logins=names)
    return handle


def on_record(admin: Connection, login: str = "postgres") -> None:
    """Let a login be of a bound person, in the register and nowhere else, by a superuser."""
    admin.execute(
        "WITH who AS ("
        " INSERT INTO lua.person VALUES (gen_random_uuid(), replace(%(login)s, '_', '-'), 'Invented',"
        " 'employee', NULL, '2020-01-01', NULL, gen_random_uuid()) RETURNING person_id, entry_id),"
        " signed AS (INSERT INTO lua.undertaking SELECT gen_random_uuid(), person_id, 'gdpr-28-3-b',"
        " '2026-02', '2020-01-01', NULL, NULL, entry_id FROM who)"
        " INSERT INTO lua.person_login SELECT %(login)s, person_id, now(), NULL, entry_id FROM who",
        {"login": login},
    )


def sign(session: Session, person: Person, basis: str = "gdpr-28-3-b", **said: Any) -> staff.Undertaking:
    """Let somebody sign a text today."""
    return staff.record(session, person, staff.prepare(session, basis, "2026-02", **said))


def publish(session: Session, name: str, by: date) -> policy.Policy:
    """Put a policy in force."""
    text = policy.prepare(name, name.title(), f"The text of {name}.\n".encode())
    return policy.publish(session, policy.add(session, text), by)


def know_everybody(session: Session, manager: str) -> None:
    """Make every other login of this server, which earlier tests may have left, one of a job's."""
    found = session.conn.execute(
        "SELECT rolname::text FROM pg_roles r WHERE rolcanlogin AND rolname !~ '^lua_'"
        " AND NOT EXISTS (SELECT FROM lua.person_login l WHERE l.login = r.rolname)"
    )
    names = tuple(row[0] for row in found.fetchall())
    hire(session, "others", kind="job", manager=manager, logins=names)
