"""After a restore, a point-in-time recovery or a failover: the database is made what it may be today.

A backup brings back what was dropped since, and it has lost what was written since. So keys come from the
key book; what was erased or purged goes again; a log that lost its end goes on under another name. Each
step is its own transaction with its ledger entry, and finds nothing to do when it is run again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .db import Session
from .errors import LuactlError

if TYPE_CHECKING:
    from .erasure import Replayed, Returned, Unfinished
    from .key.lay import Laying
    from .key.recovery import Recovery
    from .ledger.fork import Branch

MOST_FINDINGS = 20


@dataclass(frozen=True)
class RestorePlan:
    """What a restore left to do."""

    keys: Laying | None
    """What the newest key book lays over the database; None when the tree is not behind."""
    recovery: Recovery | None
    """What an unfinished change of the tree needs; None when only the laid tree will tell."""
    lost: tuple[Branch, ...]
    """What anchors know of the log beyond this database."""
    again: tuple[Returned, ...] | None
    """Who and what was erased or purged and is there again; None when only the laid tree will tell."""
    ended: tuple[str, ...] | None
    """Tenants that had ended and are there again; None when only the laid tree will tell."""
    unfinished: tuple[Unfinished, ...]
    """What its own command finishes when it is run again."""

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to do."""
        settled = self.recovery is not None and not self.recovery.actions
        return settled and not (self.keys or self.lost or self.again)


@dataclass(frozen=True)
class Restoration:
    """What was done, and what is left."""

    plan: RestorePlan
    origin: str | None
    """The new name of the log; None when it keeps its own."""
    replayed: tuple[Replayed, ...]
    """What was erased again, by tenant."""
    findings: tuple[str, ...]
    """What is still not as it must be: the first twenty."""

    @property
    def ok(self) -> bool:
        """Whether nothing is left."""
        return not self.findings


def plan(session: Session) -> RestorePlan:
    """Compare the database with key books, holders and anchors. Changes nothing.

    Raises RefusedError off a key host, where books and holders do not fit each other, and when an anchor
    contradicts the log: that is a rewrite, not a restore.
    """
    from .erasure import unfinished
    from .key.lay import plan_laying
    from .key.recovery import recover
    from .ledger.fork import find_lost

    laying = plan_laying(session)
    recovery = None if laying else recover(session, dry_run=True)
    again, ended = (None, None) if recovery is None or recovery.actions else _returned(session)
    return RestorePlan(laying, recovery, find_lost(session), again, ended, unfinished(session))


def _returned(
    session: Session, progress: Callable[[int], None] = lambda _: None
) -> tuple[tuple[Returned, ...], tuple[str, ...]]:
    """Return what is there again of tenants that live, and the slugs of those that had ended."""
    from .erasure import returned
    from .key.lay import have_ended
    from .tenant import list_
    from .tenant.register import directory

    tenants = list_(session)
    numbers = {slug: key_no for slug, (_id, key_no) in directory(session, [t.slug for t in tenants]).items()}
    gone = have_ended(session, list(numbers.values()))
    living = [one for one in tenants if numbers[one.slug] not in gone]
    ended = tuple(t.slug for t in tenants if numbers[t.slug] in gone and t.status != "terminated")
    return returned(session, living, progress), ended


def check(session: Session, base: Path, progress: Callable[[int], None] = lambda _: None) -> Restoration:
    """Do what `plan` says; cut short anywhere it can be run again.

    Certificates of what is erased again go below `base`; `progress` gets 1 a tenant, and people as they go.

    Raises what `plan` raises, and BusyError when tree or log are in use.
    """
    from .erasure import replay
    from .key.lay import lay_over
    from .key.recovery import recover
    from .ledger import integrate
    from .ledger.fork import finish, fork

    finish(session)
    planned = plan(session)
    lay_over(session)
    recover(session)
    origin = fork(session, planned.lost).origin if planned.lost else None
    again, ended = _returned(session, progress)
    replayed = tuple(replay(session, one, base, progress) for one in again)
    integrate(session)
    return Restoration(planned, origin, replayed, _findings(session, ended, replayed))


def _findings(session: Session, ended: tuple[str, ...], replayed: tuple[Replayed, ...]) -> tuple[str, ...]:
    """Look at the whole tree and the whole log once more."""
    from . import key, ledger

    said = [f"tenant {slug} had ended and is there again: `luactl tenant terminate {slug}`" for slug in ended]
    said += [
        f"tenant {one.tenant}: {one.kept} purged periods are there again, and today's rule keeps them"
        for one in replayed
        if one.kept
    ]
    keys = key.verify(session)
    said += [f"{one.where}: {one.what}" for one in keys.findings]
    try:
        said += [f"ledger: {one.problem}" for one in ledger.verify(session).findings]
    except LuactlError as error:
        said.append(f"the ledger was not checked: {error.what}")
    if len(said) + keys.cut > MOST_FINDINGS:
        more = len(said) + keys.cut - MOST_FINDINGS
        said[MOST_FINDINGS:] = [f"and {more:,} more: `luactl key verify`, `luactl ledger verify`"]
    return tuple(said)
