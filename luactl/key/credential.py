"""Frame 2: a credential that belongs to a tenant and to no single person (formats.md, 3.1). Pure.

Each value has a key of its own, derived from the tenant's credential key and the id of the value: it seals
once.
"""

from __future__ import annotations

import os
from uuid import UUID

from .classes import SealError
from .derive import hkdf_unsalted
from .seal import encode

FRAME = b"\x02"
OVERHEAD = len(FRAME) + 12 + 16
TABLE, COLUMN = "lua.secret", "sealed"


def credential_info(secret_id: UUID) -> bytes:
    """Return the HKDF info of the key of one value."""
    return b"luactl/1|credential|" + secret_id.bytes


def credential_place(tenant_id: int, secret_id: UUID) -> bytes:
    """Return the bytes that a sealed credential is bound to; `-` stands where a row has its subject."""
    return f"luactl/1|{tenant_id}|-|{TABLE}|{COLUMN}|{secret_id}".encode()


def seal_credential(value: str, tenant_id: int, secret_id: UUID, credential_key: bytes) -> bytes:
    """Return the frame that holds a value. Raises SealError for a text that has no canonical form."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    gcm = AESGCM(hkdf_unsalted(credential_key, credential_info(secret_id)))
    plain = encode({"value": value})
    return FRAME + nonce + gcm.encrypt(nonce, plain, credential_place(tenant_id, secret_id))


def check_frame(blob: bytes) -> None:
    """Raise SealError for bytes that are no frame 2."""
    if len(blob) <= OVERHEAD or blob[:1] != FRAME:
        raise SealError(
            "not a sealed credential: wrong frame", hint="the column holds what luactl did not write"
        )


def unseal_credential(blob: bytes, tenant_id: int, secret_id: UUID, credential_key: bytes) -> str:
    """Return the value that was sealed there. Raises SealError when it does not open."""
    import json

    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    check_frame(blob)
    gcm = AESGCM(hkdf_unsalted(credential_key, credential_info(secret_id)))
    try:
        plain = gcm.decrypt(blob[1:13], blob[13:], credential_place(tenant_id, secret_id))
    except InvalidTag:
        raise SealError(f"secret {secret_id} does not open: moved, altered, or of another tenant") from None
    value: str = json.loads(plain)["value"]
    return value
