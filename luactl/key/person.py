"""A person's own key pair (X25519, RFC 7748), and node keys (formats.md, 2.7) and credentials sealed to it.

The secret stays in one file of mode 0600 with its person; the public key travels in a file of one line.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..config import find_paths, private_folder, write_private
from ..errors import RefusedError, UsageError
from .classes import SealError
from .derive import hkdf

PUBLIC = "luactl-person-1"
SECRET = "luactl-person-secret-1"
FRAME = b"\x01"
OVERHEAD = 1 + 32 + 12 + 16
SEALED_SIZE = OVERHEAD + 32
RELEASED, RETURNED = b"luactl/1|release|", b"luactl/1|return|"
"""What is sealed to a person for one use never opens as the other."""
_PUBLIC_TEXT = re.compile(PUBLIC + r" ([A-Za-z0-9+/]{43}=)")


@dataclass(frozen=True)
class PersonKey:
    """A key pair: 32 bytes each."""

    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class Person:
    """A key pair as its person is shown it."""

    public_key: str
    """The line to give to whoever releases keys."""
    file: str
    """Where the secret lies."""


def shown(key: PersonKey, file: Path) -> Person:
    """Return what may be shown of a key pair."""
    return Person(public_text(key.public), str(file))


def person_file(profile: str) -> Path:
    """Return where the key pair of whoever uses a profile lies."""
    return find_paths().keys / profile / "person.key"


def public_text(public: bytes) -> str:
    """Return the one line of a public-key file."""
    return f"{PUBLIC} {base64.b64encode(public).decode()}"


def read_public_file(file: Path) -> bytes:
    """Return the public key in what `luactl key person show` printed, in any format. Raises UsageError."""
    try:
        return read_public(file.read_text(encoding="utf-8", errors="replace"))
    except OSError as problem:
        raise UsageError(f"{file} cannot be read: {problem.strerror}") from None


def read_public(text: str) -> bytes:
    """Return the public key in a text. Raises UsageError."""
    found = _PUBLIC_TEXT.search(text)
    key = _decoded(found[1]) if found else b""
    if SECRET in text:
        raise UsageError(
            "that is a secret key",
            hint="it stays with its person; `luactl key person show` prints the public one",
        )
    if len(key) != 32:
        raise UsageError("that is no person's public key", hint="`luactl key person show` prints one")
    return key


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def plan(file: Path) -> Person:
    """Return what `make` would make. Raises RefusedError when there is a key pair already."""
    if file.exists():
        raise RefusedError(
            f"there is a key pair in {file} already",
            hint="keys released to it would be lost; move it away to make another",
        )
    return Person("", str(file))


def make(file: Path) -> PersonKey:
    """Make a key pair and keep it in a file of mode 0600. Raises RefusedError when there is one."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    plan(file)
    key = X25519PrivateKey.generate()
    made = PersonKey(key.public_key().public_bytes_raw(), key.private_bytes_raw())
    private_folder(file.parent)
    write_private(file, f"{SECRET} {base64.b64encode(made.secret).decode()}\n")
    return made


def load(file: Path) -> PersonKey | None:
    """Return the key pair of a file, None for no file. Raises RefusedError for one that is open to others."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    try:
        text, mode = file.read_text(encoding="ascii", errors="replace"), file.stat().st_mode
    except FileNotFoundError:
        return None
    if mode & 0o077:
        raise RefusedError(
            f"others may read the secret key in {file}",
            hint="have your releases revoked, and make another pair",
        )
    kind, _, rest = text.strip().partition(" ")
    secret = _decoded(rest)
    if kind != SECRET or len(secret) != 32:
        raise RefusedError(f"{file} holds no person's key pair", hint="`luactl key person init` makes one")
    return PersonKey(X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw(), secret)


def bound(tree_id: bytes, release_id: bytes, path: bytes, version: int) -> bytes:
    """Return what a released node key is bound to."""
    return RELEASED + tree_id + release_id + bytes([len(path)]) + path + version.to_bytes(4, "big")


def seal_to(public: bytes, node_key: bytes, place: bytes) -> bytes:
    """Return a node key sealed to a person: 93 bytes. Raises UsageError for a public key that is none."""
    return _seal(public, node_key, place, RELEASED)


def seal_value_to(public: bytes, value: bytes, place: bytes) -> bytes:
    """Return a value of a tenant sealed to a person: 61 bytes more. Raises UsageError as `seal_to`."""
    return _seal(public, value, place, RETURNED)


def _seal(public: bytes, plain: bytes, place: bytes, use: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    ours = X25519PrivateKey.generate()
    once = ours.public_key().public_bytes_raw()
    try:
        shared = ours.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise UsageError("that public key is no point that can be used", hint="ask for another one") from None
    nonce = os.urandom(12)
    return FRAME + once + nonce + AESGCM(_key(shared, once, public, use)).encrypt(nonce, plain, place)


def open_sealed(person: PersonKey, sealed: bytes, place: bytes) -> bytes:
    """Return the node key that was sealed to a person. Raises SealError."""
    if len(sealed) != SEALED_SIZE or sealed[:1] != FRAME:
        raise SealError("a released key of unknown form")
    try:
        return _open(person, sealed, place, RELEASED)
    except ValueError:
        raise SealError(
            "a released key does not open", hint="was it released to another key pair of yours?"
        ) from None


def open_value(person: PersonKey, sealed: bytes, place: bytes) -> bytes:
    """Return the value that was sealed to a person. Raises SealError."""
    if len(sealed) <= OVERHEAD or sealed[:1] != FRAME:
        raise SealError("a returned credential of unknown form")
    try:
        return _open(person, sealed, place, RETURNED)
    except ValueError:
        raise SealError(
            "a returned credential does not open", hint="was it sealed to another key pair, or altered?"
        ) from None


def _open(person: PersonKey, sealed: bytes, place: bytes, use: bytes) -> bytes:
    """Return what was sealed to a person for a use. Raises ValueError."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    once, nonce, rest = sealed[1:33], sealed[33:45], sealed[45:]
    try:
        shared = X25519PrivateKey.from_private_bytes(person.secret).exchange(
            X25519PublicKey.from_public_bytes(once)
        )
        return AESGCM(_key(shared, once, person.public, use)).decrypt(nonce, rest, place)
    except InvalidTag:
        raise ValueError from None


def _key(shared: bytes, once: bytes, public: bytes, use: bytes) -> bytes:
    return hkdf(shared, once + public, use)
