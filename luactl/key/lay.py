"""Laying the newest key book over a database that is older than it (formats.md, 2.5).

A backup brings data back, never keys: those come from the book. What was dropped after the backup stays
dropped, whoever lives opens again. Numbers that were handed out since are never used a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import RefusedError
from .book import Book, open_books, sync
from .classes import SealError
from .holder import open_holders
from .node import DROPPED, SLOT_SIZE, OpenNode, top_key
from .path import FAN_OUT, SPACE_A, TOP, locate
from .root import NoRootError, exclusive, lock_row, read_root, wipe
from .status import KeyStatus, State, status

BATCH = 500
Node = tuple[int, bytes]
Marks = dict[bytes, tuple[int, bytes]]
"""Version and SHA-256 of each node in the database, by path."""


@dataclass(frozen=True)
class Laying:
    """What laying a book over the database does, or did."""

    tree_id: UUID
    book: str
    """The newest book."""
    epoch_from: int
    """Epoch of the database."""
    epoch_to: int
    """Epoch of the book."""
    change: int
    """The newest change that the book has seen."""
    nodes: int
    """Nodes that come from the book."""
    kept: int
    """Nodes that were written on either side since, where the database's open and stay."""
    counters: int
    """Counters that are raised."""
    tombstones: int
    """Erased keys, purged periods and ended tenants that the database does not remember."""
    pruned: int
    """Subtrees of tenants that have ended, whose nodes go."""


@dataclass(frozen=True)
class _Difference:
    """Book and database compared."""

    laying: Laying
    nodes: dict[bytes, Node] = field(repr=False)
    counters: dict[tuple[int, int], int] = field(repr=False)
    tombstones: dict[tuple[int, bytes], tuple[int, str]] = field(repr=False)
    bases: tuple[bytes, ...] = field(repr=False)


def plan_laying(session: Session) -> Laying | None:
    """Return what laying the newest book over the database would do; None when the database is not behind.

    Raises RefusedError off a key host, when book and holders do not fit each other, or when a book belongs to
    another database.
    """
    with transaction(session):
        found = _compare(session)
    return None if found is None else found.laying


def lay_over(session: Session) -> Laying | None:
    """Bring the tree to the state of the newest book, in one transaction with its ledger entry.

    Returns what was done, None when there was nothing to do. The books themselves follow. Raises what
    `plan_laying` raises, and BusyError when the tree is in use.
    """
    with exclusive(session):
        with transaction(session, durable=True):
            lock_row(session)
            found = _compare(session)
            if found is None:
                return None
            _write(session, found)
        for number, book in enumerate(open_books(session.profile.books), 1):
            book.prepare()
            sync(session, book)
            session.step(f"book {number} written")
    return found.laying


def _compare(session: Session) -> _Difference | None:
    now = status(session, count=False)
    book = _newest(session, now)
    if book is None:
        return None
    state = next(one for one in now.books if one.name == book.name)
    chain = _Chain(book, now.tree_id, _top_key(session, now, state.epoch))
    there = {path: (version, mark) for path, version, mark in queries("key").node_marks(session.conn)}
    nodes, kept = _nodes(session, there, chain)
    bases = chain.dropped(there)
    counters, tombstones = _counters(session, book), _tombstones(session, book)
    laying = Laying(
        now.tree_id,
        book.name,
        now.epoch,
        state.epoch,
        state.change,
        len(nodes),
        kept,
        len(counters),
        len(tombstones),
        len(bases),
    )
    return _Difference(laying, nodes, counters, tombstones, bases)


def _newest(session: Session, now: KeyStatus) -> Book | None:
    """Return the newest book if the database is behind it. Raises RefusedError for one of another tree."""
    for one in now.books:
        if one.tree_id not in (None, now.tree_id):
            raise RefusedError(
                f"key book {one.name} belongs to another database",
                hint="name the books of this database in the profile",
            )
    if now.state is not State.BEHIND:
        return None
    newest = max(now.books, key=lambda one: (one.epoch, one.change))
    if (newest.epoch, newest.change) <= (now.epoch, now.change):
        raise RefusedError(
            f"the holders have moved on from epoch {now.epoch}, but no key book has",
            hint="bring the newest key book back: without it nothing in this database opens any more",
        )
    return next(book for book in open_books(session.profile.books) if book.name == newest.name)


def _top_key(session: Session, now: KeyStatus, epoch: int) -> bytes:
    try:
        root = read_root(open_holders(session.profile.holders), now.tree_id, epoch)
    except NoRootError:
        raise RefusedError(
            f"no holder has the root of epoch {epoch}, at which the newest key book stands",
            hint="bring the holder back that was in use last; nothing was changed",
        ) from None
    key = top_key(root, now.tree_id.bytes, epoch)
    wipe(root)
    return key


class _Chain:
    """Opens nodes of the book from the top on, to see whether a node of the database hangs below them."""

    def __init__(self, book: Book, tree_id: UUID, key: bytes) -> None:
        self.nodes = {path: (version, blob) for path, (version, _change, blob) in book.nodes().items()}
        self._tree, self._top = tree_id.bytes, key
        if TOP not in self.nodes:
            raise RefusedError(f"key book {book.name} has no top node", hint="bring a whole one")
        self._open(TOP, key).keys()

    def _open(self, path: bytes, key: bytes) -> OpenNode:
        version, blob = self.nodes[path]
        return OpenNode(self._tree, path, version, blob, key)

    def dropped(self, there: Marks) -> tuple[bytes, ...]:
        """Return the paths below which the database has nodes although the book has dropped their key."""
        found = set()
        for path in there.keys() - self.nodes.keys():
            base = next(path[:end] for end in range(1, len(path) + 1) if path[:end] not in self.nodes)
            blob, at = self.nodes[base[:-1]][1], base[-1] * SLOT_SIZE
            if blob[at : at + SLOT_SIZE] == DROPPED:
                found.add(base)
        return tuple(sorted(found))

    def opens(self, path: bytes, node: Node) -> bool:
        """Tell whether the node opens at its place below the book's own nodes."""
        key = self._top
        try:
            for depth in range(len(path)):
                key = self._open(path[:depth], key).key(path[depth])
            OpenNode(self._tree, path, *node, key).keys()
        except (KeyError, SealError):
            return False
        return True


def _nodes(session: Session, there: Marks, chain: _Chain) -> tuple[dict[bytes, Node], int]:
    """Return the book's nodes that are to be laid, and how many stay although the book has others."""
    laid, other = {}, {}
    for path, (version, blob) in chain.nodes.items():
        known = there.get(path)
        if known is None or known[0] < version:
            laid[path] = (version, blob)
        elif known != (version, sha256(blob).digest()):
            other[path] = (version, blob)
    rows = queries("key").fetch_nodes(session.conn, paths=list(other)) if other else ()
    kept = {
        path
        for _tree, _epoch, path, *node in rows
        if path is not None and chain.opens(path, (node[0], node[1]))
    }
    return laid | {path: node for path, node in other.items() if path not in kept}, len(kept)


def _counters(session: Session, book: Book) -> dict[tuple[int, int], int]:
    """Return the counters to raise: past all numbers of a leaf of which any was handed out."""
    there = {(tenant, space): number for tenant, space, number in queries("key").counters(session.conn)}
    seen = book.counters()
    wanted = {
        one: -(-max(there.get(one, 0), seen.get(one, 0)) // FAN_OUT) * FAN_OUT
        for one in there.keys() | seen.keys()
    }
    return {one: number for one, number in wanted.items() if number > there.get(one, 0)}


def _tombstones(session: Session, book: Book) -> dict[tuple[int, bytes], tuple[int, str]]:
    rows = queries("key").tombstones(session.conn, epoch=0)
    there = {(tenant, bytes(mark)) for tenant, mark, _epoch, _at in rows}
    return {one: what for one, what in book.tombstones().items() if one not in there}


def _write(session: Session, found: _Difference) -> None:
    """Make all changes in the running transaction, with the tree locked."""
    from ..ledger import Entry, append

    noun, conn, laying = queries("key"), session.conn, found.laying
    noun.lay_epoch(
        conn,
        tree_id=laying.tree_id,
        epoch_from=laying.epoch_from,
        epoch_to=laying.epoch_to,
        change=laying.change,
        at=session.clock.now(),
    )
    paths = sorted(found.nodes)
    for start in range(0, len(paths), BATCH):
        part = paths[start : start + BATCH]
        noun.lay_nodes(
            conn,
            paths=part,
            versions=[found.nodes[path][0] for path in part],
            blobs=[found.nodes[path][1] for path in part],
        )
    if found.bases:
        noun.prune(conn, paths=list(found.bases))
    _lay_counters(session, list(found.counters.items()))
    _lay_tombstones(session, list(found.tombstones.items()))
    detail = {
        "epoch_from": laying.epoch_from,
        "epoch_to": laying.epoch_to,
        "nodes": laying.nodes,
        "kept": laying.kept,
        "tombstones": laying.tombstones,
    }
    append(session, Entry("restore.keys", object="key:tree", detail=detail))


def _lay_counters(session: Session, counters: Sequence[tuple[tuple[int, int], int]]) -> None:
    queries("key").lay_counters(
        session.conn,
        tenant_ids=[one[0] for one, _ in counters],
        spaces=[one[1] for one, _ in counters],
        next=[number for _, number in counters],
    )


def _lay_tombstones(
    session: Session, tombstones: Sequence[tuple[tuple[int, bytes], tuple[int, str]]]
) -> None:
    queries("key").lay_tombstones(
        session.conn,
        tenant_ids=[one[0] for one, _ in tombstones],
        marks=[one[1] for one, _ in tombstones],
        epochs=[epoch for _, (epoch, _at) in tombstones],
        ats=[datetime.fromisoformat(at) for _, (_epoch, at) in tombstones],
    )


def have_ended(session: Session, key_nos: Sequence[int]) -> set[int]:
    """Return the numbers of those tenants whose part of the tree was dropped as a whole.

    Raises RefusedError off a key host, SealError when the tree does not open.
    """
    from .tree import Nodes

    nodes, ended = Nodes(session), set()
    places = {key_no: locate(TOP, SPACE_A, 2 * key_no) for key_no in key_nos}
    nodes.load({leaf for leaf, _slot in places.values()})
    for key_no, (leaf, slot) in places.items():
        if nodes[leaf][slot] is None:
            ended.add(key_no)
    return ended
