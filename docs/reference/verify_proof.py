"""Check a proof from `luactl ledger prove ID -o json`, with nothing of luactl's.

    python3 verify_proof.py VERIFIER-KEY < proof.json

VERIFIER-KEY is the log's, kept elsewhere than the database (`luactl ledger status` shows it). Says what was
proved and ends with 0; ends with 1 when the proof does not hold. Needs the package `cryptography`.
Sources: RFC 9162, 2.1.3.2; the C2SP specifications signed-note and tlog-checkpoint.
"""

import base64
import json
import sys
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class NotProvedError(Exception):
    """The proof does not hold."""


def demand(holds: bool, what: str) -> None:
    """Go on only if this holds."""
    if not holds:
        raise NotProvedError(what)


def checkpoint(note: str, vkey: str) -> tuple[int, bytes]:
    """Return size and root of a checkpoint that this key signed under its own name."""
    name, key_id, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    demand(len(key) == 33 and key[0] == 1, "the verifier key is no Ed25519 key")
    own_id = sha256(name.encode() + b"\n" + key).digest()[:4]
    demand(own_id.hex() == key_id, "the id of the verifier key is not its own")
    text, gap, signatures = note.rpartition("\n\n")
    demand(gap != "", "the checkpoint is not signed")
    text += "\n"
    signed = False
    for line in signatures.splitlines():
        dash, signer, blob = line.split(" ")
        raw = base64.b64decode(blob, validate=True)
        if dash == "—" and signer == name and raw[:4] == own_id:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw[4:], text.encode())
            signed = True
    demand(signed, "the checkpoint is not signed by this key")
    origin, size, root = text.split("\n")[:3]
    demand(origin == name, "the checkpoint speaks of another log")
    return int(size), base64.b64decode(root, validate=True)


def root_from(index: int, size: int, leaf: bytes, proof: list[bytes]) -> bytes:
    """Follow an inclusion proof from the leaf to the root."""
    demand(0 <= index < size, "there is no such place in the log")
    fn, sn, result = index, size - 1, leaf
    for sibling in proof:
        demand(sn > 0 and len(sibling) == 32, "the proof is too long or malformed")
        if fn & 1 or fn == sn:
            result = sha256(b"\x01" + sibling + result).digest()
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = sha256(b"\x01" + result + sibling).digest()
        fn, sn = fn >> 1, sn >> 1
    demand(sn == 0, "the proof is too short")
    return result


def check(proof: dict, vkey: str) -> dict:
    """Return the entry that is proved. Raises NotProvedError, or the error of what is malformed."""
    size, root = checkpoint(proof["checkpoint"], vkey)
    body = bytes.fromhex(proof["body"])
    hashes = [bytes.fromhex(one) for one in proof["hashes"]]
    leaf = sha256(b"\x00" + body).digest()
    demand(root_from(proof["index"], size, leaf, hashes) == root, "the entry is not under this checkpoint")
    entry = json.loads(body)
    demand(entry["id"] == proof["id"], "the proof is for another entry")
    return entry


if __name__ == "__main__":
    try:
        told = json.load(sys.stdin)
        entry = check(told.get("data", told), sys.argv[1])
    except (NotProvedError, InvalidSignature, ValueError, LookupError, TypeError, AttributeError) as error:
        sys.exit(f"not proved: {error or type(error).__name__}")
    print("proved:", *(entry[name] for name in ("at", "actor", "action", "object", "outcome")))
