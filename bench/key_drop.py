"""One key of a million dropped, against a bare sequence of the same row writes and fsyncs, by hand.

The bare sequence seals nothing and checks nothing: random bytes stand for nodes and roots, and it knows
beforehand what it writes. It takes no lock over several transactions, and reads nothing back.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .key_world import drop, world
from .measure import Measure, Size, interleaved

if TYPE_CHECKING:
    from luactl.db import Session

LIMIT = 3.0
MOST_NODES = 8
SUBJECTS = {Size.FULL: 1_000_000, Size.SMALL: 20_000}
TURNS = {Size.FULL: 60, Size.SMALL: 15}
BLOB = os.urandom(3840)


SETUP = """
CREATE TABLE public.bare_tree AS SELECT 1::bigint AS epoch;
CREATE TABLE public.bare_node (path bytea PRIMARY KEY, version integer, change bigint, blob bytea);
ALTER TABLE public.bare_node ALTER blob SET STORAGE PLAIN;
CREATE INDEX ON public.bare_node (change);
CREATE TABLE public.bare_slot (id bigint PRIMARY KEY, slot_no bigint);
CREATE UNIQUE INDEX ON public.bare_slot (slot_no);
CREATE TABLE public.bare_mark (mark bytea PRIMARY KEY);
CREATE TABLE public.bare_fate (epoch bigint PRIMARY KEY);
GRANT USAGE ON SCHEMA public TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
"""
BOOK = """
CREATE TABLE node (path BLOB PRIMARY KEY, version INTEGER, change INTEGER, blob BLOB);
CREATE TABLE mark (mark BLOB PRIMARY KEY);
CREATE TABLE book (one INTEGER PRIMARY KEY, epoch INTEGER);
"""


class Bare:
    """The hand-written way: tables, book and holder of its own, so that neither hinders the other."""

    def __init__(self, session: Session, admin: Any, nodes: int, slots: int) -> None:
        self.session, self.slots, self.turn, self.epoch = session, slots, 0, 1
        self.folder = session.profile.books[0]
        self.paths = [n.to_bytes(4, "big") for n in range(nodes)]
        admin.execute(SETUP)
        fill = "INSERT INTO public.bare_node SELECT p, 1, 0, %s FROM unnest(%s::bytea[]) p"
        admin.execute(fill, [BLOB, self.paths])
        admin.execute("INSERT INTO public.bare_slot SELECT n, n FROM generate_series(0, %s) n", [slots * 80])
        self.book = self.folder / "bare.sqlite"
        with closing(sqlite3.connect(self.book)) as book:
            book.executescript(BOOK)

    def run(self) -> None:
        """Write as many rows, and sync as often, as one drop does."""
        from luactl.key.pack import pack_blobs

        blobs, marks = [os.urandom(3840) for _ in self.paths], [os.urandom(32) for _ in range(self.slots)]
        self._place(os.urandom(256))
        first = self.turn * self.slots
        with self.session.conn.transaction():
            run = self.session.conn.execute
            run("SET LOCAL synchronous_commit = on")
            run(
                "DELETE FROM public.bare_slot WHERE slot_no = ANY (%s)",
                [list(range(first, first + self.slots))],
            )
            run("INSERT INTO public.bare_mark SELECT unnest(%s::bytea[])", [pack_blobs(marks)])
            run("UPDATE public.bare_tree SET epoch = epoch + 1")
            run(
                "UPDATE public.bare_node n SET version = n.version + 1, blob = w.blob, change = n.change + 1"
                " FROM unnest(%s::bytea[], %s::bytea[]) AS w(path, blob) WHERE n.path = w.path",
                [pack_blobs(self.paths), pack_blobs(blobs)],
            )
        self._book(blobs, marks)
        self._destroy()
        self.session.conn.execute("INSERT INTO public.bare_fate VALUES (%s)", [self.epoch])
        self.epoch, self.turn = self.epoch + 1, self.turn + 1

    def _file(self, epoch: int) -> Path:
        return self.folder / f"bare-{epoch}"

    def _place(self, root: bytes) -> None:
        with self._file(self.epoch + 1).open("xb") as file:
            file.write(root)
            file.flush()
            os.fsync(file.fileno())
        _sync(self.folder)

    def _destroy(self) -> None:
        old = self._file(self.epoch)
        if not old.exists():
            old.write_bytes(bytes(256))
        with old.open("r+b") as file:
            file.write(bytes(256))
            file.flush()
            os.fsync(file.fileno())
        old.unlink()
        _sync(self.folder)

    def _book(self, blobs: Sequence[bytes], marks: Sequence[bytes]) -> None:
        with closing(sqlite3.connect(self.book, isolation_level=None)) as book:
            book.execute("PRAGMA synchronous = EXTRA")
            book.execute("BEGIN IMMEDIATE")
            rows = [
                (path, self.epoch, self.epoch, blob) for path, blob in zip(self.paths, blobs, strict=True)
            ]
            book.executemany("INSERT OR REPLACE INTO node VALUES (?, ?, ?, ?)", rows)
            book.executemany("INSERT OR REPLACE INTO mark VALUES (?)", [(mark,) for mark in marks])
            book.execute("INSERT OR REPLACE INTO book VALUES (1, ?)", (self.epoch,))
            book.execute("COMMIT")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def compare(name: str, size: tuple[int, int, int], limit: float, most_nodes: int | None = None) -> Measure:
    """Drop keys in turns with the bare sequence; `size` is how many there are, go at once, and turns."""
    import psycopg

    subjects, at_once, turns = size
    with world(subjects) as (session, tenant_id, ids):
        random.Random(1).shuffle(ids)
        nodes = drop(session, tenant_id, ids[:at_once])
        if most_nodes is not None and nodes > most_nodes:
            raise ValueError(f"{nodes} node rows were rewritten")
        left = iter(range(at_once, len(ids), at_once))

        def ours() -> None:
            start = next(left)
            drop(session, tenant_id, ids[start : start + at_once])

        with closing(psycopg.connect(superuser(session), autocommit=True)) as admin:
            bare = Bare(session, admin, nodes, at_once)
        times = interleaved(ours, bare.run, turns)
    return Measure(name, *times, limit, turns)


def superuser(session: Session) -> str:
    """Return how the superuser reaches the home's own server."""
    from luactl.config import find_paths
    from luactl.embedded import Server, bundled_binaries, superuser_conninfo

    home = session.profile.books[0].parents[2]
    folder = find_paths({**os.environ, "LUACTL_HOME": str(home)}).server("local")
    return superuser_conninfo(
        Server(folder, bundled_binaries()), session.conn.info.dbname, session.conn.info.port
    )


def measure(size: Size) -> Measure:
    """Drop one key, among a million in the full size."""
    return compare("key_drop", (SUBJECTS[size], 1, TURNS[size]), LIMIT, MOST_NODES)
