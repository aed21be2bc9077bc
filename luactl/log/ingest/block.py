"""Bytes of a log as they were, sealed under the key of the month in which they were written.

    frame     = 0x03 | period id u32 | nonce 12 | ciphertext | tag 16
    plaintext = zlib(bytes)
    key       = HKDF-SHA-256(period key, salt empty, info = "luactl/1|log|block")
    AAD       = "luactl/1|log|SOURCE|FILE|PLACE|UNTIL"

The month's key is the house's own: class `log`, dropped when the month ends its retention.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from ...errors import LuactlError
from ...key import PeriodKey

KIND = 3
INFO = b"luactl/1|log|block"


@dataclass(frozen=True)
class Block:
    """Where some bytes of a file lie."""

    source_id: UUID
    file_no: int
    place: int
    until: int
    """After the last byte."""

    @property
    def aad(self) -> bytes:
        """What the seal is bound to."""
        return f"luactl/1|log|{self.source_id}|{self.file_no}|{self.place}|{self.until}".encode()


def month(at: datetime) -> int:
    """Return the number of a period: yyyymm."""
    return at.year * 100 + at.month


@lru_cache(maxsize=16)
def _key(period_key: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt=None, info=INFO).derive(period_key)


def seal(data: bytes, block: Block, period: PeriodKey) -> bytes:
    """Seal the bytes of a block."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    sealed = AESGCM(_key(period.key)).encrypt(nonce, zlib.compress(data, 1), block.aad)
    return bytes([KIND]) + period.period_id.to_bytes(4) + nonce + sealed


def unseal(frame: bytes, block: Block, period: PeriodKey) -> bytes:
    """Open the bytes of a block. Raises LuactlError when they do not open."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return zlib.decompress(AESGCM(_key(period.key)).decrypt(frame[5:17], frame[17:], block.aad))
    except (InvalidTag, zlib.error) as error:
        raise LuactlError(
            f"bytes {block.place}-{block.until} of file {block.file_no} do not open",
            hint="they were changed, or moved from another place",
        ) from error
