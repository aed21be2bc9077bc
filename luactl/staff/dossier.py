"""All that is known of one person or job: logins, undertakings, who reports to them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from ..db import Session
from .person import Login, Person, list_, logins
from .undertaking import Undertaking, undertakings


@dataclass(frozen=True)
class Dossier:
    """A person or a job, with all that the register has of them."""

    person: Person
    logins: tuple[Login, ...]
    """Those that have ended, too."""
    undertakings: tuple[Undertaking, ...]
    """Expired and withdrawn ones, too; of a job its manager's, who answers for it."""
    reports: tuple[str, ...]
    """Handles of everybody in force whom they manage, and of the jobs they answer for."""


def gather(session: Session, person: Person) -> Dossier:
    """Gather what is known of somebody."""
    people = list_(session, every=True)
    answering = person.manager if person.kind == "job" else person.handle
    return Dossier(
        person,
        tuple(logins(session, person)),
        tuple(one for one in undertakings(session) if one.person == answering),
        tuple(one.handle for one in people if one.manager == person.handle and one.ended_at is None),
    )
