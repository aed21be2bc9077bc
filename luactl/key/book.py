"""Key books: the sealed tree outside the database, one SQLite file a directory (formats.md, 2.5).

Always the newest state and never a root, so a book may be copied freely.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, transaction
from ..disk import sync_directory
from ..errors import LuactlError, RefusedError
from . import plate
from .node import SLOT_SIZE
from .path import FAN_OUT, REGIONS, SPACE_A
from .rows import fetch_each

if TYPE_CHECKING:
    import sqlite3

FILE_NAME = "keybook.sqlite"
FORMAT = 1
TABLES = {
    "book": "only_one INTEGER PRIMARY KEY CHECK (only_one = 1), format INTEGER NOT NULL,"
    " tree_id BLOB NOT NULL, epoch INTEGER NOT NULL, change INTEGER NOT NULL, synced_at TEXT NOT NULL",
    "node": "path BLOB PRIMARY KEY, version INTEGER NOT NULL, change INTEGER NOT NULL, blob BLOB NOT NULL",
    "counter": "tenant_id INTEGER, space INTEGER, next_no INTEGER NOT NULL, PRIMARY KEY (tenant_id, space)",
    "tombstone": "tenant_id INTEGER, mark BLOB, epoch INTEGER NOT NULL, dropped_at TEXT NOT NULL,"
    " PRIMARY KEY (tenant_id, mark)",
}


@dataclass(frozen=True)
class BookState:
    """How far a book has come; `tree_id` is None for one that is still empty."""

    tree_id: UUID | None
    epoch: int
    change: int


EMPTY = BookState(None, 0, 0)


@dataclass(frozen=True)
class Book:
    """One key-book directory; an exported book is a file of any name."""

    directory: Path
    file_name: str = FILE_NAME

    @property
    def name(self) -> str:
        """The book as messages name it."""
        return str(self.directory)

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return self.directory / self.file_name

    def prepare(self) -> None:
        """Create an empty book if there is none. Raises OSError."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.file.exists():
            os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
        with self._open() as book:
            if not book.execute("SELECT 1 FROM sqlite_schema WHERE name = 'book'").fetchone():
                book.execute("BEGIN IMMEDIATE")
                for table, columns in TABLES.items():
                    book.execute(f"CREATE TABLE {table} ({columns})")
                book.execute("COMMIT")
        sync_directory(self.directory)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for durable writing. Raises RefusedError when it is missing or no key book."""
        import sqlite3

        if not self.file.is_file():
            raise RefusedError(
                f"key book {self.name} is not there",
                hint="mount it, or let `luactl key recover` write it anew",
            )
        try:
            with closing(sqlite3.connect(self.file, isolation_level=None, timeout=10)) as book:
                book.execute("PRAGMA synchronous = EXTRA")
                yield book
        except sqlite3.Error as problem:
            raise RefusedError(
                f"key book {self.name} cannot be used: {problem}",
                hint="move the file away and let `luactl key recover` write it anew from the database",
            ) from None

    def state(self) -> BookState:
        """Return how far the book has come. Raises RefusedError."""
        with self._open() as book:
            row = book.execute("SELECT format, tree_id, epoch, change FROM book").fetchone()
        if row is None:
            return EMPTY
        if row[0] != FORMAT:
            raise RefusedError(f"key book {self.name} is of format {row[0]}, which this luactl does not know")
        return BookState(UUID(bytes=row[1]), row[2], row[3])

    def plate(self) -> bytes:
        """Return the name plate; nothing when there is none. Raises OSError."""
        return plate.read(self.directory)

    def lay_plate(self, new: bytes) -> None:
        """Write the name plate durably. Raises OSError."""
        plate.lay(self.directory, new)

    def take_plate(self) -> None:
        """Remove the name plate. Raises OSError."""
        plate.take(self.directory)

    def nodes(self) -> dict[bytes, tuple[int, int, bytes]]:
        """Return version, change and blob of every node by its path. Raises RefusedError."""
        with self._open() as book:
            return {row[0]: row[1:] for row in book.execute("SELECT path, version, change, blob FROM node")}

    def paths(self) -> list[bytes]:
        """Return the path of every node. Raises RefusedError."""
        with self._open() as book:
            return [row[0] for row in book.execute("SELECT path FROM node ORDER BY path")]

    def copy_to(self, other: Book) -> None:
        """Make another book, which is prepared, the same as this one, durably. Raises RefusedError."""
        with self._open() as source, other._open() as target:
            source.backup(target)

    def node(self, path: bytes) -> tuple[int, bytes] | None:
        """Return version and blob of one node, None if the book does not have it. Raises RefusedError."""
        with self._open() as book:
            row = book.execute("SELECT version, blob FROM node WHERE path = ?", (path,)).fetchone()
        return None if row is None else (row[0], row[1])

    def some(self, paths: Iterable[bytes]) -> dict[bytes, tuple[int, bytes]]:
        """Return version and blob of those of these nodes that the book has. Raises RefusedError."""
        ask, found = "SELECT version, blob FROM node WHERE path = ?", {}
        with self._open() as book:
            for path in paths:
                row = book.execute(ask, (path,)).fetchone()
                if row is not None:
                    found[path] = (row[0], row[1])
        return found

    def marks(self) -> set[tuple[int, bytes]]:
        """Return tenant and mark of every tombstone. Raises RefusedError."""
        return set(self.tombstones())

    def counters(self) -> dict[tuple[int, int], int]:
        """Return the next number by tenant and space. Raises RefusedError."""
        with self._open() as book:
            rows = book.execute("SELECT tenant_id, space, next_no FROM counter")
            return {(tenant, space): next_no for tenant, space, next_no in rows}

    def tombstones(self) -> dict[tuple[int, bytes], tuple[int, str]]:
        """Return epoch and instant (RFC 3339) of each drop, by tenant and mark. Raises RefusedError."""
        with self._open() as book:
            rows = book.execute("SELECT tenant_id, mark, epoch, dropped_at FROM tombstone")
            return {(tenant, mark): (epoch, at) for tenant, mark, epoch, at in rows}

    def write(self, state: BookState, at: str, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        """Put nodes, counters and tombstones and the new state into the book, durably, in one transaction."""
        if state.tree_id is None:
            raise ValueError("a book belongs to a tree")
        row = (FORMAT, state.tree_id.bytes, state.epoch, state.change, at)
        with self._open() as book:
            book.execute("BEGIN IMMEDIATE")
            book.executemany("INSERT OR REPLACE INTO node VALUES (?, ?, ?, ?)", rows["node"])
            ended = ended_tenants((row[0], row[3]) for row in rows["node"])
            book.executemany("DELETE FROM node WHERE path >= ? AND path < ?", ended)
            book.executemany("INSERT OR REPLACE INTO counter VALUES (?, ?, ?)", rows["counter"])
            book.executemany("INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?, ?)", rows["tombstone"])
            book.execute("INSERT OR REPLACE INTO book VALUES (1, ?, ?, ?, ?, ?)", row)
            book.execute("COMMIT")


def ended_tenants(nodes: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return, as ranges of paths, what hangs below dropped items of the top node: tenants that have ended.

    `nodes` are paths and blobs; the upper end of a range is not part of it.
    """
    dropped = bytes(SLOT_SIZE)
    return [
        (path + bytes([slot]), path + bytes([slot, 0xFF]))
        for path, blob in nodes
        if path and 0 <= path[0] - SPACE_A < REGIONS and len(path) == path[0] - SPACE_A + 1
        for slot in range(FAN_OUT)
        if blob[slot * SLOT_SIZE : (slot + 1) * SLOT_SIZE] == dropped
    ]


def open_books(directories: Sequence[Path]) -> list[Book]:
    """Return the books of a profile. Raises RefusedError when it names none."""
    if not directories:
        raise RefusedError(
            "the profile names no key book",
            hint="without one, a restored database could never be opened: name two",
        )
    return [Book(directory) for directory in directories]


@dataclass(frozen=True)
class Newer:
    """What the database has that a book does not, and the state of a book that has taken it."""

    before: BookState
    after: BookState
    rows: dict[str, list[tuple[Any, ...]]]
    """By table of the book, as its columns are."""


def read_newer(session: Session, book: Book, before: BookState) -> Newer:
    """Read what is newer than a book, in a transaction of its own; Raises RefusedError for another tree's.

    The caller holds the tree alone, so that nothing unfinished is overtaken.
    """
    asked: list[tuple[str, dict[str, object]]] = [
        ("tree", {}),
        ("newer_nodes", {"change": before.change}),
        ("counters", {}),
        ("tombstones", {"epoch": before.epoch}),
    ]
    with transaction(session):
        (tree,), nodes, counters, tombstones = fetch_each(session, *asked)
    if before.tree_id not in (None, tree[0]):
        raise RefusedError(
            f"key book {book.name} belongs to another database", hint="name the right directory"
        )
    marks = [(tenant, mark, epoch, at.isoformat()) for tenant, mark, epoch, at in tombstones]
    return Newer(before, BookState(*tree), {"node": nodes, "counter": counters, "tombstone": marks})


def sync(session: Session, book: Book, newer: Newer | None = None) -> BookState:
    """Bring a book up to the database; return its new state. `newer` was read for a book of the same state.

    The caller holds the tree alone. Raises RefusedError for the book of another tree.
    """
    newer = newer or read_newer(session, book, book.state())
    book.write(newer.after, session.clock.now().isoformat(), newer.rows)
    written = book.state()
    if written != newer.after:
        raise LuactlError(f"key book {book.name} did not take what was written", hint="check its disk")
    return written
