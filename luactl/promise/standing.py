"""Where each promise stands: what the last proof came to, and the waiver in force. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ..db import Session, queries
from .look import State
from .page import Page
from .waiver import Waiver, in_force


@dataclass(frozen=True)
class Standing:
    """One promise, as last proven."""

    id: str
    """The clause."""
    promise: str
    """What is promised."""
    state: State | None
    """What the last proof came to; None: this login sees none, or it was waived then and is not any more."""
    at: datetime | None
    """When that was."""
    proven_by: str | None
    """The login that proved it."""
    entry_id: UUID | None
    """The ledger entry that keeps it."""
    waiver: Waiver | None
    """The waiver in force, if there is one."""


def standings(session: Session, page: Page) -> tuple[Standing, ...]:
    """Return all promises of a page, in its order.

    Who sees only their own ledger entries (operators, bookkeeping) sees only their own proofs.
    """
    waivers = in_force(session, page)
    proofs = {row[0]: row[1:] for row in queries("promise").last_states(session.conn, page=page.name)}
    found = []
    for clause in page.clauses:
        state, at, by, entry_id = proofs.get(clause.id, (None, None, None, None))
        waiver = waivers.get(clause.id)
        found.append(Standing(clause.id, clause.promise, _now(state, waiver), at, by, entry_id, waiver))
    return tuple(found)


def _now(state: State | None, waiver: Waiver | None) -> State | None:
    """Let a waiver excuse what was not kept, and a waiver that is over excuse nothing more."""
    if waiver is not None and state in ("broken", "not observable"):
        return "waived"
    return None if state == "waived" and waiver is None else state
