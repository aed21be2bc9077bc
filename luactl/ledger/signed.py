"""The newest signed checkpoint, as it leaves the house: a note, or a request to a cosigner."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..db import Session, queries, transaction
from ..disk import create
from ..errors import RefusedError, UsageError
from .merkle import consistency_parts
from .note import Checkpoint, Verifier, open_checkpoint
from .tree import part_root


@dataclass(frozen=True)
class SignedCheckpoint:
    """What is signed now, and from which earlier size that is proved."""

    size: int
    root: bytes
    signed_at: datetime
    note: str
    """The signed note (C2SP tlog-checkpoint)."""
    since: int | None
    proof: tuple[bytes, ...]
    """Consistency proof from `since`, lowest hash first; empty without one, and from 0."""

    def text(self) -> str:
        """Return what goes to a file: the note, or the request of C2SP tlog-witness, add-checkpoint."""
        if self.since is None:
            return self.note
        lines = [f"old {self.since}", *(base64.b64encode(one).decode() for one in self.proof), ""]
        return "\n".join([*lines, self.note])


def newest(conn: Any) -> tuple[int, bytes, str, datetime]:
    """Return size, root, note and time of what was signed last. Raises RefusedError when nothing is."""
    row: tuple[int, bytes, str, datetime] | None = queries("ledger").newest_checkpoint(conn)
    if row is None:
        raise RefusedError("nothing is signed yet", hint="run `luactl ledger integrate` on the ledger host")
    return row


def holds(conn: Any, checkpoint: Checkpoint, keys: Sequence[Verifier]) -> bool:
    """Whether the database has this very checkpoint. Raises NoteError when its note is not by these keys."""
    note = queries("ledger").checkpoint_note(conn, size=checkpoint.size)
    return note is not None and open_checkpoint(note, keys).root == checkpoint.root


def newest_checkpoint(session: Session, since: int | None = None) -> SignedCheckpoint:
    """Return the newest checkpoint, with a consistency proof from a size if one is given.

    Raises RefusedError when nothing is signed yet, UsageError for a size beyond it.
    """
    with transaction(session, snapshot=True) as conn:
        size, root, note, signed_at = newest(conn)
        if since is not None and since > size:
            raise UsageError(
                f"the log has {size:,} signed entries, not {since:,}", hint="give a smaller size"
            )
        proof: tuple[bytes, ...] = ()
        if since:
            proof = tuple(part_root(conn, begin, end) for begin, end in consistency_parts(since, size))
    return SignedCheckpoint(size, root, signed_at, note, since, proof)


def write_checkpoint(found: SignedCheckpoint, out: Path) -> None:
    """Write it into a new file. Raises UsageError when that cannot be."""
    try:
        create(out, found.text().encode())
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}", hint="name a new file") from error
