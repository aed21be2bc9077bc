"""Walks the key tree from a root secret down through every node version ever found.

Written from docs/reference/formats.md alone; shares no code with luactl.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .blobs import Node

SLOT_BYTES = 60
REGION_SIZES = tuple(64**power for power in range(1, 6))


@dataclass(frozen=True)
class Root:
    """A root secret and the epoch it belongs to."""

    tree_id: bytes
    epoch: int
    secret: bytes


def read_root(file: Path) -> Root:
    """Read a holder's slot file (formats 2.4)."""
    raw = file.read_bytes()
    if len(raw) != 256 or raw[:8] != b"LUAROOT1" or hashlib.sha256(raw[:224]).digest() != raw[224:]:
        raise ValueError(f"{file} holds no root")
    return Root(raw[8:24], int.from_bytes(raw[24:32], "big"), raw[32:64])


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256 and 32 bytes of output."""
    extracted = hmac.digest(salt or bytes(32), key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def top_key(root: Root) -> bytes:
    """Key of the top node under this root (formats 2.1)."""
    return hkdf(root.secret, root.tree_id, b"luactl/1|top|" + root.epoch.to_bytes(8, "big"))


def open_slots(tree_id: bytes, node: Node, key: bytes) -> dict[int, bytes]:
    """Child keys that open under this key; none at all when the key is not this node's."""
    cipher, found = AESGCM(key), {}
    for slot in range(64):
        sealed = node.blob[SLOT_BYTES * slot : SLOT_BYTES * (slot + 1)]
        address = (
            b"luactl/1|node|"
            + tree_id
            + bytes([len(node.path)])
            + node.path
            + node.version.to_bytes(4, "big")
            + bytes([slot])
        )
        try:
            found[slot] = cipher.decrypt(sealed[:12], sealed[12:], address)
        except InvalidTag:
            continue
    return found


def reach(root: Root, nodes: Iterable[Node]) -> Mapping[bytes, set[bytes]]:
    """Every key that hangs below the root in any version of any node, by path."""
    versions: dict[bytes, set[Node]] = defaultdict(set)
    for node in nodes:
        versions[node.path].add(node)
    keys: dict[bytes, set[bytes]] = defaultdict(set)
    keys[b""].add(top_key(root))
    for path in sorted(versions, key=len):
        for node in versions[path]:
            for key in tuple(keys.get(path, ())):
                for slot, child in open_slots(root.tree_id, node, key).items():
                    keys[path + bytes([slot])].add(child)
    return keys


def numbered(base: bytes, first: int, number: int) -> bytes:
    """Path of a numbered key of a space (formats 2.2)."""
    for region, size in enumerate(REGION_SIZES):
        if number < size:
            digits = [number // 64**power % 64 for power in range(region, -1, -1)]
            return base + bytes([first + region, *digits])
        number -= size
    raise ValueError("no such number")
