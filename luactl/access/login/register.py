"""What is on record of logins: whose they are, which group roles they have, how they get in. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ...db import Session, queries, transaction
from ...errors import NotFoundError, UsageError, did_you_mean
from ...shipped import GROUPS
from ...staff.person import Person
from ...staff.person import read as persons


@dataclass(frozen=True)
class Login:
    """A login, as it is on record."""

    login: str
    """The Postgres role."""
    person: str
    """The handle of whose it is."""
    kind: str
    """employee, contractor or job."""
    roles: tuple[str, ...]
    """Its group roles, in the order of the alphabet."""
    method: str
    """password, certificate (its CN is the login), or unknown: it was there before luactl."""
    connection_limit: int
    """How many connections it may have at once; -1: as many as it likes."""
    valid_until: datetime | None
    """Until when its password is taken; None: until further notice."""
    attributes: tuple[str, ...]
    """What it was adopted with: SUPERUSER, CREATEROLE …; nothing of what luactl makes has any."""
    bound: bool
    """Whether an undertaking of confidentiality is in force for whose it is."""
    since: datetime
    """From when on it is theirs."""
    ended_at: datetime | None
    """Since when it is nobody's."""
    can_log_in: bool | None
    """What the server says; None: there is no such role."""
    person_id: UUID

    @property
    def object(self) -> str:
        """What the ledger calls whose login it is."""
        return f"person:{self.person_id}"


def list_(session: Session, *, every: bool = False) -> list[Login]:
    """Return logins in use by name; with `every` those that have ended, too."""
    with transaction(session):
        return read(session, every=every)


def find(session: Session, login: str) -> Login:
    """Return a login that is on record, an ended one too. Raises NotFoundError with the nearest names."""
    with transaction(session):
        return found(session, login)


def found(session: Session, login: str) -> Login:
    """Return a login in the caller's transaction. Raises as `find` does."""
    for one in read(session, every=True, login=login):
        return one
    guess = did_you_mean(login, [one.login for one in read(session)])
    hint = f"{guess}`luactl access login list` shows them; `luactl access adopt` takes in others"
    raise NotFoundError(f"no login {login[:63]!r} is on record", hint=hint)


def read(session: Session, *, every: bool = False, login: str | None = None) -> list[Login]:
    """Return logins in the caller's transaction."""
    rows = queries("access_login").logins(session.conn, every=every, login=login, at=session.clock.now())
    return [_login(*row) for row in rows]


def _login(
    login: str, person: str, kind: str, roles: Iterable[str], method: str, limit: int, until: datetime | None,
    attributes: Iterable[str], *rest: Any,
) -> Login:  # fmt: skip
    return Login(login, person, kind, tuple(roles), method, limit, until, tuple(attributes), *rest)


def owner(session: Session, handle: str) -> Person:
    """Return whose handle it is, in the caller's transaction. Raises NotFoundError."""
    for one in persons(session, handle):
        return one
    known = [one.handle for one in persons(session) if one.ended_at is None]
    guess = did_you_mean(handle, known)
    raise NotFoundError(
        f"there is nobody {handle[:63]!r}", hint=f"{guess}`luactl staff list` shows everybody"
    )


def role_of(name: str) -> str:
    """Return the group role of a name with or without `lua_`. Raises UsageError."""
    role = name if name.startswith("lua_") else f"lua_{name}"
    if role not in GROUPS:
        known = ", ".join(one.removeprefix("lua_") for one in GROUPS)
        raise UsageError(f"there is no group role {name[:63]!r}", hint=f"one of {known}")
    return role
