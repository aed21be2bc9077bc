"""How old today's root is, and what became of those before it. Any host may ask: it reads no key."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from ..db import Session, queries, transaction
from .holder import Destroyed
from .root import no_tree


@dataclass(frozen=True)
class RootAge:
    """Since when the root of today's epoch is in use, and the fate of older ones."""

    epoch: int
    since: datetime
    old: tuple[Destroyed, ...]
    """What each holder answered about the root before today's, and about every root whose destruction is
    still to come; newest epoch first."""
    ended: dict[int, datetime]
    """When epochs ended that were asked for: a place that stands there is behind since then."""

    def told(self, now: datetime) -> list[str]:
        """Return a sentence for each old root at each holder."""
        return [_told(one, now) for one in self.old]


def _told(one: Destroyed, now: datetime) -> str:
    level = f" at level {one.level}" if one.level else ", no level claimed"
    if one.effective_at is not None and one.effective_at > now:
        return f"root {one.epoch} at {one.holder}: can come back until {one.effective_at:%Y-%m-%d %H:%M}"
    gone = f" {one.effective_at:%Y-%m-%d %H:%M}" if one.effective_at else ""
    return f"root {one.epoch} at {one.holder}: destroyed{gone}{level}"


def root_age(session: Session, epochs: Collection[int] = ()) -> RootAge:
    """Return the age of today's root, with the end of these epochs. Raises RefusedError without a tree."""
    noun = queries("key")
    with transaction(session) as conn:
        found = noun.root_since(conn)
        if found is None:
            raise no_tree()
        rows = list(noun.fates_left(conn, at=session.clock.now()))
        ended = dict(noun.epochs_ended(conn, epochs=sorted(epochs)))
    return RootAge(found[0], found[1], tuple(Destroyed(*row) for row in rows), ended)
