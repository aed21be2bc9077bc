"""HKDF-SHA-256 (RFC 5869) for one block of output: 32 bytes are all that the formats ever derive."""

from __future__ import annotations

from hashlib import sha256
from hmac import digest

_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_NO_SALT_INNER = sha256(bytes(_BLOCK).translate(_INNER))
_NO_SALT_OUTER = sha256(bytes(_BLOCK).translate(_OUTER))
_PADDING = bytes(32)


def hkdf(key: bytes | bytearray, salt: bytes, info: bytes) -> bytes:
    """Return 32 bytes derived from `key`; an empty salt means 32 zero bytes."""
    return digest(digest(salt or bytes(32), key, "sha256"), info + b"\x01", "sha256")


def hkdf_unsalted(key: bytes, info: bytes) -> bytes:
    """Return what `hkdf` does without salt, in half the time: every sealed row needs it once.

    HMAC is written out, since its state after the salt's block is the same for all rows.
    """
    inner, outer = _NO_SALT_INNER.copy(), _NO_SALT_OUTER.copy()
    inner.update(key)
    outer.update(inner.digest())
    padded = outer.digest() + _PADDING
    expanded = sha256(padded.translate(_INNER) + info + b"\x01").digest()
    return sha256(padded.translate(_OUTER) + expanded).digest()
