"""What an epoch does to keys that are released to persons: seals them anew, or takes them back when they end.

Part of `drop`; who releases is `release`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from ..db import Session, queries
from .person import bound, seal_to
from .rewrite import Rewritten


@dataclass(frozen=True)
class Key:
    """One released node key."""

    tenant_id: int
    release_id: UUID
    public_key: bytes
    path: bytes


@dataclass(frozen=True)
class Released:
    """All released node keys: those that go on, and those that end with this epoch, with the reason."""

    running: list[Key] = field(default_factory=list)
    ending: dict[Key, str] = field(default_factory=dict)

    @property
    def ending_paths(self) -> set[bytes]:
        """The parts of the tree that need new keys for that; a tenant that ended has none any more."""
        return {key.path for key, reason in self.ending.items() if reason != "tenant ended"}


def find_released(session: Session, revoke: Collection[UUID], ended: Collection[int]) -> Released:
    """Return the open releases in the running transaction; `ended` are tenants that are no more."""
    found, now = Released(), session.clock.now()
    for tenant_id, release_id, public_key, expires_at, path in queries("key").open_releases(session.conn):
        key = Key(tenant_id, release_id, public_key, path)
        if tenant_id in ended:
            found.ending[key] = "tenant ended"
        elif release_id in revoke:
            found.ending[key] = "revoked"
        elif expires_at <= now:
            found.ending[key] = "expired"
        else:
            found.running.append(key)
    return found


def follow(session: Session, found: Released, tree_id: bytes, epoch: int, written: Rewritten) -> None:
    """Seal the new keys of released nodes to their persons, and write down which releases have ended."""
    renewed = [key for key in found.running if key.path in written.blobs]
    if renewed:
        versions = [written.versions[key.path] + 1 for key in renewed]
        queries("key").renew_releases(
            session.conn,
            tenants=[key.tenant_id for key in renewed],
            ids=[key.release_id for key in renewed],
            paths=[key.path for key in renewed],
            versions=versions,
            sealed=[
                _seal(key, tree_id, version, written) for key, version in zip(renewed, versions, strict=True)
            ],
        )
    if found.ending:
        reasons = {(key.tenant_id, key.release_id): reason for key, reason in found.ending.items()}
        queries("key").end_releases(
            session.conn,
            tenants=[tenant_id for tenant_id, _release in reasons],
            ids=[release_id for _tenant, release_id in reasons],
            reasons=list(reasons.values()),
            epoch=epoch,
            at=session.clock.now(),
        )


def _seal(key: Key, tree_id: bytes, version: int, written: Rewritten) -> bytes:
    node_key = written.keys[key.path[:-1]][key.path[-1]]
    if node_key is None:
        raise ValueError("a running release of a node that was dropped")
    return seal_to(key.public_key, node_key, bound(tree_id, key.release_id.bytes, key.path, version))
