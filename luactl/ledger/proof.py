"""One entry, and the proof that it stands in the log that was signed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError
from .entry import time_of
from .merkle import inclusion_parts, leaf_hash, verify_inclusion
from .note import Verifier, open_checkpoint
from .signed import newest
from .tree import Tiles, part_root


@dataclass(frozen=True)
class Proof:
    """Everything needed to check, offline, that an entry is in the log: formats-ledger.md says how."""

    id: UUID
    index: int
    """Place in the log, from 0."""
    size: int
    """Entries under the checkpoint."""
    hashes: tuple[bytes, ...]
    """Inclusion proof, lowest sibling first."""
    root: bytes
    checkpoint: str
    """The signed note over size and root."""
    vkey: str
    """Verifier key of whoever signed."""
    body: bytes
    """The entry's canonical bytes."""


@dataclass(frozen=True)
class Shown:
    """One entry as it was signed, with its proof once there is a checkpoint over it."""

    id: UUID
    at: datetime
    entry: dict[str, Any]
    """The body, field by field."""
    index: int | None
    """None: no checkpoint covers it yet."""
    leaf_hash: bytes
    intact: bool
    """Whether the body is the one that was numbered (always, while pending) and the proof holds."""
    size: int | None
    hashes: tuple[bytes, ...]
    checkpoint: str | None


def _find(session: Session, entry_id: UUID) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = queries("ledger").entry(session.conn, id=entry_id, at=time_of(entry_id))
    if row is None:
        raise NotFoundError(
            f"there is no entry {entry_id} that {session.actor} may see",
            hint="`luactl log search` lists entries with their ids",
        )
    return row


def prove(session: Session, entry_id: UUID) -> Proof:
    """Prove that an entry stands under the newest checkpoint.

    Raises NotFoundError for an unknown entry, RefusedError while it is pending or when the proof does not
    hold.
    """
    with transaction(session, snapshot=True) as conn:
        _id, _at, body, index, _hash = _find(session, entry_id)
        if index is None:
            raise RefusedError(
                f"no checkpoint covers entry {entry_id} yet",
                hint="run `luactl ledger integrate` on the ledger host",
            )
        size, stored_root, note, _signed_at = newest(conn)
        hashes = tuple(part_root(conn, begin, end) for begin, end in inclusion_parts(index, size))
        vkey = queries("ledger").current_origin(conn)[1]
    checkpoint = open_checkpoint(note, [Verifier.parse(vkey)])
    held = (checkpoint.size, checkpoint.root) == (size, stored_root)
    if not held or not verify_inclusion(index, size, leaf_hash(body), hashes, stored_root):
        raise RefusedError(
            f"entry {entry_id} is not what the checkpoint of {size:,} entries signs",
            hint="`luactl ledger verify` shows what was changed",
        )
    return Proof(entry_id, index, size, hashes, stored_root, note, vkey, body)


class Prover:
    """Proves many entries under the newest checkpoint, as it was when the running transaction began."""

    def __init__(self, conn: Any) -> None:
        """Read the checkpoint. Raises RefusedError when nothing is signed yet."""
        self.size, self.root, self.checkpoint, _signed_at = newest(conn)
        self.vkey: str = queries("ledger").current_origin(conn)[1]
        self._tiles = Tiles(conn)

    def hashes(self, index: int) -> tuple[bytes, ...]:
        """Return the inclusion proof of an index, lowest sibling first. Raises RefusedError when pruned."""
        return tuple(self._tiles.part_root(begin, end) for begin, end in inclusion_parts(index, self.size))

    def holds(self, index: int, body: bytes, hashes: tuple[bytes, ...]) -> bool:
        """Whether these hashes prove that an entry of these bytes stands there."""
        return verify_inclusion(index, self.size, leaf_hash(body), hashes, self.root)


def check(proof: Proof, vkey: str) -> bool:
    """Tell offline whether a proof holds under a verifier key that was kept elsewhere."""
    from .note import NoteError

    try:
        checkpoint = open_checkpoint(proof.checkpoint, [Verifier.parse(vkey)])
    except NoteError:
        return False
    if (checkpoint.size, checkpoint.root) != (proof.size, proof.root):
        return False
    return verify_inclusion(proof.index, proof.size, leaf_hash(proof.body), proof.hashes, proof.root)


def show(session: Session, entry_id: UUID) -> Shown:
    """Show one entry with its proof. Raises NotFoundError for an unknown one, or one of somebody else's."""
    id_, at, body, index, hash_ = _find(session, entry_id)
    entry: dict[str, Any] = json.loads(body)
    if index is None:
        return Shown(id_, at, entry, None, leaf_hash(body), True, None, (), None)
    try:
        proof = prove(session, entry_id)
    except RefusedError:
        return Shown(id_, at, entry, index, hash_, False, None, (), None)
    return Shown(id_, at, entry, index, hash_, True, proof.size, proof.hashes, proof.checkpoint)
