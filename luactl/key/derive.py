"""HKDF-SHA-256 (RFC 5869) for one block of output: 32 bytes are all that the formats ever derive."""

from __future__ import annotations

from hmac import digest

_NO_SALT = bytes(32)


def hkdf(key: bytes | bytearray, salt: bytes, info: bytes) -> bytes:
    """Return 32 bytes derived from `key`; an empty salt means 32 zero bytes."""
    return digest(digest(salt or _NO_SALT, key, "sha256"), info + b"\x01", "sha256")
