"""Who is whose login, as a review needs it: manager, teams, undertaking. Read within one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ...db import queries


@dataclass(frozen=True)
class Somebody:
    """A person or job in force."""

    person_id: UUID
    handle: str
    kind: str
    """employee, contractor, job."""
    manager: UUID | None
    teams: frozenset[str]
    is_bound: bool
    """Whether an undertaking of confidentiality is in force."""


@dataclass(frozen=True)
class People:
    """All of them."""

    by_id: Mapping[UUID, Somebody]
    by_login: Mapping[str, Somebody]
    since: Mapping[str, datetime]
    """From when on each login is whose it is."""

    def of_handle(self, handle: str) -> Somebody | None:
        """Return whom commands call so."""
        return next((one for one in self.by_id.values() if one.handle == handle), None)


def people(conn: Any, at: datetime) -> People:
    """Read who is in force, within a transaction."""
    found = {
        row[0]: Somebody(row[0], row[1], row[2], row[3], frozenset(row[4]), row[5])
        for row in queries("access_review").people(conn, at=at)
    }
    logins, since = {}, {}
    for login, person, at_first in queries("access_review").person_logins(conn):
        if person in found:
            logins[login], since[login] = found[person], at_first
    return People(found, logins, since)
