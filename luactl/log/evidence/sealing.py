"""Signature and proof of a lockbox that was collected where they could not be had: on the ledger host, later.

Nothing of what was collected changes. It is signed only if it is what the ledger has on record.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from ...certificate import manifest as man
from ...certificate.evidence import proved
from ...certificate.folder import Act, Attachment, contents
from ...db import Session
from ...disk import replace_file
from ...errors import LuactlError, RefusedError, UsageError
from ..query import Query
from ..question import EVERYTHING, narrowed
from ..search import rows
from .custody import parts
from .document import document
from .facts import KIND

CHUNK = 1 << 20
LAST = (man.MANIFEST, man.SUMS, man.SIGNATURE)
"""What is written last, in this order."""


@dataclass(frozen=True)
class Sealed:
    """A lockbox with signature and proof."""

    lockbox_id: UUID
    lockbox: str
    index: int | None
    """Of its entry in the ledger; None as long as it is planned."""
    size: int | None
    """Entries under the checkpoint that proves it; None likewise."""


def seal(session: Session, lockbox: Path, *, dry_run: bool = False) -> Sealed:
    """Sign a lockbox and prove its entry; may be run again.

    Raises UsageError for what is no lockbox, RefusedError when it is not what the ledger has on record, off
    the ledger host and for a login that may not integrate, LuactlError when the disk does not take it.
    """
    id_, facts, log = parts(lockbox)
    stated = _stated(lockbox, facts)
    entry_id = _recorded(session, id_, sha256(facts).hexdigest())
    digests = _digests(lockbox, stated)
    if dry_run:
        return Sealed(UUID(id_), str(lockbox), None, None)
    signer, evidence = proved(session, entry_id)
    attached = {name: Attachment(lockbox / name, digest) for name, digest in digests.items()}
    act = Act(KIND, id_, facts, document(stated), attached, custody=log)
    made_at, made_by = datetime.fromisoformat(stated["made_at"]), stated["made_by"]
    files = contents(act, made_at, made_by, evidence, signer)
    session.step("lockbox proved")
    try:
        for name in (*sorted(files.keys() - {man.CERTIFICATE, man.CUSTODY, *LAST}), *LAST):
            replace_file(lockbox.resolve() / name, files[name])
    except OSError as error:
        raise LuactlError(
            f"{lockbox} could not be written: {error.strerror}", hint="make room, and run it again"
        ) from error
    session.step("lockbox sealed")
    return Sealed(UUID(id_), str(lockbox), evidence.index, evidence.size)


def _stated(lockbox: Path, facts: bytes) -> dict[str, Any]:
    try:
        stated: dict[str, Any] = json.loads(facts)
        assert isinstance(stated["files"], list)
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
        raise UsageError(f"{lockbox} is no lockbox", hint="its certificate.json was changed") from None
    return stated


def _recorded(session: Session, id_: str, digest: str) -> UUID:
    """Return the entry by which the ledger knows this very lockbox. Raises RefusedError."""
    asked = narrowed(Query(EVERYTHING), [("action", "log.export"), ("object", f"{KIND}:{id_}")])
    for line in rows(session, asked, None):
        if line.detail and line.detail.get("certificate") == digest:
            return line.id
    raise RefusedError(
        f"the ledger that {session.actor} sees has no lockbox of this id and content",
        hint="its certificate.json was changed, or it is of another database; lua_dpo sees all entries",
    )


def _digests(lockbox: Path, stated: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of its data. Raises RefusedError when some are not what was recorded."""
    found = {one["name"]: one["sha256"] for one in stated["files"]}
    for name, digest in found.items():
        if _hash(lockbox / name) != digest:
            raise RefusedError(
                f"{name} is not what was recorded, so it is not signed",
                hint=f"`luactl verify {lockbox}` says what was changed",
            )
    return found


def _hash(path: Path) -> str:
    """Return the SHA-256 of a plain file, empty where there is none."""
    digest = sha256()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest()
