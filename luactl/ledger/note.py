"""Signed notes and checkpoints (C2SP signed-note and tlog-checkpoint), signed with Ed25519.

Parsing refuses whatever the specification does not allow; NoteError says what was wrong. Keys are written as
Go's note package writes them: `name+id+key` to verify, `PRIVATE+KEY+name+id+key` to sign.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from ..errors import LuactlError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
LONGEST_NOTE = 1_000_000
MOST_SIGNATURES = 100
_SIGNATURE = re.compile("— ([^ ]+) ([A-Za-z0-9+/=]+)")
_PRIVATE = "PRIVATE+KEY+"


class NoteError(LuactlError):
    """A note, checkpoint or key is malformed, or its signature does not verify."""

    def __init__(self, what: str, *, hint: str = "get it again from whoever made it, byte for byte") -> None:
        super().__init__(what, hint=hint)


class UnknownKeyError(NoteError):
    """A note is whole, and none of the keys asked for signed it."""


def decode(text: str) -> bytes:
    """Decode base64 that has one spelling only. Raises NoteError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("malformed base64") from error
    if base64.b64encode(data).decode() != text:
        raise NoteError("base64 that is not in its one canonical form")
    return data


def encode(data: bytes) -> str:
    """Encode in base64, with padding."""
    return base64.b64encode(data).decode()


def check_name(name: str) -> str:
    """Return a key name if it is one: no space, no plus sign, no control character. Raises NoteError."""
    if not name or any(c.isspace() or c == "+" or c < " " or "\ud800" <= c <= "\udfff" for c in name):
        raise NoteError("a key name is not empty and has neither spaces nor plus signs")
    return name


def key_id(name: str, key: bytes) -> bytes:
    """Return the 4 bytes that name a key; `key` starts with its type byte."""
    return sha256(name.encode() + b"\n" + key).digest()[:4]


def split_key(text: str, kind: bytes = ED25519) -> tuple[str, bytes, bytes]:
    """Take `name+id+key` of a type apart: name, id, 32 key bytes. Raises NoteError."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not re.fullmatch("[0-9a-f]{8}", parts[1]):
        raise NoteError("a key is written name+id+base64")
    key = decode(parts[2])
    if key[:1] != kind or len(key) != 33:
        raise NoteError(f"only Ed25519 keys of type {kind.hex()} are known here")
    return check_name(parts[0]), bytes.fromhex(parts[1]), key[1:]


@dataclass(frozen=True)
class Verifier:
    """A key that checks signatures: its name and 32 public bytes."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """Read a verifier key. Raises NoteError when it is malformed or its id is not its own."""
        name, id_, public = split_key(vkey)
        if key_id(name, ED25519 + public) != id_:
            raise NoteError("the id of the verifier key does not belong to it")
        return cls(name, public)

    @cached_property
    def id(self) -> bytes:
        """The 4 bytes that stand in front of each signature."""
        return key_id(self.name, ED25519 + self.public)

    @cached_property
    def _key(self) -> Ed25519PublicKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(self.public)

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Tell whether the signature over the text is this key's."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, text)
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{encode(ED25519 + self.public)}"


@dataclass(frozen=True)
class Signer:
    """A key that signs: its name and 32 secret bytes (never shown)."""

    name: str
    seed: bytes = field(repr=False)

    @classmethod
    def parse(cls, skey: str) -> Signer:
        """Read a signer key as Go's note package writes it. Raises NoteError, never with the key in it."""
        if not skey.startswith(_PRIVATE):
            raise NoteError("a signing key starts with PRIVATE+KEY+")
        name, id_, seed = split_key(skey[len(_PRIVATE) :])
        signer = cls(name, seed)
        if signer.verifier.id != id_:
            raise NoteError("the id of the signing key does not belong to it")
        return signer

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @cached_property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self._key.public_key().public_bytes_raw())

    def secret(self) -> str:
        """Return the key as it stands in its file."""
        return f"{_PRIVATE}{self.name}+{self.verifier.id.hex()}+{encode(ED25519 + self.seed)}"

    def sign(self, text: str) -> str:
        """Return the note: the text, an empty line, one signature. Raises NoteError for an unfit text."""
        _check_text(text)
        if not text.endswith("\n"):
            raise NoteError("the text of a note ends with a newline")
        signature = self._key.sign(text.encode())
        return f"{text}\n— {self.name} {encode(self.verifier.id + signature)}\n"


@dataclass(frozen=True)
class Note:
    """A note of which at least one signature verified."""

    text: str
    signers: tuple[str, ...]


def _check_text(text: str) -> None:
    if any((c < " " and c != "\n") or "\ud800" <= c <= "\udfff" for c in text):
        raise NoteError("a note holds control characters or is not UTF-8")


def _signature(line: str) -> tuple[str, bytes, bytes]:
    match = _SIGNATURE.fullmatch(line)
    if match is None:
        raise NoteError("a signature line of the note is malformed")
    blob = decode(match[2])
    if len(blob) < 5:
        raise NoteError("a signature of the note is too short")
    return check_name(match[1]), blob[:4], blob[4:]


def split_note(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Take a signed note apart: its text, and of each signature name, key id and bytes. Raises NoteError."""
    if len(note) > LONGEST_NOTE:
        raise NoteError("the note is too long")
    _check_text(note)
    text, gap, rest = note.rpartition("\n\n")
    if not gap or not rest.endswith("\n"):
        raise NoteError("the note has no signatures")
    lines = rest[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise NoteError("the note has too many signatures")
    return text + "\n", [_signature(line) for line in lines]


def open_note(note: str, verifiers: Sequence[Verifier]) -> Note:
    """Check a signed note against known keys.

    Signatures by unknown keys are passed over; one bad signature by a known key refuses the note, and so does
    the lack of any known one. Raises NoteError, in the last case UnknownKeyError.
    """
    text, lines = split_note(note)
    known = {(verifier.name, verifier.id): verifier for verifier in verifiers}
    signers: dict[str, None] = {}
    for name, id_, signature in lines:
        verifier = known.get((name, id_))
        if verifier is None:
            continue
        if not verifier.accepts(text.encode(), signature):
            raise NoteError(f"the signature of {name} does not verify")
        signers[name] = None
    if not signers:
        raise UnknownKeyError("the note is not signed by any known key")
    return Note(text, tuple(signers))


@dataclass(frozen=True)
class Checkpoint:
    """What a log promises: `size` leaves under `root` (32 bytes). `note` is the signed form, '' before."""

    origin: str
    size: int
    root: bytes
    note: str = ""

    def text(self) -> str:
        """Return the three lines that get signed."""
        return f"{self.origin}\n{self.size}\n{encode(self.root)}\n"

    def signed(self, signer: Signer) -> Checkpoint:
        """Return the checkpoint with its signed note."""
        return Checkpoint(self.origin, self.size, self.root, signer.sign(self.text()))

    @classmethod
    def parse(cls, text: str, note: str = "") -> Checkpoint:
        """Read the text of a checkpoint; extension lines are passed over. Raises NoteError."""
        lines = text.split("\n")
        if (
            len(lines) < 4
            or lines[-1]
            or not all(lines[:-1])
            or not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1])
        ):
            raise NoteError("a checkpoint is three lines: origin, size, root")
        root = decode(lines[2])
        if len(root) != 32:
            raise NoteError("the root of a checkpoint has 32 bytes")
        return cls(lines[0], int(lines[1]), root, note)


def open_checkpoint(note: str, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Check a signed checkpoint; the origin itself must have signed it. Raises NoteError."""
    opened = open_note(note, verifiers)
    checkpoint = Checkpoint.parse(opened.text, note)
    if checkpoint.origin not in opened.signers:
        raise NoteError("the checkpoint is not signed by its origin")
    return checkpoint
