"""The integrator: gives waiting entries their place in the log, signs, and tells the anchors.

One process at a time. A checkpoint leaves the database only after it is durably committed; if that was
missed, the next run hands over the newest one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from ..db import Session, is_direct, pipeline, queries, transaction
from ..errors import BusyError, RefusedError
from ..exclusive import hold
from .anchor import Anchor, AnchorError, reached
from .merkle import CompactRange
from .months import make_months
from .note import Checkpoint, Signer, open_checkpoint
from .origin import own_signer
from .signed import holds
from .tree import edge, read_hashes

BATCH = 100_000
"""Entries that get one checkpoint."""
PART = 25_000
"""Entries that the server numbers while the hashes of those before are worked on here."""
LEDGER_LOCK = int.from_bytes(b"lua/ledg", "big")


@dataclass(frozen=True)
class IntegrationPlan:
    """What a run would do now."""

    origin: str
    first_index: int
    """The index that the first waiting entry gets."""
    entries: int
    """How many wait."""


def plan_integration(session: Session) -> IntegrationPlan:
    """Count what a run would number. Raises RefusedError off the ledger host."""
    signer = own_signer(session)
    pending, _oldest = queries("ledger").waiting(session.conn)
    return IntegrationPlan(signer.name, queries("ledger").size(session.conn), pending)


def integrate(session: Session, *, batch: int = BATCH) -> Checkpoint | None:
    """Number all entries that wait now, sign, commit durably, hand over; None when nothing waited.

    Raises RefusedError off the ledger host or when an anchor knows another history, BusyError or a time-out
    of Postgres when another process integrates for too long, AnchorError after the commit when an anchor did
    not take the checkpoint (the next run makes up for it).
    """
    signer = own_signer(session)
    places = reached(session.profile)
    checkpoint = None
    with _lock(session):
        failed = hand_over(session, signer, places)
        make_months(session)
        while (extended := _extend(session, signer, batch)) is not None:
            checkpoint, taken = extended
            failed = hand_over(session, signer, places)
            if taken < batch:
                break
    if failed:
        raise failed[0]
    return checkpoint


def busy() -> BusyError:
    """Return what whoever finds the log locked is told."""
    return BusyError("another process is integrating the ledger", hint="run it again; nothing was changed")


@contextmanager
def _lock(session: Session) -> Iterator[None]:
    """Hold the integrator's lock: taken before any snapshot that counts, kept until the anchors know."""
    with hold(session.conn, LEDGER_LOCK, busy()):
        session.step("log locked")
        yield


def _extend(session: Session, signer: Signer, batch: int) -> tuple[Checkpoint, int] | None:
    """Number one batch and sign; None when there is nothing new."""
    with transaction(session, durable=True) as conn:
        newest = queries("ledger").newest_checkpoint(conn)
        signed, size = 0 if newest is None else int(newest[0]), queries("ledger").size(conn)
        tree = edge(conn, signed)
        subtrees = _grow(tree, _unsigned(conn, signed, size))
        with pipeline(conn) if is_direct(conn) else nullcontext():
            for hashes in _numbered(conn, size, batch):
                subtrees += _grow(tree, hashes)
        if tree.size == signed:
            return None
        checkpoint = Checkpoint(signer.name, tree.size, tree.root()).signed(signer)
        queries("ledger").seal(
            conn,
            size=tree.size,
            levels=[level for level, _index, _hash in subtrees],
            indexes=[index for _level, index, _hash in subtrees],
            subtrees=[hash_ for _level, _index, hash_ in subtrees],
            root=checkpoint.root,
            note=checkpoint.note,
            signed_at=session.clock.now(),
        )
        return checkpoint, tree.size - size


def _numbered(conn: Any, size: int, batch: int) -> Iterator[bytes]:
    """Give the next entries their indexes, part by part; yield the leaf hashes of each part in one string."""
    statement = queries("ledger").number.sql
    asked = conn.execute(statement, {"size": size, "limit": min(PART, batch)}, binary=True)
    for begun in range(0, batch, PART):
        hashes: bytes = asked.fetchone()[0] or b""
        if len(hashes) == PART * 32 and begun + PART < batch:
            further = min(PART, batch - begun - PART)
            asked = conn.execute(statement, {"size": None, "limit": further}, binary=True)
            yield hashes
        else:
            yield hashes
            return


def _unsigned(conn: Any, signed: int, size: int) -> bytes:
    """Return hashes that were numbered and never signed: the call that should have was never made."""
    return b"".join(read_hashes(conn, 0, signed, size)) if size > signed else b""


def _grow(tree: CompactRange, packed: bytes) -> list[tuple[int, int, bytes]]:
    return list(tree.extend([packed[place : place + 32] for place in range(0, len(packed), 32)]))


def hand_over(session: Session, signer: Signer, places: Sequence[Anchor]) -> list[AnchorError]:
    """Give the newest committed checkpoint to every anchor that does not have it; returns what went wrong.

    An anchor out of reach does not stop the log. Raises RefusedError when an anchor holds a checkpoint of
    this log that the database does not have: a restore or a rewrite, over which nothing more may be signed.
    """
    row = queries("ledger").newest_checkpoint(session.conn)
    failed: list[AnchorError] = []
    for number, anchor in enumerate(places, 1):
        try:
            known = anchor.newest(signer.verifier).checkpoint
            if known is not None:
                _check_known(session, signer, anchor, known)
            if row is None or not row[2].startswith(f"{signer.name}\n"):
                continue  # nothing was signed under this name yet
            if known is None or known.size < row[0]:
                anchor.hand_over(open_checkpoint(row[2], [signer.verifier]))
                session.step(f"anchor {number} written")
        except AnchorError as error:
            failed.append(error)
    return failed


def _check_known(session: Session, signer: Signer, anchor: Anchor, known: Checkpoint) -> None:
    if not holds(session.conn, known, [signer.verifier]):
        raise RefusedError(
            f"anchor {anchor.name} holds a checkpoint of {known.size:,} entries not in this database",
            hint="the database was restored or rewritten; `luactl ledger verify` shows where",
        )
