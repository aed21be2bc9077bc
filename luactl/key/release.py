"""Keys of a tenant released to a person for a time: given, listed, taken back (formats.md, 2.7).

Given: the node's key of today, sealed to the person's own X25519 key. Taken back: all of that part of the
tree gets new keys, by `revoke`, or by the next epoch after the time has run out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NoTenantError, NotFoundError, RefusedError, UsageError
from .classes import KeyClass
from .drop import EpochChange, drop
from .path import tenant_nodes
from .person import bound, seal_to
from .recovery import recover
from .root import lock_shared
from .status import State, status
from .tree import Nodes

if TYPE_CHECKING:
    from ..ledger import Entry

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=31)
_DURATION = re.compile(r"([0-9]{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
Part = Literal["tenant", "duty"]
PARTS: tuple[Part, ...] = ("tenant", "duty")
OPENS: dict[Part, tuple[str, ...]] = {
    "tenant": tuple(one.label for one in KeyClass if not one.is_duty),
    "duty": tuple(one.label for one in KeyClass if one.is_duty),
}


@dataclass(frozen=True)
class NewRelease:
    """What is to be released, to whom, until when, why."""

    tenant_id: int
    person: str
    """The login that opens with it."""
    public_key: bytes
    """The person's X25519 key: 32 bytes."""
    duration: timedelta
    purpose: str
    parts: tuple[Part, ...] = PARTS


@dataclass(frozen=True)
class Release:
    """A release as it stands."""

    release_id: UUID
    tenant: str
    person: str
    opens: tuple[str, ...]
    """Key classes that it opens."""
    state: str
    """running; expired: run out, but open to whoever kept the keys until the next epoch; ended."""
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    purpose: str
    released_by: str
    ended_by: str | None
    end_reason: str | None
    ended_epoch: int | None
    """The epoch that took the keys back."""


@dataclass(frozen=True)
class ReleasePlan:
    """What a release would open, to whom, for how long."""

    tenant: str
    person: str
    opens: tuple[str, ...]
    expires_at: datetime
    purpose: str
    public_key: str
    """SHA-256 of the person's key, to be compared with what they have: 64 hex digits."""


def duration(text: str) -> timedelta:
    """Read 30m, 8h or 3d. Raises UsageError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no length of time", hint="write 30m, 8h or 3d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def parts_named(label: str | None) -> tuple[Part, ...]:
    """Return what is released for a key class by its name. Raises UsageError."""
    classes = {one.label: one for one in KeyClass}
    if label is not None and label not in classes:
        raise UsageError(f"there is no key class {label!r}", hint=f"one of {', '.join(classes)}")
    return parts_of(None if label is None else classes[label])


def parts_of(key_class: KeyClass | None) -> tuple[Part, ...]:
    """Return what is released for a class: the part of the tree that its keys hang in, or both."""
    if key_class is None:
        return PARTS
    return ("duty",) if key_class.is_duty else ("tenant",)


def check(session: Session, new: NewRelease) -> None:
    """Raise UsageError or NotFoundError for a release that cannot be."""
    if not SHORTEST <= new.duration <= LONGEST:
        raise UsageError(
            "a release runs for at least a minute and at most 31 days", hint="--for 8h, --for 3d"
        )
    if not new.purpose.strip() or len(new.purpose) > 200:
        raise UsageError("a purpose of at most 200 characters is needed", hint="--purpose 'ticket 4711'")
    if not queries("key").has_login(session.conn, person=new.person):
        raise NotFoundError(
            f"nobody logs in as {new.person!r}",
            hint="name the login of the person, as `luactl access list` has it",
        )
    # Raises, for whoever is not bound, and what the rules of separation say.
    queries("key").may_hold(session.conn, person=new.person, at=session.clock.now())


def plan(session: Session, tenant: str, new: NewRelease) -> ReleasePlan:
    """Return what `give` would release; `tenant` is the slug. Raises as `check` does."""
    check(session, new)
    opens = tuple(label for part in new.parts for label in OPENS[part])
    until = session.clock.now() + new.duration
    return ReleasePlan(tenant, new.person, opens, until, new.purpose, sha256(new.public_key).hexdigest())


def give(session: Session, new: NewRelease) -> Release:
    """Release keys; runs in a transaction of its own, in which no epoch can turn.

    Raises RefusedError off a key host, UsageError and NotFoundError as `check`.
    """
    from ..ledger import new_id

    check(session, new)
    nodes, now = Nodes(session), session.clock.now()
    release_id = new_id(now)
    key_no = queries("key").key_no(session.conn, tenant_id=new.tenant_id)
    if key_no is None:
        raise NoTenantError(new.tenant_id)
    with transaction(session, new.tenant_id) as conn:
        lock_shared(session)
        sealed = _sealed(nodes, new, key_no, release_id)
        queries("key").give_release(
            conn,
            tenant_id=new.tenant_id,
            release_id=release_id,
            person=new.person,
            parts=list(new.parts),
            public_key=new.public_key,
            purpose=new.purpose,
            at=now,
            expires_at=now + new.duration,
            paths=[path for path, _version, _key in sealed],
            versions=[version for _path, version, _key in sealed],
            sealed=[key for _path, _version, key in sealed],
        )
        _record(session, new, release_id)
    return find(session, release_id)


def _sealed(nodes: Nodes, new: NewRelease, key_no: int, release_id: UUID) -> list[tuple[bytes, int, bytes]]:
    """Return path, version and sealed key of each node that is released, as they are now."""
    paths = dict(zip(PARTS, tenant_nodes(key_no), strict=True))
    nodes.load(paths.values(), fresh=True)
    found = []
    for part in new.parts:
        path, version = paths[part], nodes[paths[part]].version
        place = bound(nodes.tree_id, release_id.bytes, path, version)
        found.append((path, version, seal_to(new.public_key, nodes.key_of(path), place)))
    return found


def _record(session: Session, new: NewRelease, release_id: UUID) -> None:
    from ..ledger import Entry, append

    detail = {
        "person": new.person,
        "parts": list(new.parts),
        "seconds": int(new.duration.total_seconds()),
        "public_key": sha256(new.public_key).hexdigest(),
    }
    entry = Entry(
        "key.release.add", new.tenant_id, f"release:{release_id}", purpose=new.purpose, detail=detail
    )
    append(session, entry)


def list_(session: Session, tenant: str | None = None) -> list[Release]:
    """Return all releases, or those of one tenant by its slug, newest first."""
    now = session.clock.now()
    with transaction(session) as conn:
        rows = list(queries("key").releases(conn))
    found = [_release(row, now) for row in rows]
    return [one for one in reversed(found) if tenant in (None, one.tenant)]


def _release(row: Sequence[Any], now: datetime) -> Release:
    _tenant, slug, release_id, person, parts, purpose, by, created, expires, ended, ended_by, epoch, why = row
    opens = tuple(label for part in parts for label in OPENS[part])
    state = "ended" if ended else "expired" if expires <= now else "running"
    return Release(
        release_id, slug, person, opens, state, created, expires, ended, purpose, by, ended_by, why, epoch
    )


def find(session: Session, release_id: UUID) -> Release:
    """Return one release. Raises NotFoundError."""
    for one in list_(session):
        if one.release_id == release_id:
            return one
    raise NotFoundError(f"there is no release {release_id}", hint="`luactl key release list` shows them")


@dataclass(frozen=True)
class Revocation:
    """A release that ends, or ended: what gets new keys for that."""

    release: Release
    change: EpochChange | None
    """What came of it; None in a plan, and when an earlier run was cut short after its commit."""


def plan_revocation(session: Session, release_id: UUID) -> Revocation:
    """Return what `revoke` would do. Raises NotFoundError, RefusedError for one that has ended for good."""
    found = find(session, release_id)
    if found.ended_at and not (_is_untold(session, release_id) or _is_unfinished(session)):
        raise RefusedError(
            f"release {release_id} ended with epoch {found.ended_epoch}: its keys open nothing any more",
            hint="`luactl key release list` shows those that run",
        )
    return Revocation(found, None)


def _is_unfinished(session: Session) -> bool:
    return status(session, count=False).state is State.UNFINISHED


def _is_untold(session: Session, release_id: UUID) -> bool:
    """Whether the ledger has the intent to take a release back, as far as this login sees, and no outcome."""
    told = {
        row[0] for row in queries("key").revocation_outcomes(session.conn, object=f"release:{release_id}")
    }
    return told == {"intent"}


def revoke(session: Session, release_id: UUID) -> Revocation:
    """Take a release back: one epoch gives all of its part of the tree new keys, and what has run out too.

    What an earlier change of the tree left unfinished is finished first. Raises as `plan_revocation` and
    `drop` do.
    """
    from ..ledger import Entry, append

    plan = plan_revocation(session, release_id)
    recover(session)
    tenant_id = next(row[0] for row in queries("key").releases(session.conn) if row[2] == release_id)
    entry = Entry("key.release.revoke", tenant_id, f"release:{release_id}", outcome="intent")
    if plan.release.ended_at:
        if _is_untold(session, release_id):
            _tell(session, replace(entry, outcome="done", detail={"epoch": plan.release.ended_epoch}))
        return plan

    def change(epoch: int) -> None:
        append(session, replace(entry, detail={"epoch": epoch}))

    done = drop(session, [], change, revoke=[release_id])
    _tell(session, replace(entry, outcome="done", detail={"epoch": done.epoch_to}))
    return Revocation(find(session, plan.release.release_id), done)


def _tell(session: Session, entry: Entry) -> None:
    from ..ledger import append

    with transaction(session):
        append(session, entry)
