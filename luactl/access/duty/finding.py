"""Who has duties that a rule keeps apart, however that came about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from ...db import Session, queries


@dataclass(frozen=True)
class Finding:
    """One person, or a login of nobody, who breaks a rule."""

    rule: str
    """The rule's name."""
    person: str | None
    """Handle; None: a login that nobody is registered for."""
    logins: tuple[str, ...]
    """The logins whose rights count together."""
    has: tuple[str, ...]
    """Duties of one side."""
    besides: tuple[str, ...]
    """Duties of the other side."""
    why: str
    """Why they are kept apart."""
    waiver: UUID | None
    """The waiver in force, if there is one."""
    until: date | None
    """The last day of that waiver."""


def check(session: Session) -> tuple[Finding, ...]:
    """Return whoever breaks a rule, those for whom it is waived among them; by rule, then by person."""
    rows = queries("access_duty").findings(session.conn, at=session.clock.now())
    return tuple(
        Finding(rule, handle, tuple(logins), tuple(has), tuple(besides), why, waiver, until)
        for rule, handle, logins, has, besides, why, waiver, until in rows
    )


def open_(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return those that no waiver covers."""
    return tuple(one for one in found if one.waiver is None)
