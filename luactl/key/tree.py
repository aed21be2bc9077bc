"""The key tree as it stands in the database: reading nodes, making new ones (formats.md, 2).

Owns `vault.node` but for the rewriting of nodes, which is `drop`'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from uuid import UUID

import psycopg

from ..db import Session, queries, transaction
from ..errors import BusyError, RefusedError
from ..pack import Bytes, teach
from ..profile.production import demand_places
from .book import EMPTY, Book, open_books, sync
from .classes import SealError
from .holder import Holder, open_holders
from .node import Keys, OpenNode, fresh_keys, seal_node, top_key
from .path import TOP, ancestors
from .register import call, hang, insert
from .root import NoRootError, lock_shared, no_tree, place, read_root, wipe
from .rows import fetch

ATTEMPTS = 5
BATCH = 2000
CACHED_NODES = 4_096


class Nodes:
    """The nodes that this process has opened, all of one epoch; a moved epoch empties it.

    Keeps node keys in memory, never the root.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        teach(session.conn)
        self.holders = self._find_holders()
        self.tree_id = b""
        self.epoch = 0
        self._starts: dict[bytes, bytes] = {}
        self._open: dict[bytes, OpenNode] = {}

    def _find_holders(self) -> list[Holder]:
        return open_holders(self.session.profile.holders)

    def __getitem__(self, path: bytes) -> OpenNode:
        """Return a node that was loaded. Raises SealError when the tree does not have it (any more)."""
        try:
            return self._open[path]
        except KeyError:
            if self._is_dropped(path):
                raise SealError(
                    f"the key of node {path.hex()} was dropped", hint="its tenant has ended: nothing opens"
                ) from None
            raise SealError(
                f"key node {path.hex()} is not in the tree",
                hint="run `luactl key verify`; after a restore, restore the book",
            ) from None

    def _is_dropped(self, path: bytes) -> bool:
        above = next((one for one in reversed(ancestors([path])[:-1]) if one in self._open), None)
        return above is not None and self._open[above][path[len(above)]] is None

    def load(self, paths: Iterable[bytes], *, fresh: bool = False) -> None:
        """Open these nodes and those above them; what is not there is left out.

        `fresh` asks the database for the epoch even when everything is at hand. Raises RefusedError off
        a key host, SealError when a node does not open, BusyError when the epoch moves all the time.
        """
        needed = self._needed(paths)
        for _attempt in range(ATTEMPTS):
            wanted = [path for path in needed if path not in self._open]
            if (not wanted and not fresh) or self._fetch(wanted):
                return
        raise BusyError("the key tree changes faster than it can be read", hint="try again")

    def _fetch(self, wanted: Sequence[bytes]) -> bool:
        """Open what is asked for; False when the epoch has moved and everything must be asked for anew."""
        for start in range(0, max(1, len(wanted)), BATCH):
            asked = wanted[start : start + BATCH]
            rows = fetch(self.session, "fetch_nodes", paths=Bytes.of(asked))
            if not rows:
                raise no_tree()
            tree_id, epoch = rows[0][:2]
            if (tree_id.bytes, epoch) != (self.tree_id, self.epoch):
                known_all = not self._open and len(wanted) <= BATCH
                if not self._enter(tree_id, epoch) or not known_all:
                    return False
            for _tree, _epoch, path, version, blob in rows:
                if path is not None:
                    self._open[path] = OpenNode(self.tree_id, path, version, blob, self.key_of(path))
        return True

    def key_of(self, path: bytes) -> bytes:
        """Return the key of a node whose parent was loaded: 32 bytes. Raises SealError."""
        start = self._starts.get(path)
        return self[path[:-1]].key(path[-1]) if start is None else start

    def _needed(self, paths: Iterable[bytes]) -> list[bytes]:
        return ancestors(paths)

    def reaches(self, _path: bytes) -> bool:
        """Whether a node is one that whoever opens here may open at all."""
        return True

    def _enter(self, tree_id: UUID, epoch: int) -> bool:
        """Begin again at that epoch; False when its root is gone because the epoch has moved on."""
        self._open.clear()
        starts = self._find_starts(tree_id, epoch)
        self.tree_id, self.epoch, self._starts = tree_id.bytes, epoch if starts else 0, starts
        return bool(starts)

    def _find_starts(self, tree_id: UUID, epoch: int) -> dict[bytes, bytes]:
        """Return the key of the top node by its path; nothing when the epoch has moved on meanwhile."""
        try:
            root = read_root(self.holders, tree_id, epoch)
        except NoRootError:
            if queries("key").epoch(self.session.conn) == epoch:
                raise
            return {}
        top = top_key(root, tree_id.bytes, epoch)
        wipe(root)
        return {TOP: top}

    def forget(self) -> None:
        """Read everything anew from now on: for whoever rolls back a transaction in which nodes were made."""
        self._open.clear()

    def forget_leaves(self, keep: Iterable[bytes]) -> None:
        """Keep the cache bounded: once it is large, only `keep` and what is above stays."""
        if len(self._open) > CACHED_NODES:
            kept = set(ancestors(keep))
            self._open = {path: node for path, node in self._open.items() if path in kept}

    def create(self, paths: Iterable[bytes]) -> None:
        """Make those of these nodes (and of those above) which are not there, in the running transaction.

        Takes the tree's lock shared. A node that somebody else made first is read instead.
        """
        lock_shared(self.session)
        needed = ancestors(paths)
        self.load(needed, fresh=True)
        missing = sorted(
            (path for path in needed if path not in self._open), key=lambda path: (len(path), path)
        )
        for _depth, level in groupby(missing, key=len):
            batch = list(level)
            for start in range(0, len(batch), BATCH):
                self._insert(batch[start : start + BATCH])

    def _insert(self, paths: list[bytes]) -> None:
        made: dict[bytes, tuple[bytes, bytes, Keys]] = {}
        for path in paths:
            node_key, keys = self.key_of(path), fresh_keys()
            made[path] = (seal_node(self.tree_id, path, 1, node_key, keys), node_key, keys)
        blobs = [blob for blob, _key, _keys in made.values()]
        ours = fetch(self.session, "insert_nodes", paths=Bytes.of(paths), blobs=Bytes.of(blobs))
        for (path,) in ours:
            blob, node_key, keys = made.pop(path)
            self._open[path] = OpenNode(self.tree_id, path, 1, blob, node_key, keys)
        if made:
            self.load(made)


def create_tree(session: Session) -> UUID:
    """Make the tree of a new database: root 1 at every holder, top node, key books; return the tree id.

    Raises RefusedError when there is a tree already, or when the profile names no holder or no book.
    """
    from uuid_utils.compat import uuid7

    holders, books = open_holders(session.profile.holders), open_books(session.profile.books)
    demand_places(session.profile)
    if queries("key").tree(session.conn):
        raise RefusedError("this database has a key tree already")
    _prepare(holders, books)
    tree_id, root = uuid7(), bytearray(os.urandom(32))
    placed: list[Holder] = []
    try:
        with transaction(session) as conn:
            for number, holder in enumerate(holders, 1):
                place(holder, tree_id, 1, root, placed)
                session.step(f"root placed at holder {number}")
            queries("key").insert_tree(conn, tree_id=tree_id, at=session.clock.now())
            blob = seal_node(tree_id.bytes, TOP, 1, top_key(root, tree_id.bytes, 1), fresh_keys())
            list(queries("key").insert_nodes(conn, paths=[TOP], blobs=[blob]))
            for named in call(session, tree_id).named:
                insert(session, hang(named, tree_id), named.kind, named.place.name)
    except BaseException:
        if _never_came(session):
            _take_back(placed, books)
        raise
    finally:
        wipe(root)
    for number, book in enumerate(books, 1):
        sync(session, book)
        session.step(f"book {number} written")
    return tree_id


def _never_came(session: Session) -> bool:
    """Whether no tree was committed; one that perhaps was keeps its root, or nothing would ever open it."""
    try:
        return not queries("key").tree(session.conn)
    except psycopg.Error:
        return False


def _take_back(placed: Sequence[Holder], books: Sequence[Book]) -> None:
    for holder in placed:
        holder.destroy(1)
    for holder in placed:
        holder.take_plate()
    for book in books:
        book.take_plate()


def _prepare(holders: Sequence[Holder], books: Sequence[Book]) -> None:
    """Create the directories; refuse any that another database may depend on."""
    for holder in holders:
        holder.prepare()
        if holder.epochs():
            raise RefusedError(
                f"key holder {holder.name} holds roots already",
                hint="they may be all that opens another database: name an empty directory",
            )
    for book in books:
        book.prepare()
        if book.state() != EMPTY:
            raise RefusedError(f"key book {book.name} is in use already", hint="name an empty directory")
