"""How keys are dropped from the tree, and how a tombstone names them: pure (formats.md, 2.1 and 2.6)."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hmac import digest
from types import MappingProxyType
from uuid import UUID

from .classes import KeyClass, SealError
from .node import KEY_SIZE, Keys, OpenNode, seal_node


@dataclass(frozen=True)
class Rewritten:
    """The nodes on the paths of a drop, by path: what was read, what takes its place, and what it holds."""

    versions: dict[bytes, int]
    blobs: dict[bytes, bytes]
    keys: dict[bytes, Keys] = field(repr=False)

    @property
    def paths(self) -> list[bytes]:
        """The paths in the order of the other lists, parents first."""
        return sorted(self.versions)


def open_all(tree_id: bytes, nodes: Mapping[bytes, tuple[int, bytes]], top: bytes) -> dict[bytes, Keys]:
    """Open every slot of these nodes (path to version and blob), which must hold all nodes above them too.

    Raises SealError when one does not open.
    """
    opened: dict[bytes, Keys] = {}
    for path in sorted(nodes):
        key = opened[path[:-1]][path[-1]] if path else top
        version, blob = nodes[path]
        opened[path] = OpenNode(tree_id, path, version, blob, key or b"").keys()
    return opened


def rewrite(
    tree_id: bytes,
    nodes: Mapping[bytes, tuple[int, bytes]],
    dropped: Mapping[bytes, Collection[int]],
    old_top: bytes,
    new_top: bytes,
    renewed: Mapping[bytes, Collection[int]] = MappingProxyType({}),
) -> Rewritten:
    """Give every one of these nodes a fresh key, leave out the dropped slots, seal the others anew.

    `nodes` are the nodes of the dropped slots and all above them. What stands in a `renewed` slot, which
    nobody has claimed, gives way to a new random key. Raises SealError when a node does not open.
    """
    opened = open_all(tree_id, nodes, old_top)
    blobs = {}
    for path in sorted(nodes, key=len, reverse=True):
        keys = opened[path]
        for slot in renewed.get(path, ()):
            keys[slot] = None if keys[slot] is None else os.urandom(KEY_SIZE)
        for slot in dropped.get(path, ()):
            keys[slot] = None
        node_key = os.urandom(KEY_SIZE) if path else new_top
        blobs[path] = seal_node(tree_id, path, nodes[path][0] + 1, node_key, keys)
        if path:
            opened[path[:-1]][path[-1]] = node_key
    return Rewritten({path: nodes[path][0] for path in nodes}, blobs, opened)


def opens(tree_id: bytes, written: Rewritten, top: bytes) -> bool:
    """Whether every rewritten node opens as it should: its way, one survivor, nothing dropped."""
    opened: dict[bytes, OpenNode] = {}
    try:
        for path in written.paths:
            key = opened[path[:-1]][path[-1]] if path else top
            if key is None:
                return False
            opened[path] = OpenNode(tree_id, path, written.versions[path] + 1, written.blobs[path], key)
            if not _holds(opened[path], written.keys[path]):
                return False
    except SealError:
        return False
    return True


def _holds(node: OpenNode, keys: Keys) -> bool:
    """Whether the first key that lives opens to itself, and each dropped slot to nothing."""
    alive = next((slot for slot, key in enumerate(keys) if key is not None), None)
    if alive is not None and node[alive] != keys[alive]:
        return False
    return None not in keys or all(node.is_dropped(slot) for slot, key in enumerate(keys) if key is None)


def subject_mark(key: bytes, tenant_id: int, subject_id: UUID, key_class: KeyClass) -> bytes:
    """Return the tombstone of an erased subject and class: 32 bytes."""
    return digest(
        key, f"luactl/1|tombstone|{tenant_id}|subject|{subject_id}|{int(key_class)}".encode(), "sha256"
    )


def version_mark(key: bytes, tenant_id: int, subject_id: UUID, key_class: KeyClass, version: int) -> bytes:
    """Return the tombstone of a superseded key version, whose subject lives on: 32 bytes."""
    message = f"luactl/1|tombstone|{tenant_id}|version|{subject_id}|{int(key_class)}|{version}"
    return digest(key, message.encode(), "sha256")


def tenant_mark(key: bytes, tenant_id: int) -> bytes:
    """Return the tombstone of a tenant that has ended: 32 bytes."""
    return digest(key, f"luactl/1|tombstone|{tenant_id}|tenant".encode(), "sha256")


def period_mark(key: bytes, tenant_id: int, period_id: int, slot_no: int) -> bytes:
    """Return the tombstone of a purged period: 32 bytes."""
    return digest(key, f"luactl/1|tombstone|{tenant_id}|period|{period_id}|{slot_no}".encode(), "sha256")
