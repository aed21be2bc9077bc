"""Dropping keys for good: one epoch, in the order that survives a crash at any point (formats.md, 2.3)."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import LuactlError
from ..exclusive import Hold
from ..pack import Bytes, teach
from ..profile.production import demand_places
from .book import Book, BookState, Newer, open_books, read_newer, sync
from .claims import Slots, give_up
from .classes import SealError, TenantDrop
from .fate import destroy, remember
from .holder import Destroyed, ForeignRootError, Holder, HolderError, UnusableRootError, open_holders
from .node import OpenNode, top_key
from .path import TOMBSTONE_SLOT, TOP, ancestors
from .register import demand, enrol
from .released import find_released, follow
from .renew import unclaimed
from .rewrite import Rewritten, opens, rewrite
from .root import exclusive, lock_row, place, read_root, wipe
from .rows import fetch
from .status import State, require, survey

Drops = Sequence[TenantDrop] | Callable[[], Sequence[TenantDrop]]


class UnfinishedError(LuactlError):
    """The keys are dropped in the database, but the old root is not destroyed everywhere."""


@dataclass(frozen=True)
class BookWritten:
    """A key book that took the change, and how far it stands now."""

    name: str
    epoch: int
    change: int


@dataclass(frozen=True)
class EpochChange:
    """What an epoch did, as a certificate needs it."""

    tree_id: UUID
    epoch_from: int
    epoch_to: int
    nodes_rewritten: int
    keys_dropped: int
    holders: tuple[Destroyed, ...]
    books: tuple[BookWritten, ...]


@dataclass(frozen=True)
class _Wanted:
    """What is asked of one epoch."""

    tenants: Drops
    rekey: Collection[bytes]
    revoke: Collection[UUID]


@dataclass
class _Turn:
    """One epoch under way."""

    session: Session
    held: Hold
    holders: list[Holder]
    books: list[Book]
    tree_id: UUID
    epoch: int
    old_top: bytes = field(repr=False)
    new_top: bytes = field(repr=False)
    lock_timeout: str | None
    places: list[UUID]
    """Every place that takes part."""
    committing: bool = False
    placed: list[Holder] = field(default_factory=list)
    keys_dropped: int = 0

    @property
    def tree(self) -> bytes:
        return self.tree_id.bytes


def drop(
    session: Session,
    tenants: Drops,
    change: Callable[[int], None],
    *,
    rekey: Collection[bytes] = (),
    revoke: Collection[UUID] = (),
    lock_timeout: str | None = None,
) -> EpochChange:
    """Drop keys for good: nobody opens what they sealed, in no copy, with no key that is left.

    `tenants` may be a function, which is asked first inside the epoch's one transaction: it can lock rows
    before it says what is dropped. `change(epoch)` runs in that transaction too, after the claims are gone
    and in the last tenant's context: row changes and the ledger intent. Without keys it still turns the
    epoch. Nodes at and below the paths of `rekey` get new keys, and so does every part of the tree whose
    release to a person has expired or is one of `revoke`.

    Raises RefusedError when holders and books are not all at the database's epoch, or when one that is
    registered is not among them; BusyError when the tree is in use. Whatever fails before the commit leaves
    all as it was; after it, UnfinishedError says that `recover` must finish.
    """
    demand_places(session.profile)
    teach(session.conn)
    with exclusive(session, lock_timeout) as held:
        turn = _begin(session, held, lock_timeout)
        root = bytearray(os.urandom(32))
        turn.new_top = top_key(root, turn.tree, turn.epoch + 1)
        try:
            _place(turn, root)
            written = _commit(turn, _Wanted(tenants, rekey, revoke), change)
        except BaseException:
            if not turn.committing:
                _take_back(turn, root)
            raise
        finally:
            wipe(root)
        return _finish(turn, written)


def _begin(session: Session, held: Hold, lock_timeout: str | None) -> _Turn:
    """Check that nothing is left over from before and nobody left out, and open the old root."""
    found, roll = survey(session)
    require(found, State.SETTLED)
    demand(roll)
    places = enrol(session, roll)
    holders, books = open_holders(session.profile.holders), open_books(session.profile.books)
    root = read_root(holders, found.tree_id, found.epoch)
    old_top = top_key(root, found.tree_id.bytes, found.epoch)
    wipe(root)
    return _Turn(
        session, held, holders, books, found.tree_id, found.epoch, old_top, b"", lock_timeout, places
    )


def _place(turn: _Turn, root: bytearray) -> None:
    """Step 1: the new root, durably, at every holder. What was there before is never taken back."""
    for number, holder in enumerate(turn.holders, 1):
        place(holder, turn.tree_id, turn.epoch + 1, root, turn.placed)
        turn.session.step(f"root placed at holder {number}")


def _take_back(turn: _Turn, root: bytearray) -> None:
    """Destroy the new root where we placed it; never another's, who has had the tree since we lost it.

    A holder that does not answer keeps it, and `recover` has it destroyed.
    """
    for holder in turn.placed:
        with suppress(HolderError):
            if _is_ours(turn, holder, root):
                holder.destroy(turn.epoch + 1)


def _is_ours(turn: _Turn, holder: Holder, root: bytearray) -> bool:
    try:
        return holder.get(turn.tree_id, turn.epoch + 1) == root
    except (FileNotFoundError, ForeignRootError):
        return False
    except UnusableRootError:
        return True  # of no use to anybody


def _commit(turn: _Turn, wanted: _Wanted, change: Callable[[int], None]) -> Rewritten:
    """Step 2: the one transaction."""
    session = turn.session
    with transaction(session, lock_timeout=turn.lock_timeout, durable=True) as conn:
        if lock_row(session) != (turn.tree_id, turn.epoch):
            raise LuactlError("the tree moved on although it was locked", hint="run it again")
        # Whoever takes the tree's lock after this goes on to lock that row: he waits for our commit.
        turn.held.check(conn)
        tenants = wanted.tenants() if callable(wanted.tenants) else wanted.tenants
        gone = give_up(session, tenants, turn.epoch + 1, _tombstone_key(turn))
        turn.keys_dropped = gone.keys
        session.step("claims given up")
        change(turn.epoch + 1)
        session.step("rows changed")
        released = find_released(session, wanted.revoke, gone.ended)
        written = _rewrite(turn, gone.slots, {*wanted.rekey, *released.ending_paths})
        _turn_epoch(turn, written)
        if gone.bases:
            queries("key").prune(conn, paths=gone.bases)
        follow(session, released, turn.tree, turn.epoch + 1, written)
        session.step("nodes rewritten")
        turn.committing = True
    session.step("epoch committed")
    return written


def _tombstone_key(turn: _Turn) -> bytes:
    version, blob = _read(turn, [TOP])[TOP]
    return OpenNode(turn.tree, TOP, version, blob, turn.old_top).key(TOMBSTONE_SLOT)


def _rewrite(turn: _Turn, slots: Slots, rekey: Collection[bytes]) -> Rewritten:
    """Seal anew what is on the way to a dropped slot, and all that is to be re-keyed."""
    nodes = _read(turn, [TOP, *slots, *rekey])
    renewed: Slots = {}
    if rekey:
        below = {row[0]: row[1:] for row in fetch(turn.session, "nodes_below", bases=Bytes.of(rekey))}
        nodes |= below
        numbers = {(row[0], row[1]): row[2] for row in queries("key").numbers(turn.session.conn)}
        renewed = unclaimed(nodes, below, numbers)
    return rewrite(turn.tree, nodes, slots, turn.old_top, turn.new_top, renewed)


def _turn_epoch(turn: _Turn, written: Rewritten) -> None:
    queries("key").turn_epoch(
        turn.session.conn,
        epoch=turn.epoch,
        at=turn.session.clock.now(),
        paths=Bytes.of(written.paths),
        versions=[written.versions[path] for path in written.paths],
        blobs=Bytes.of([written.blobs[path] for path in written.paths]),
        places=turn.places,
    )


def _read(turn: _Turn, paths: Iterable[bytes]) -> dict[bytes, tuple[int, bytes]]:
    """Return version and blob of these nodes and all above them."""
    needed = ancestors(paths)
    rows = fetch(turn.session, "some_nodes", paths=Bytes.of(needed))
    nodes = {path: (version, blob) for path, version, blob in rows}
    missing = set(needed) - set(nodes)
    if missing:
        raise SealError(f"key node {min(missing).hex()} is not in the tree", hint="run `luactl key verify`")
    return nodes


def _finish(turn: _Turn, written: Rewritten) -> EpochChange:
    """Steps 3 to 5: books, read back, the old root."""
    try:
        books, newer = [], None
        for number, book in enumerate(turn.books, 1):
            before = book.state()
            if newer is None or before != newer.before:
                newer = read_newer(turn.session, book, before)
            books.append((book, sync(turn.session, book, newer)))
            turn.session.step(f"book {number} written")
        _read_back(turn, written, books, newer)
        turn.session.step("read back")
        answers = []
        for number, holder in enumerate(turn.holders, 1):
            turn.held.check(turn.session.conn)
            answers.append(destroy(turn.session, holder, turn.tree_id, turn.epoch))
            turn.session.step(f"root destroyed at holder {number}")
        remember(turn.session, answers)
    except (LuactlError, OSError) as problem:
        raise UnfinishedError(
            f"the keys are dropped, but the old root is not destroyed everywhere: {problem}",
            hint="put right what is named, then run `luactl key recover`",
        ) from problem
    return EpochChange(
        turn.tree_id,
        turn.epoch,
        turn.epoch + 1,
        len(written.versions),
        turn.keys_dropped,
        tuple(answers),
        tuple(BookWritten(book.name, state.epoch, state.change) for book, state in books),
    )


def _read_back(
    turn: _Turn, written: Rewritten, books: Sequence[tuple[Book, BookState]], newer: Newer | None
) -> None:
    """Step 4: database and books hold what was written, and it opens under the new root only.

    What the database holds was read for the books, after the commit. Raises LuactlError; both roots stay.
    """
    wanted = {path: (written.versions[path] + 1, written.blobs[path]) for path in written.paths}
    rows = newer.rows["node"] if newer else ()
    read = {path: (version, blob) for path, version, _change, blob in rows if path in wanted}
    if read != wanted or not opens(turn.tree, written, turn.new_top):
        raise LuactlError("the tree does not read back as it was written")
    if opens(turn.tree, written, turn.old_top):
        raise LuactlError("the new top node still opens under the old root")
    for book, _state in books:
        if book.some(written.paths) != wanted:
            raise LuactlError(f"key book {book.name} does not read back as it was written")
