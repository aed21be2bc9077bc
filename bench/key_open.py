"""A sealed row opened with warm caches, against a bare AES-GCM decryption with a new key object."""

from __future__ import annotations

import os
from uuid import UUID

from .measure import Measure, Size, interleaved

LIMIT = 8.0
ROWS = {Size.FULL: 200_000, Size.SMALL: 20_000}
TURNS = 5
FIELDS = {
    "name": "Aylin Yilmaz",
    "email": "aylin@example.org",
    "phone": "+491711234567",
    "company": "Atelier",
}


def measure(size: Size) -> Measure:
    """Open the same rows both ways; keys are at hand, as they are for whoever lists contacts."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from luactl.key import KeyClass, PeriodKey, Place, SubjectKey, seal
    from luactl.key.seal import HEADER, Opener, row_key

    period, rows, bare = PeriodKey(1 << 24, os.urandom(32)), [], []
    for number in range(1_000):
        who, row = UUID(int=number), UUID(int=number << 64)
        subject = SubjectKey(1, os.urandom(32))
        place = Place(12, who, "crm.contact", "personal", row)
        blob = seal(FIELDS, place, subject, period, KeyClass.MAIN)
        rows.append((blob, who, subject, row))
        cut = HEADER.size + 12
        secret = row_key(subject.key, period.key, KeyClass.MAIN)
        bare.append((secret, blob[HEADER.size : cut], blob[cut:], place.aad()))
    opener, times = Opener(12, "crm.contact", "personal", period), ROWS[size] // len(rows)

    def ours() -> None:
        for _ in range(times):
            for row in rows:
                opener.open(*row)

    def theirs() -> None:
        for _ in range(times):
            for secret, nonce, rest, aad in bare:
                AESGCM(secret).decrypt(nonce, rest, aad)

    return Measure("key_open", *interleaved(ours, theirs, TURNS), LIMIT, ROWS[size])
