"""Writing a certificate folder: whole or not at all, and never over somebody else's files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ..clock import instant
from ..disk import aside, sweep, sync_directory
from ..errors import LuactlError, RefusedError
from . import manifest as man
from .proof import to_text

if TYPE_CHECKING:
    from ..ledger.note import Signer


@dataclass(frozen=True)
class Evidence:
    """The ledger entry that names the certificate, and the proof that the log holds it."""

    entry: bytes
    """Canonical bytes of the entry, as they were hashed."""
    origin: str
    index: int
    size: int
    """Size of the tree under the checkpoint."""
    hashes: Sequence[bytes]
    """Inclusion proof, lowest sibling first."""
    checkpoint: str
    """The signed note."""
    vkey: str
    """Verifier key of the log."""


@dataclass(frozen=True)
class Attachment:
    """A file that was written beforehand, and is moved into the folder."""

    path: Path
    """Where it lies, on the same file system."""
    sha256: str
    """In hex."""


@dataclass(frozen=True)
class Act:
    """What is certified."""

    kind: str
    id: str
    facts: bytes
    """certificate.json: canonical JSON; the ledger entry holds its SHA-256."""
    document: str
    """certificate.md: the same for people."""
    attachments: Mapping[str, Attachment] = field(default_factory=dict)
    """Data that are handed over with it, by file name."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Smaller files that belong to it, by name."""
    custody: bytes | None = None
    """Of a lockbox: the beginning of its custody log; it grows, so the manifest does not name it."""


def write(
    folder: Path, act: Act, made_at: datetime, made_by: str, evidence: Evidence | None, signer: Signer | None
) -> Path:
    """Write the folder of a certificate, replacing an older one of the same act; returns its path.

    Without evidence or signer it is *pending*: complete but for signature and proof. Raises RefusedError
    when something else is in the way, LuactlError when the disk does not take it.
    """
    check_free(folder, act.id)
    folder = folder.resolve()
    files = contents(act, made_at, made_by, evidence, signer)
    fresh = aside(folder, "new")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        sweep(folder)
        _fill(fresh, files, act.attachments)
        _swap(fresh, folder)
    except OSError as error:
        raise LuactlError(
            f"the certificate could not be written to {folder}: {error.strerror}",
            hint="what it certifies stands; make room or name another folder, and run it again",
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def contents(
    act: Act, made_at: datetime, made_by: str, evidence: Evidence | None, signer: Signer | None
) -> dict[str, bytes]:
    """Return every file of the folder by name, but for what is attached."""
    files = {man.CERTIFICATE: act.facts, man.DOCUMENT: act.document.encode(), **act.files}
    place = None
    if evidence is not None:
        files[man.ENTRY] = evidence.entry
        files[man.PROOF] = to_text(evidence.index, evidence.hashes, evidence.checkpoint).encode()
        files[man.VKEY] = f"{evidence.vkey}\n".encode()
        place = (evidence.origin, evidence.index, evidence.size)
    digests = {name: sha256(data).hexdigest() for name, data in files.items()}
    digests |= {name: attached.sha256 for name, attached in act.attachments.items()}
    listed = man.Manifest(act.kind, act.id, instant(made_at), made_by, place, digests)
    files[man.MANIFEST] = listed.to_bytes()
    if act.custody is not None:
        files[man.SUMS] = man.sums(files[man.MANIFEST], digests)
        files[man.CUSTODY] = act.custody
    if signer is not None:
        files[man.SIGNATURE] = signer.sign(man.signed_text(files[man.MANIFEST])).encode()
    return files


def check_free(folder: Path, id: str | None) -> None:
    """Raise RefusedError for a place that holds anything but an older certificate of the act of that id.

    None: the act has no id yet, so that only an empty or absent folder will do.
    """
    if not os.path.lexists(folder):
        return
    hint = "name a folder that does not exist yet"
    if folder.is_symlink() or not folder.is_dir():
        raise RefusedError(f"{folder} is no folder", hint=hint)
    names = {entry.name for entry in os.scandir(folder)}
    if not names:
        return
    try:
        old = man.parse((folder / man.MANIFEST).read_bytes())
    except (OSError, man.ManifestError):
        raise RefusedError(f"{folder} holds something else than a certificate", hint=hint) from None
    if old.id != id or names - old.files.keys() - {man.MANIFEST, man.SIGNATURE}:
        raise RefusedError(f"{folder} holds another certificate or foreign files", hint=hint)


def tidy(folder: Path) -> None:
    """Remove what killed runs left beside a folder, data in clear perhaps among it. Raises LuactlError."""
    try:
        if folder.resolve().parent.is_dir():
            sweep(folder.resolve())
    except OSError as error:
        raise LuactlError(
            f"what a killed run left beside {folder} cannot be removed: {error.strerror}",
            hint=f"it is hidden, and begins with .{folder.name}.",
        ) from error


@contextmanager
def beside(folder: Path, what: str) -> Iterator[Path]:
    """Give a new directory of our own beside a folder to write data in; what is left of it goes in the end.

    Raises LuactlError, naming what could not be written, when the disk does not take it.
    """
    resolved = folder.resolve()
    place = aside(resolved, "data")
    try:
        resolved.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.mkdir(mode=0o700)
        yield place
    except OSError as error:
        raise LuactlError(
            f"the {what} could not be written to {folder}: {error.strerror}",
            hint="make room, or name another folder, and run it again",
        ) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _fill(folder: Path, files: dict[str, bytes], attachments: Mapping[str, Attachment]) -> None:
    """Write all files durably into a new folder of our own, and move the attachments there."""
    folder.mkdir(mode=0o700)
    for name, data in files.items():
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for name, attached in attachments.items():
        attached.path.rename(folder / name)
    sync_directory(folder)


def _swap(fresh: Path, folder: Path) -> None:
    """Put the new folder in the place of the old one."""
    old = aside(folder, "old")
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    sync_directory(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
