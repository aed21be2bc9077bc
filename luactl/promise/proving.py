"""Proving: each chosen clause's probe is run, and the outcome goes into the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from ..db import Session, transaction
from ..errors import LuactlError
from . import probes
from .look import Look, State
from .page import Clause, Page
from .waiver import Waiver, in_force

NOBODY_LOOKS = "nothing looks yet"


@dataclass(frozen=True)
class Verdict:
    """What trying to break one promise came to."""

    id: str
    """The clause."""
    promise: str
    """What is promised."""
    state: State
    """kept, broken, not observable or waived."""
    why: str
    """In one line: what was seen, what broke it, or why it could not be seen."""
    probe: str | None
    """The probe that ran; None: there is none."""
    attempts: int
    """How many attempts had a result."""
    broken: tuple[str, ...]
    """What broke it; the first 50."""
    unseen: tuple[str, ...]
    """What could not be tried or seen; the first 50."""
    evidence: dict[str, Any]
    """Figures and names that the probe left."""
    waiver: Waiver | None
    """The waiver in force, if there is one."""


@dataclass(frozen=True)
class Proof:
    """One proving."""

    page: str
    """Whose promises."""
    at: datetime
    """When."""
    entry_id: UUID
    """The ledger entry that keeps the states."""
    counts: dict[str, int]
    """How many promises are in which state."""
    promises: tuple[Verdict, ...]
    """In the order of the page."""


def prove(
    session: Session, page: Page, clauses: Sequence[Clause], progress: Callable[[int], None] = lambda _: None
) -> Proof:
    """Try to break these clauses and record what came of it; `progress` gets 1 a clause.

    What a probe raises makes its clauses not observable. Raises psycopg.OperationalError when the connection
    is lost, and what the ledger raises: what is not recorded is not proven.
    """
    at = session.clock.now()
    waivers = in_force(session, page)
    looks: dict[str, Look] = {}
    verdicts = []
    for clause in clauses:
        if clause.probe is not None and clause.probe not in looks:
            looks[clause.probe] = look(session, page, clause.probe)
        verdicts.append(_verdict(clause, looks.get(clause.probe or ""), waivers.get(clause.id)))
        progress(1)
    counts = dict(Counter[str](verdict.state for verdict in verdicts))
    return Proof(page.name, at, _record(session, page, verdicts), counts, tuple(verdicts))


def look(session: Session, page: Page, probe: str) -> Look:
    """Run one probe. What it raises becomes a reason why the promise is not observable."""
    found = Look()
    try:
        probes.load(probe)(session, page, found)
    except LuactlError as error:
        found.misses(error.what)
    except psycopg.Error as error:
        if session.conn.closed:
            raise
        from ..connect import explain

        found.misses(explain(error).what)
    except Exception as error:
        found.misses(f"the probe failed: {type(error).__name__}: {error}"[:300])
    return found


def _verdict(clause: Clause, found: Look | None, waiver: Waiver | None) -> Verdict:
    """Judge one clause. A waiver excuses what is not kept; what was found stays in sight."""
    if found is None:
        found = Look()
        found.misses(NOBODY_LOOKS)
    waived = waiver is not None and found.state != "kept"
    return Verdict(
        clause.id,
        clause.promise,
        "waived" if waived else found.state,
        f"{waiver}; {found.state}: {found.why}" if waived else _why(clause, found),
        clause.probe,
        found.attempts,
        tuple(found.broken),
        tuple(found.unseen),
        found.evidence,
        waiver,
    )


def _why(clause: Clause, found: Look) -> str:
    """Say beside what was seen what was not even looked at."""
    limits = found.state == "kept" and clause.beyond
    return f"{found.why}; not looked at: {clause.beyond}" if limits else found.why


def _record(session: Session, page: Page, verdicts: Sequence[Verdict]) -> UUID:
    from ..ledger import Entry, append

    detail = {"page": page.name, "states": {verdict.id: verdict.state for verdict in verdicts}}
    with transaction(session):
        return append(session, Entry("promise.prove", object="promise:page", detail=detail))
