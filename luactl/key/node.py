"""One node of the key tree: 64 sealed child keys in one blob (formats.md, 2.1). Pure.

Knows no database: bytes in, bytes out. A slot is nonce 12 | ciphertext 32 | tag 16; a dropped slot is zeros.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from .classes import SealError
from .derive import hkdf
from .path import FAN_OUT

KEY_SIZE = 32
NONCE_SIZE = 12
SLOT_SIZE = 60
BLOB_SIZE = FAN_OUT * SLOT_SIZE
DROPPED = bytes(SLOT_SIZE)
_SLOTS = [bytes([slot]) for slot in range(FAN_OUT)]

_NONCE = struct.Struct(f"{NONCE_SIZE}s")
_SLOT = struct.Struct(f"{NONCE_SIZE}s{SLOT_SIZE - NONCE_SIZE}s")

Keys = list[bytes | None]
"""The 64 keys of a node; None where a slot was dropped."""


def top_key(root: bytes | bytearray, tree_id: bytes, epoch: int) -> bytes:
    """Return the key of the top node: 32 bytes, from the root secret of that epoch."""
    return hkdf(root, tree_id, b"luactl/1|top|" + struct.pack(">Q", epoch))


def address(tree_id: bytes, path: bytes, version: int) -> bytes:
    """Return what each slot of a node is bound to, without the final slot number."""
    return b"luactl/1|node|" + tree_id + bytes([len(path)]) + path + struct.pack(">I", version)


def fresh_keys() -> Keys:
    """Return 64 random keys, as a node is born with."""
    pool = os.urandom(FAN_OUT * KEY_SIZE)
    return [pool[at : at + KEY_SIZE] for at in range(0, len(pool), KEY_SIZE)]


def seal_node(
    tree_id: bytes, path: bytes, version: int, node_key: bytes, keys: Sequence[bytes | None]
) -> bytes:
    """Return the blob of a node (3,840 bytes) that holds these 64 keys under the node's key."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    encrypt, bound = AESGCM(node_key).encrypt, address(tree_id, path, version)
    nonces = _NONCE.iter_unpack(os.urandom(FAN_OUT * NONCE_SIZE))
    return b"".join(
        [
            DROPPED if key is None else nonce + encrypt(nonce, key, bound + slot)
            for key, (nonce,), slot in zip(keys, nonces, _SLOTS, strict=True)
        ]
    )


class OpenNode:
    """A node with the key that opens it; slots open one by one, when they are asked for.

    `known` spares the opening when the keys are at hand, since the node was made a moment ago.
    """

    __slots__ = ("_bound", "_decrypt", "_failure", "_known", "blob", "path", "version")

    def __init__(
        self,
        tree_id: bytes,
        path: bytes,
        version: int,
        blob: bytes,
        node_key: bytes,
        known: Keys | None = None,
    ) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.path = path
        self.version = version
        self.blob = blob
        self._decrypt = AESGCM(node_key).decrypt
        self._bound = address(tree_id, path, version)
        self._failure = InvalidTag
        self._known = known

    def is_dropped(self, slot: int) -> bool:
        """Whether a slot holds no key any more."""
        return self.blob.startswith(DROPPED, slot * SLOT_SIZE)

    def __getitem__(self, slot: int) -> bytes | None:
        """Return the key in a slot, None if it was dropped. Raises SealError when it does not open."""
        if self._known is not None:
            return self._known[slot]
        at = slot * SLOT_SIZE
        sealed = self.blob[at : at + SLOT_SIZE]
        if sealed == DROPPED:
            return None
        try:
            return self._decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], self._bound + _SLOTS[slot])
        except self._failure:
            raise SealError(
                f"slot {slot} of key node {self.path.hex() or 'top'} does not open",
                hint="run `luactl key status`: database, holders and books may be of different states",
            ) from None

    def key(self, slot: int) -> bytes:
        """Return the key in a slot. Raises SealError when it was dropped or does not open."""
        found = self[slot]
        if found is None:
            raise SealError(f"the key in slot {slot} of node {self.path.hex() or 'top'} was dropped")
        return found

    def slice(self, start: int, stop: int) -> list[bytes]:
        """Return the keys in consecutive slots. Raises SealError when one was dropped or does not open."""
        known = self._known[start:stop] if self._known is not None else None
        if known is None or None in known:
            return [self.key(slot) for slot in range(start, stop)]
        return [key for key in known if key is not None]

    def keys(self) -> Keys:
        """Return all 64 keys. Raises SealError when one does not open."""
        if self._known is not None:
            return list(self._known)
        blob, decrypt, bound = self.blob, self._decrypt, self._bound
        try:
            parts = zip(_SLOT.iter_unpack(blob), _SLOTS, strict=True)
            if DROPPED not in blob:
                return [decrypt(nonce, rest, bound + slot) for (nonce, rest), slot in parts]
            return [
                None if nonce + rest == DROPPED else decrypt(nonce, rest, bound + slot)
                for (nonce, rest), slot in parts
            ]
        except self._failure:
            return [self[slot] for slot in range(FAN_OUT)]  # which says what does not open
