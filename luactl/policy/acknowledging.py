"""Who knows which policy: acknowledged by one's own login, or recorded with evidence by an administrator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from ..db import Session, queries, transaction
from ..errors import RefusedError, UsageError
from ..line import LONGEST, checked
from .register import Policy

if TYPE_CHECKING:
    from ..staff import Person


@dataclass(frozen=True)
class Acknowledgement:
    """That somebody knows a version of a policy."""

    policy: str
    version: int
    person: str
    """The handle of who knows it."""
    acknowledged_at: datetime
    evidence: str | None
    """None: by their own login; else what an administrator saw on paper, and where it is filed."""
    recorded_by: str
    """The login that recorded it."""


@dataclass(frozen=True)
class Open:
    """That somebody in force has not acknowledged a policy in force."""

    policy: str
    version: int
    title: str
    person: str
    """The handle of who must."""
    due: date
    """Their last day: the policy's, or their first day at work if that is later."""
    overdue: bool
    """Whether it is past."""


def acknowledgements(session: Session, one: Policy) -> list[Acknowledgement]:
    """Return who has acknowledged a version, in the order of time."""
    with transaction(session) as conn:
        rows = queries("policy").acknowledgements(conn, policy=one.policy, version=one.version)
        return [Acknowledgement(*row) for row in rows]


def open_(session: Session, person: Person | None = None, policy: str | None = None) -> list[Open]:
    """Return what is not acknowledged: by everybody or one person, of all policies or one; earliest first."""
    today = session.clock.now().date()
    with transaction(session) as conn:
        rows = queries("policy").missing(
            conn, person_id=person.person_id if person else None, policy=policy, today=today
        )
        return [Open(*row) for row in rows]


def acknowledge(
    session: Session, one: Policy, person: Person, evidence: str | None = None, *, dry_run: bool = False
) -> Acknowledgement:
    """Record that a person knows a version in force, and return it; what is known already stays.

    Without evidence only the person's own login may; with evidence lua_admin or lua_dpo, which the ledger
    says. Raises RefusedError for somebody else's login, for a job, and for a version not in force.
    """
    from ..ledger import Entry, append

    _demand(session, one, person, evidence)
    known = [each for each in acknowledgements(session, one) if each.person == person.handle]
    if known:
        return known[0]
    now = session.clock.now()
    paper = None if evidence is None else checked("evidence", evidence)
    made = Acknowledgement(one.policy, one.version, person.handle, now, paper, session.actor)
    if dry_run:
        return made
    with transaction(session) as conn:
        detail = {"policy": one.policy, "version": one.version, "digest": one.digest}
        detail |= {"by": "own login"} if paper is None else {"by": "evidence", "evidence": paper}
        entry_id = append(session, Entry("policy.acknowledge", object=person.object, detail=detail))
        queries("policy").acknowledge(
            conn,
            policy=one.policy,
            version=one.version,
            person_id=person.person_id,
            evidence=paper,
            at=now,
            entry_id=entry_id,
        )
    return made


def _demand(session: Session, one: Policy, person: Person, evidence: str | None) -> None:
    if evidence is not None and len(evidence) > LONGEST:
        raise UsageError(f"the evidence has more than {LONGEST} characters", hint="say where it is filed")
    if evidence is None and session.actor not in person.logins:
        raise RefusedError(
            f"{session.actor} is no login of {person.handle}",
            hint="everybody acknowledges by a login of their own; --evidence names what they signed on paper",
        )
    if person.kind == "job" or person.ended_at is not None:
        why = "is a job" if person.kind == "job" else "has left"
        raise RefusedError(f"{person.handle} {why}", hint="people in force acknowledge policies")
    if one.state != "in force":
        raise RefusedError(
            f"version {one.version} of {one.policy} is not in force, but {one.state}",
            hint=f"`luactl policy show {one.policy}` shows the one that is",
        )
