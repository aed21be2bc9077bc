"""Rotation: a new epoch in which every node gets a new key, and nothing is lost (docs/design/keys.md).

For the day after a key host, a holder or a disk was stolen, and for releases that have run out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..db import Session, queries, transaction
from . import consent
from .drop import EpochChange, drop
from .path import TOP
from .recovery import recover
from .register import demand as demand_places
from .status import State, require, survey


@dataclass(frozen=True)
class Rotation:
    """What a rotation does, or did."""

    epoch: int
    """The epoch before it."""
    nodes: int
    """How many nodes there are; with `expired` only those of released parts get new keys."""
    expired: int
    """Releases that have run out, whose keys are taken back."""
    everything: bool
    """Whether every node of the tree gets a new key, not only released parts."""
    holders: tuple[str, ...]
    books: tuple[str, ...]
    unfinished: bool = False
    """Whether an earlier change of the tree was cut short, which is finished first."""
    change: EpochChange | None = None
    """What came of it; None in a plan, or where there was only something to finish."""


def plan_rotation(session: Session, *, everything: bool = True) -> Rotation:
    """Return what `rotate` would do. Raises RefusedError where keys cannot be changed now."""
    found, roll = survey(session, count=True)
    require(found, State.SETTLED, State.UNFINISHED)
    demand_places(roll)
    now = session.clock.now()
    open_ones = queries("key").open_releases(session.conn)
    expired = {release_id for _t, release_id, _key, expires_at, _path in open_ones if expires_at <= now}
    holders = tuple(one.name for one in found.holders)
    books, unfinished = tuple(one.name for one in found.books), found.state is State.UNFINISHED
    return Rotation(found.epoch, found.nodes, len(expired), everything, holders, books, unfinished)


def rotate(session: Session, plan: Rotation) -> Rotation:
    """Turn the epoch; leaves `key.rotate` in the ledger, intent and done. Raises as `drop` does,
    and RefusedError without the approval that a rule demands.

    What an earlier change left unfinished is finished first. Takes memory for all nodes at once: about
    250 MB for a million people.
    """
    from ..ledger import Entry, append

    recover(session)
    if not plan.everything and not plan.expired:
        return plan
    entry = Entry("key.rotate", object="key:tree", outcome="intent")
    facts = {"everything": plan.everything, "expired": plan.expired}

    what = "tree" if plan.everything else "releases"
    summary = (
        "Turn the epoch, with new keys for every node of the" if plan.everything else "Take back expired"
    )
    counts = {"nodes": plan.nodes if plan.everything else 0, "expired": plan.expired}
    granted = consent.demand(session, "key.rotate", what, summary, counts=counts)

    def change(epoch: int) -> None:
        consent.use(session, granted)
        append(session, replace(entry, detail={**facts, "epoch": epoch}))

    done = drop(session, [], change, rekey=(TOP,) if plan.everything else ())
    detail = {**facts, "epoch": done.epoch_to, "nodes": done.nodes_rewritten}
    with transaction(session):
        append(session, replace(entry, outcome="done", detail=detail))
    return replace(plan, change=done)
