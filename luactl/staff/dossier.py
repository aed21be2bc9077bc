"""All that is known of people and jobs: logins, undertakings, how long they are bound. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from ..db import Session
from .person import Login, Person, list_, logins
from .undertaking import Undertaking, bases, undertakings

SOON = 30
"""Days before its end at which an undertaking is to be renewed."""


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
    answering = next(one for one in people if one.handle == person.answering)
    return Dossier(
        person,
        tuple(logins(session, person)),
        tuple(undertakings(session, answering)),
        tuple(one.handle for one in people if one.manager == person.handle and one.ended_at is None),
    )


@dataclass(frozen=True)
class Standing:
    """Somebody in force, and how long they are bound."""

    person: Person
    until: date | None
    """The last day on which they are bound; None: until further notice, or they are not bound now."""
    days_left: int | None
    """Days after today until then."""

    @property
    def is_ending(self) -> bool:
        """Whether they are bound for not much longer."""
        return self.days_left is not None and self.days_left <= SOON


def standings(session: Session) -> list[Standing]:
    """Return everybody in force by handle, and how long each is bound; a job as long as its manager."""
    required = {one.basis for one in bases(session) if one.required}
    today, signed = session.clock.now().date(), undertakings(session)
    found = []
    for person in list_(session):
        theirs = [one for one in signed if one.person == person.answering]
        until = _until(required, theirs) if person.bound else None
        found.append(Standing(person, until, None if until is None else (until - today).days))
    return found


def _until(required: Iterable[str], theirs: list[Undertaking]) -> date | None:
    """Return the first day on which one of the bases runs out: of each the longest undertaking counts."""
    ends = []
    for basis in required:
        last = [one.expires_on for one in theirs if one.basis == basis and one.in_force]
        if last and None not in last:
            ends.append(max(one for one in last if one is not None))
    return min(ends, default=None)
