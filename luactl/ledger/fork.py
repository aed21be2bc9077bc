"""A log that lost its end in a restore goes on under another name, and says what is missing (formats.md, 4).

Checkpoints that lie elsewhere cannot be taken back: if an anchor knows more entries than the database, two
histories must never bear one name. So the old name ends, a new key signs, and the first entry of the new name
tells how far the old one had come.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..db import Session, queries, transaction
from ..disk import sync_directory, write_all
from ..errors import RefusedError
from .anchor import Anchor, reached
from .entry import Entry, append
from .note import Checkpoint, NoteError, Signer, Verifier, open_checkpoint
from .origin import PREFIX, Origin, current, read_key, require, write_key

ACTION = "ledger.origin.fork"


@dataclass(frozen=True)
class Branch:
    """The end of a history that is not in this database."""

    origin: str
    """The name under which it was signed."""
    vkey: str
    """The key that signed it."""
    kept: int
    """So many of its entries are here."""
    size: int
    """So many there were under its newest checkpoint."""
    root: str
    """Root of that checkpoint, hex."""
    anchor: str
    """Where that checkpoint lies."""

    @property
    def missing(self) -> int:
        """How many signed entries are lost."""
        return self.size - self.kept


def find_lost(session: Session) -> tuple[Branch, ...]:
    """Return what anchors know beyond this database, by name of the log; nothing when nothing is lost.

    Raises RefusedError when an anchor contradicts what is here: that is no restore but a rewrite, which is
    never explained away. Raises AnchorError when an anchor cannot be read.
    """
    origin = require(session)
    with transaction(session) as conn:
        stored = {size: bytes(root) for size, root in queries("ledger").checkpoint_sizes(conn)}
    kept = max(stored, default=0)
    lost: dict[str, Branch] = {}
    for verifier in _keys(session, origin):
        for anchor in reached(session.profile):
            newest = _newest(anchor, verifier, stored)
            if newest is not None and newest.size > max(kept, _size(lost.get(verifier.name))):
                lost[verifier.name] = Branch(
                    verifier.name, str(verifier), kept, newest.size, newest.root.hex(), anchor.name
                )
    return tuple(lost.values())


def _size(branch: Branch | None) -> int:
    return 0 if branch is None else branch.size


def _keys(session: Session, origin: Origin) -> list[Verifier]:
    """Return the key of the database and that of the signing key file: after a second restore they differ."""
    keys = [Verifier.parse(origin.vkey)]
    if session.profile.signing_key.exists():
        with suppress(NoteError):  # destroyed, and the new one not yet in its place: `finish` does that
            own = read_key(session.profile.signing_key).verifier
            keys += [own] if own != keys[0] else []
    return keys


def _newest(anchor: Anchor, verifier: Verifier, stored: Mapping[int, bytes]) -> Checkpoint | None:
    """Return the largest checkpoint of that key, after comparing those that the database has too."""
    newest = None
    for checkpoint in _signed(anchor, verifier):
        if stored.get(checkpoint.size, checkpoint.root) != checkpoint.root:
            raise RefusedError(
                f"anchor {anchor.name} holds another history: another root of {checkpoint.size:,} entries",
                hint="this is no restore; `luactl ledger verify` shows where the log was changed",
            )
        if newest is None or checkpoint.size > newest.size:
            newest = checkpoint
    return newest


def _signed(anchor: Anchor, verifier: Verifier) -> Iterator[Checkpoint]:
    if anchor.missing():
        return
    for record in anchor.records():
        try:
            yield open_checkpoint(record.text, [verifier])
        except NoteError:
            continue  # another key's, or a torn write: `ledger verify` judges those


def fork(session: Session, lost: tuple[Branch, ...]) -> Origin:
    """End the current name and go on under a new one, in one transaction with the entry that tells it.

    The new key takes the place of the old one, which is destroyed: nobody goes on with the lost history.
    Run again after an interruption it finishes. Raises RefusedError off the ledger host.
    """
    origin = current(session)
    path = session.profile.signing_key
    if origin is None or not path.exists():
        raise RefusedError(
            f"this is not the ledger host: there is no signing key at {path}",
            hint="run it where the ledger job runs",
        )
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    signer = Signer(PREFIX + secrets.token_hex(4), secrets.token_bytes(32))
    write_key(fresh, signer)
    session.step("new signing key written")
    others = [one for one in lost if one.origin != origin.origin]
    made = Origin(signer.name, str(signer.verifier))
    with transaction(session, durable=True) as conn:
        list(
            queries("ledger").fork_origin(
                conn,
                old=origin.origin,
                others=[one.origin for one in others],
                other_keys=[one.vkey for one in others],
                new=made.origin,
                vkey=made.vkey,
                at=session.clock.now(),
            )
        )
        append(session, _entry(origin, made, lost))
    session.step("log forked")
    finish(session)
    return made


def _entry(old: Origin, new: Origin, lost: tuple[Branch, ...]) -> Entry:
    branches = [
        {"origin": one.origin, "kept": one.kept, "size": one.size, "root": one.root, "anchor": one.anchor}
        for one in lost
    ]
    return Entry(ACTION, object=f"origin:{new.origin}", detail={"ended": old.origin, "lost": branches})


def finish(session: Session) -> bool:
    """Put the new signing key in its place if a fork was cut short after its commit; tells whether it did."""
    path = session.profile.signing_key
    fresh = path.with_name(f"{path.name}.new")
    origin = current(session)
    if not fresh.exists() or origin is None or str(read_key(fresh).verifier) != origin.vkey:
        return False
    if path.exists():
        _overwrite(path)
    fresh.rename(path)
    sync_directory(path.parent)
    session.step("signing key replaced")
    return True


def _overwrite(path: Path) -> None:
    """Destroy the old key in place, before its name leads to another file."""
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        write_all(handle, bytes(os.fstat(handle).st_size))
        os.fsync(handle)
    finally:
        os.close(handle)


def read_forks(session: Session) -> dict[str, Branch]:
    """Return what this log says it lost, by name of the log, in the transaction that is open.

    A name ends with its first loss, so none is lost twice.
    """
    found: dict[str, Branch] = {}
    for (body,) in queries("ledger").forks(session.conn):
        for branch in _branches(bytes(body)):
            found.setdefault(branch.origin, branch)
    return found


def _branches(body: bytes) -> Iterator[Branch]:
    """Yield the branches of an entry; one that is malformed explains nothing away."""
    try:
        for one in json.loads(body)["detail"]["lost"]:
            yield Branch(one["origin"], "", int(one["kept"]), int(one["size"]), one["root"], one["anchor"])
    except (ValueError, KeyError, TypeError):
        return
