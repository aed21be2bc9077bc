"""How far the log is: what is signed, what waits, who else knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..db import Session, queries
from .anchor import Anchor, AnchorError, reached
from .cosigned import CosignerState, agreed, states
from .note import NoteError, Verifier
from .origin import require
from .tree import minimum


@dataclass(frozen=True)
class AnchorState:
    """What one anchor knows."""

    anchor: str
    size: int | None
    """Entries under its newest checkpoint; None when it has none or cannot be read."""
    current: bool
    """Whether it has the database's newest checkpoint."""
    problem: str | None
    lag: int | None = None
    """Entries under the database's newest checkpoint that it does not know of; None when that is unknown."""
    known_by: str = "the anchor"
    """Who says so: the anchor itself, or `this host`, which handed it over to one that cannot be asked."""


@dataclass(frozen=True)
class Status:
    """The state of the log at one moment."""

    origin: str
    vkey: str
    size: int
    """Entries under a checkpoint."""
    pending: int
    """Entries that wait for one."""
    lag_seconds: float
    """How long the oldest of them has waited; 0 when none does."""
    root: bytes | None
    """Root hash of the newest checkpoint."""
    signed_at: datetime | None
    signs_here: bool
    """Whether this is the ledger host: the signing key is here."""
    anchors: tuple[AnchorState, ...]
    cosigners: tuple[CosignerState, ...] = ()
    minimum: int = 0
    """Entries below this index were pruned."""
    cosigned: int | None = None
    """Entries that as many cosigners have seen as the profile asks for; None when it asks for none."""


def sees_all(session: Session) -> bool:
    """Tell whether row security shows the login every entry, and every line of servers and services."""
    every: bool = queries("ledger").sees_all(session.conn)
    return every


def waiting(session: Session) -> datetime | None:
    """Return since when the oldest entry without a checkpoint waits; None when none does."""
    oldest: datetime | None = queries("ledger").waiting(session.conn)[1]
    return oldest


def status(session: Session) -> Status:
    """Report the state of the log. Raises RefusedError before there is an origin."""
    origin = require(session)
    pending, oldest = queries("ledger").waiting(session.conn)
    newest = queries("ledger").newest_checkpoint(session.conn)
    size = 0 if newest is None else newest[0]
    least, _note = minimum(session.conn)
    seen, needed = states(session, size), session.profile.cosigners_needed
    lag = 0.0 if oldest is None else max(0.0, (session.clock.now() - oldest).total_seconds())
    return Status(
        origin=origin.origin,
        vkey=origin.vkey,
        size=size,
        pending=pending,
        lag_seconds=round(lag, 3),
        root=None if newest is None else newest[1],
        signed_at=None if newest is None else newest[3],
        signs_here=session.profile.signing_key.exists(),
        anchors=tuple(_state(anchor, origin.vkey, size) for anchor in reached(session.profile)),
        cosigners=seen,
        minimum=least,
        cosigned=agreed(seen, needed) if needed else None,
    )


def _state(anchor: Anchor, vkey: str, size: int) -> AnchorState:
    try:
        known = anchor.newest(Verifier.parse(vkey))
    except (AnchorError, NoteError) as error:
        return AnchorState(anchor.name, None, False, error.what)
    says = "the anchor" if known.told else "this host"
    have = None if known.checkpoint is None else known.checkpoint.size
    if anchor.missing():
        what = "the file is missing" if anchor.name.startswith("file:") else "it is not there"
        return AnchorState(anchor.name, None, False, what, None, says)
    if have is not None and have > size:
        problem = "it knows more than the database: a restore or a rewrite"
        return AnchorState(anchor.name, have, False, problem, 0, says)
    if have is None and not known.told:
        return AnchorState(anchor.name, None, size == 0, None, None, says)
    return AnchorState(anchor.name, have, (have or 0) == size, None, size - (have or 0), says)
