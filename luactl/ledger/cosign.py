"""Cosigning: another person or host states that the log it saw before goes on in what it sees now.

A cosigner keeps one file: size and root of the last checkpoint that it signed, for each log. It signs nothing
that is not proved to go on from there, so one log cannot show it two histories. It needs files alone: the
log's verifier key, its own key, and a request (C2SP tlog-witness, add-checkpoint: the old size, a consistency
proof, the signed checkpoint). The answer is the checkpoint with one more signature (C2SP tlog-cosignature,
cosignature/v1: Ed25519, type 0x04, with the time).
"""

from __future__ import annotations

import fcntl
import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..config import write_private
from ..disk import create
from ..errors import LuactlError, RefusedError, UsageError
from .merkle import verify_consistency
from .note import (
    LONGEST_NOTE,
    Checkpoint,
    NoteError,
    Verifier,
    decode,
    encode,
    open_checkpoint,
    split_key,
    split_note,
)

COSIGNATURE = b"\x04"
LONGEST_PROOF = 63
LATEST = 253_402_300_799
"""The end of the year 9999."""
_PRIVATE = "PRIVATE+KEY+"


@dataclass(frozen=True)
class Cosigner:
    """A key that checks cosignatures: its name and 32 public bytes."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> Cosigner:
        """Read a cosigner's verifier key (type 0x04). Raises NoteError."""
        name, id_, public = split_key(vkey, COSIGNATURE)
        cosigner = cls(name, public)
        if cosigner.id != id_:
            raise NoteError("the id of the cosigner's key does not belong to it")
        return cosigner

    @property
    def id(self) -> bytes:
        """The 4 bytes that stand in front of each signature."""
        from .note import key_id

        return key_id(self.name, COSIGNATURE + self.public)

    def accepts(self, text: str, blob: bytes) -> datetime | None:
        """Return when this key cosigned the text of a checkpoint; None when the signature is not its own."""
        if len(blob) != 72:
            return None
        seconds = int.from_bytes(blob[:8], "big")
        own = Verifier(self.name, self.public).accepts(_said(seconds, text), blob[8:])
        if not own or seconds > LATEST:
            return None
        return datetime.fromtimestamp(seconds, UTC)

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{encode(COSIGNATURE + self.public)}"


@dataclass(frozen=True)
class CosignerKey:
    """A key that cosigns: its name and 32 secret bytes (never shown)."""

    name: str
    seed: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> CosignerKey:
        """Read a key file. Raises NoteError, never with the key in it."""
        if not text.startswith(_PRIVATE):
            raise NoteError("a cosigning key starts with PRIVATE+KEY+")
        name, id_, seed = split_key(text[len(_PRIVATE) :], COSIGNATURE)
        key = cls(name, seed)
        if key.cosigner.id != id_:
            raise NoteError("the id of the cosigning key does not belong to it")
        return key

    def _key(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def cosigner(self) -> Cosigner:
        """The public half."""
        return Cosigner(self.name, self._key().public_key().public_bytes_raw())

    def secret(self) -> str:
        """Return the key as it stands in its file."""
        return f"{_PRIVATE}{self.name}+{self.cosigner.id.hex()}+{encode(COSIGNATURE + self.seed)}"

    def line(self, text: str, at: datetime) -> str:
        """Return the signature line over the text of a checkpoint."""
        seconds = int(at.timestamp())
        signature = self._key().sign(_said(seconds, text))
        return f"— {self.name} {encode(self.cosigner.id + seconds.to_bytes(8, 'big') + signature)}\n"


def _said(seconds: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


@dataclass(frozen=True)
class Cosigned:
    """That somebody else saw the log at a size."""

    cosigner: str
    """Name of the key."""
    size: int
    root: bytes
    at: datetime
    """When, by the cosigner's clock, to the second."""


def new_key(path: Path, name: str) -> Cosigner:
    """Make a cosigning key in a new file of mode 0600. Raises RefusedError, NoteError for an unfit name."""
    from .note import check_name

    key = CosignerKey(check_name(name), secrets.token_bytes(32))
    try:
        create(path, f"{key.secret()}\n".encode())
    except OSError as error:
        raise RefusedError(f"{path} cannot be made: {error.strerror}", hint="name a new file") from error
    return key.cosigner


def cosignatures(note: str, cosigners: Sequence[Cosigner]) -> list[Cosigned]:
    """Return who of these cosigned a checkpoint. Raises NoteError when a known key's signature is wrong."""
    text, lines = split_note(note)
    known = {(one.name, one.id): one for one in cosigners}
    checkpoint, found = Checkpoint.parse(text), []
    for name, id_, blob in lines:
        cosigner = known.get((name, id_))
        if cosigner is None:
            continue
        at = cosigner.accepts(text, blob)
        if at is None:
            raise NoteError(f"the cosignature of {name} does not verify")
        found.append(Cosigned(name, checkpoint.size, checkpoint.root, at))
    return found


@dataclass(frozen=True)
class Request:
    """What a cosigner is asked for."""

    old: int
    proof: tuple[bytes, ...]
    note: str

    @classmethod
    def parse(cls, text: str) -> Request:
        """Read a request: `old SIZE`, hashes in base64, an empty line, the note. Raises NoteError."""
        head, gap, note = text.partition("\n\n")
        first, *hashes = head.split("\n")
        word, _, size = first.partition(" ")
        if not gap or word != "old" or not size.isascii() or not size.isdigit() or len(size) > 19:
            raise NoteError("a request begins with `old SIZE`")
        if len(hashes) > LONGEST_PROOF:
            raise NoteError("the proof of the request is too long")
        return cls(int(size), tuple(decode(one) for one in hashes), note)


def cosign(request: str, log: Verifier, key: CosignerKey, state: Path, now: datetime) -> str:
    """Return the checkpoint with this cosigner's signature added, after remembering it durably in `state`.

    Raises RefusedError for what does not go on from what was signed before, NoteError for what is malformed
    or not the log's.
    """
    asked = Request.parse(request)
    checkpoint = open_checkpoint(asked.note, [log])
    with _remembered(state) as known:
        _demand_next(known.get(checkpoint.origin), asked, checkpoint)
        known[checkpoint.origin] = {"size": checkpoint.size, "root": checkpoint.root.hex()}
        write_private(state, json.dumps(known, indent=1))
    text, _lines = split_note(asked.note)
    return asked.note + key.line(text, now)


def _demand_next(before: Any, asked: Request, checkpoint: Checkpoint) -> None:
    size, root = (0, b"") if before is None else (int(before["size"]), bytes.fromhex(before["root"]))
    if (checkpoint.size, checkpoint.root) == (size, root):
        return  # the very same again: the answer may have been lost
    if asked.old != size:
        raise RefusedError(
            f"the log was cosigned at {size:,} entries, and the request starts at {asked.old:,}",
            hint=f"on the ledger host: `luactl ledger checkpoint --since {size} --out FILE`",
        )
    if size == 0 and not asked.proof:
        return
    if not verify_consistency(size, checkpoint.size, asked.proof, root, checkpoint.root):
        raise RefusedError(
            f"{checkpoint.size:,} entries do not go on from the {size:,} that were cosigned",
            hint="keep this request: it shows two histories under one signature, or a broken proof",
        )


@contextmanager
def _remembered(state: Path) -> Iterator[dict[str, Any]]:
    """Yield what was cosigned, while nobody else changes it. Raises RefusedError for a damaged file."""
    try:
        with state.with_name(f"{state.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = json.loads(state.read_text()) if state.exists() else {}
            if not isinstance(known, dict):
                raise ValueError
            yield known
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, LuactlError):
            raise
        raise RefusedError(
            f"what was cosigned before cannot be read or kept: {state}",
            hint="bring the file back; without it nothing can be said about what went before",
        ) from error


@dataclass(frozen=True)
class Key:
    """A cosigner as the log's profile names it."""

    name: str
    vkey: str


def shown(cosigner: Cosigner) -> Key:
    """Return what the profile needs."""
    return Key(cosigner.name, str(cosigner))


def read(file: Path) -> str:
    """Read a request, note or key. Raises UsageError."""
    try:
        with file.open(encoding="utf-8", newline="\n") as opened:
            return opened.read(LONGEST_NOTE)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", hint="check the path and your rights") from error


def sign_files(request: Path, key_file: Path, log: str, state: Path | None, out: Path) -> Cosigned:
    """Cosign the request in a file, into a new one; by default what was cosigned is kept beside the key.

    Raises what `cosign` raises, and UsageError for files that cannot be read or written.
    """
    key = CosignerKey.parse(read(key_file).strip())
    if out.exists():
        raise UsageError(f"{out} is there already", hint="name a new file")
    place = state or key_file.with_name(f"{key_file.name}.cosigned")
    note = cosign(read(request), Verifier.parse(log), key, place, datetime.now(UTC))
    try:
        create(out, note.encode())
    except OSError as error:
        raise UsageError(
            f"{out} cannot be written: {error.strerror}", hint="sign the same request again"
        ) from error
    return cosignatures(note, [key.cosigner])[0]
