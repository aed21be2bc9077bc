"""People and jobs, and the logins that are theirs, as they stand in the register. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError, did_you_mean

KINDS = ("employee", "contractor", "job")


@dataclass(frozen=True)
class Person:
    """A person or a job, as it stands in the register."""

    handle: str
    """The name in commands; it never changes."""
    name: str
    """What colleagues call them; of a job, what it does."""
    kind: str
    """employee, contractor or job."""
    manager: str | None
    """Handle of whom they report to; of a job, who answers for it."""
    teams: tuple[str, ...]
    """In the order of the alphabet."""
    started_on: date
    """The first day, UTC."""
    ended_at: datetime | None
    """When they left; None: in force."""
    logins: tuple[str, ...]
    """The Postgres logins that are theirs now."""
    bound: bool
    """Whether an undertaking in force binds them on every basis that is required; a job: its manager."""
    person_id: UUID

    @property
    def answering(self) -> str:
        """Handle of whoever signs for them: themselves; of a job, who answers for it."""
        return self.manager if self.kind == "job" and self.manager is not None else self.handle

    @property
    def object(self) -> str:
        """What the ledger calls them: no handle, no name."""
        return f"person:{self.person_id}"


@dataclass(frozen=True)
class Login:
    """A Postgres login of a person or a job."""

    login: str
    person: str
    """The handle of whose it is."""
    since: datetime
    """From when on it is theirs."""
    ended_at: datetime | None
    """Since when it is nobody's; it never becomes somebody else's."""
    can_log_in: bool | None
    """What the server says; None: there is no such role."""


def list_(session: Session, *, every: bool = False) -> list[Person]:
    """Return people and jobs in force by handle; with `every` those who have left, too."""
    with transaction(session):
        return [one for one in read(session) if every or one.ended_at is None]


def read(session: Session, handle: str | None = None, person_id: UUID | None = None) -> list[Person]:
    """Return all people and jobs, or one, in the caller's transaction."""
    at = session.clock.now()
    rows = queries("staff").persons(session.conn, handle=handle, person_id=person_id, at=at)
    return [_person(*row) for row in rows]


def _person(
    handle: str, name: str, kind: str, manager: str | None, teams: Iterable[str], started_on: date,
    ended_at: datetime | None, logins: Iterable[str], bound: bool, person_id: UUID,
) -> Person:  # fmt: skip
    return Person(
        handle, name, kind, manager, tuple(teams), started_on, ended_at, tuple(logins), bound,
        person_id,
    )  # fmt: skip


def above(session: Session, handle: str) -> list[str]:
    """Return the handles of everybody whom somebody reports to, the nearest first."""
    managers = {one.handle: one.manager for one in list_(session, every=True)}
    found, at = list[str](), managers.get(handle)
    while at is not None:
        found.append(at)
        at = managers.get(at)
    return found


def find(session: Session, handle: str) -> Person:
    """Return a person or a job by handle, also one who has left.

    Raises NotFoundError with the nearest handles as its hint.
    """
    with transaction(session):
        found = read(session, handle)
        if found:
            return found[0]
        known = [one.handle for one in read(session)]
    guess = did_you_mean(handle, known)
    raise NotFoundError(
        f"nobody here is called {handle[:80]!r}", hint=f"{guess}`luactl staff list --all` shows everybody"
    )


def me(session: Session) -> Person | None:
    """Return the person or job in force whose login speaks here; None: nobody's."""
    with transaction(session) as conn:
        person_id = queries("staff").person_of(conn, login=session.actor)
        return None if person_id is None else read(session, person_id=person_id)[0]


def logins(session: Session, person: Person | None = None) -> list[Login]:
    """Return the logins of a person, or of everybody, those that have ended too."""
    with transaction(session) as conn:
        rows: list[Any] = list(queries("staff").logins(conn, person_id=person.person_id if person else None))
    return [Login(*row) for row in rows]
