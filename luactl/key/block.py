"""Frame 3: bytes of no person that age with a period, such as a piece of a log (formats.md, 3.2). Pure."""

from __future__ import annotations

import os

from .classes import PeriodKey, SealError
from .derive import hkdf_unsalted

FRAME = b"\x03"
HEAD = len(FRAME) + 4
INFO = b"luactl/1|log|block"


def seal_block(plain: bytes, place: bytes, period: PeriodKey) -> bytes:
    """Return the frame that holds some bytes, bound to the place where it will lie."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    gcm = AESGCM(hkdf_unsalted(period.key, INFO))
    return FRAME + period.period_id.to_bytes(4) + nonce + gcm.encrypt(nonce, plain, place)


def unseal_block(blob: bytes, place: bytes, period: PeriodKey) -> bytes:
    """Return the bytes that were sealed there. Raises SealError when they do not open."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    gcm = AESGCM(hkdf_unsalted(period.key, INFO))
    try:
        return gcm.decrypt(blob[HEAD : HEAD + 12], blob[HEAD + 12 :], place)
    except InvalidTag:
        raise SealError("a block does not open: moved, altered, or of another period") from None
