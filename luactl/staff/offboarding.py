"""Offboarding: everything that somebody has ends at once, and what is open goes on with somebody else.

The plan is the list of all steps; what runs is just that. One transaction ends logins, grants and the person
and hands on what they had open; what cannot be undone with it follows, and is finished by a second run.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from uuid import UUID

import psycopg

from ..db import Session, transaction
from ..errors import LuactlError, NoConnectionError, RefusedError, UsageError
from ..line import checked
from .part import Leaving, Part, Step, carried_out, steps
from .person import Person, above, find, list_, me


@dataclass(frozen=True)
class Offboarding:
    """What an offboarding does, or did."""

    person: Person
    """As they were before."""
    to: str | None
    """The handle of who takes over; None: nobody does."""
    reason: str
    steps: tuple[Step, ...]
    """In the order in which they are done."""

    @property
    def left(self) -> tuple[Step, ...]:
        """What somebody else must do."""
        return tuple(one for one in self.steps if one.state == "left")


def prepare_leaving(
    session: Session, person: Person, reason: str, to: str | None = None, *, keep_tokens: bool = False
) -> Leaving:
    """Return who leaves and who takes over. Changes nothing.

    Raises RefusedError for oneself, UsageError for a successor who cannot be one, or when there is none but
    others report to whoever leaves.
    """
    own = me(session)
    if session.actor in person.logins or (own is not None and own.handle == person.handle):
        raise RefusedError("nobody sees themselves out", hint="another administrator does it")
    successor = _successor(session, person, to)
    reports = [one for one in list_(session) if one.manager == person.handle]
    if successor is None and reports:
        raise UsageError(
            f"{len(reports)} still report to {person.handle}, who reports to nobody",
            hint="--to names who takes over",
        )
    return Leaving(person, successor, checked("reason", reason), keep_tokens)


def _successor(session: Session, person: Person, to: str | None) -> Person | None:
    name = to or person.manager
    if name is None:
        return None
    found = find(session, name)
    if found.handle == person.handle or found.kind == "job" or found.ended_at is not None:
        raise UsageError(f"{found.handle} cannot take over", hint="--to names another person in force")
    for at, over in pairwise(above(session, found.handle)):
        if over == person.handle:
            raise UsageError(
                f"{found.handle} reports to {at}, who would then report to {found.handle}",
                hint=f"first `luactl staff change {found.handle} --manager`, or name another one",
            )
    return found


def plan_offboarding(session: Session, leaving: Leaving) -> Offboarding:
    """Return everything that an offboarding would do. Changes nothing."""
    both = steps(session, leaving, within=True) + steps(session, leaving, within=False)
    return _told(leaving, [step for _part, step in both])


def _told(leaving: Leaving, found: list[Step]) -> Offboarding:
    to = leaving.successor.handle if leaving.successor else None
    return Offboarding(leaving.person, to, leaving.reason, tuple(found))


def offboard(session: Session, leaving: Leaving) -> Offboarding:
    """End everything that somebody has. Needs lua_admin. What an earlier run left undone is done.

    Raises what the one transaction raises: then nothing was changed. A later step that fails is left, with
    what to do about it.
    """
    within = steps(session, leaving, within=True)
    done: list[Step] = []
    entry_id = UUID(int=0)
    if within:
        done, entry_id = _at_once(session, leaving, within)
        session.step("offboarding committed")
    for part, step in steps(session, leaving, within=False):
        done.append(_afterwards(session, leaving, part, step, entry_id))
        session.step(f"offboarding: {part.name}")
    return _told(leaving, done)


def _at_once(session: Session, leaving: Leaving, within: list[tuple[Part, Step]]) -> tuple[list[Step], UUID]:
    from ..ledger import Entry, append

    detail = {
        "reason": leaving.reason,
        "to": str(leaving.successor.person_id) if leaving.successor else None,
        "parts": dict(Counter(part.name for part, _step in within)),
        "logins": [step.what for part, step in within if part.name == "logins"],
    }
    try:
        with transaction(session):
            entry = Entry("staff.offboard", object=leaving.person.object, detail=detail)
            entry_id = append(session, entry)
            done = [carried_out(session, leaving, part, step, entry_id) for part, step in within]
            session.step("about to commit")
    except psycopg.errors.CheckViolation as error:
        raise LuactlError(
            f"something came in between, and nothing was changed: {error.diag.message_primary}",
            hint="look at what --dry-run prints now",
        ) from error
    return done, entry_id


def _afterwards(session: Session, leaving: Leaving, part: Part, step: Step, entry_id: UUID) -> Step:
    try:
        return carried_out(session, leaving, part, step, entry_id)
    except NoConnectionError:
        raise  # so is everything that would come next; a second run goes on
    except LuactlError as error:
        hint = f"; {error.hint}" if error.hint else ""
        return replace(step, state="left", then=f"not done: {error.what}{hint}")
