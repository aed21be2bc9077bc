"""Retiring a holder or key book that is gone for ever, so that epochs can be turned without it.

Nothing is destroyed there, since nobody reaches it: what it had must be taken for stolen.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from ..db import Session, transaction
from ..errors import NotFoundError, RefusedError, UsageError
from ..line import checked
from . import consent
from .register import Kind, Place, call, end
from .root import exclusive, standing


@dataclass(frozen=True)
class Retirement:
    """A place that ends, and why."""

    kind: Kind
    place_id: UUID
    name: str
    host: str
    epoch: int
    """At which the tree stands: the root that a holder may have."""
    reason: str


def plan(session: Session, kind: Kind, which: str, reason: str) -> Retirement:
    """Return what would be retired; `which` is the name it was registered by, or its id.

    Raises NotFoundError, UsageError when several have that name, RefusedError for a place that the profile
    names (which is removed), and for the last one of its kind.
    """
    return _look(session, kind, which, reason)[0]


def _look(session: Session, kind: Kind, which: str, reason: str) -> tuple[Retirement, Place]:
    """Return what would be retired, and its row."""
    tree_id, epoch, _change = standing(session)
    roll = call(session, tree_id)
    named = {one.place.name for one in roll.named if one.kind == kind}
    if which in named:
        raise _named_here(session, kind, which)
    row = _find([one for one in roll.rows if one.kind == kind], kind, which)
    if row.place_id in roll.ids:
        raise _named_here(session, kind, roll.ids[row.place_id].place.name)
    if not any(one.kind == kind and one.retired_at is None and one != row for one in roll.rows):
        raise RefusedError(f"that is the last {kind}", hint="add another first")
    return Retirement(kind, row.place_id, row.name, row.host, epoch, checked("reason", reason)), row


def _named_here(session: Session, kind: Kind, name: str) -> RefusedError:
    lost = ", with --lost when it is out of reach" if kind == "holder" else ""
    return RefusedError(
        f"profile {session.profile.name!r} names key {kind} {name}",
        hint=f"`luactl key {kind} remove {name}`{lost}",
    )


def _find(rows: list[Place], kind: Kind, which: str) -> Place:
    found = [one for one in rows if which in (one.name, str(one.place_id))]
    open_ones = [one for one in found if one.retired_at is None]
    if found and not open_ones:
        raise NotFoundError(
            f"key {kind} {which} was retired on {found[-1].retired_at:%Y-%m-%d} by {found[-1].retired_by}",
            hint="nothing to do",
        )
    if not open_ones:
        raise NotFoundError(f"no {kind} {which} is registered", hint="`luactl key place list`")
    if len(open_ones) > 1:
        ids = ", ".join(f"{one.place_id} of host {one.host}" for one in open_ones)
        raise UsageError(f"{len(open_ones)} {kind}s are called {which}", hint=f"name one by its id: {ids}")
    return open_ones[0]


def retire(session: Session, wanted: Retirement) -> Retirement:
    """End the place, with the ledger entry `key.holder.retire` or `key.book.retire`.

    Raises BusyError when the tree is in use, RefusedError without the approval that a rule demands.
    """
    granted = consent.demand(
        session,
        f"key.{wanted.kind}.retire",
        str(wanted.place_id),
        f"Retire key {wanted.kind} {wanted.name} of host {wanted.host},",
        reason=wanted.reason,
    )
    with exclusive(session):
        again, row = _look(session, wanted.kind, str(wanted.place_id), wanted.reason)
        with transaction(session):
            consent.use(session, granted)
            end(session, row, wanted.reason, root_left=wanted.kind == "holder")
    return again
