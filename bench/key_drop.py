"""One key of a million dropped, against a bare sequence of the same row writes and fsyncs, by hand.

What the bare sequence has in common with a drop: tables and key book of the same size and the same kind of
keys; as many rows deleted, inserted and updated in each, at places as scattered, of as many bytes; a root
file written, synced with its folder, overwritten, synced, removed, synced; one commit for the change, a book
of its own written in one durable transaction, one commit for what became of the root.

What it leaves out is what a drop costs: it seals and opens nothing (random bytes stand for nodes, marks and
roots), checks nothing, asks for no holds or releases, takes no lock over several transactions, reads nothing
back, and knows beforehand what it writes. Both reuse the connections that they have.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .key_world import drop, world
from .measure import Measure, Size, interleaved

if TYPE_CHECKING:
    from luactl.db import Session

LIMIT = 3.0
MOST_NODES = 8
SUBJECTS = {Size.FULL: 1_000_000, Size.SMALL: 20_000}
TURNS = {Size.FULL: 60, Size.SMALL: 15}

SETUP = """
CREATE TABLE public.bare_tree AS SELECT 1::bigint AS epoch;
CREATE TABLE public.bare_node (path bytea PRIMARY KEY, version integer, change bigint, blob bytea);
ALTER TABLE public.bare_node ALTER blob SET STORAGE PLAIN;
CREATE INDEX ON public.bare_node (change);
INSERT INTO public.bare_node SELECT path, version, change, blob FROM vault.node;
CREATE TABLE public.bare_slot
    (tenant_id bigint, subject_id uuid, slot_no bigint, PRIMARY KEY (tenant_id, subject_id));
CREATE UNIQUE INDEX ON public.bare_slot (tenant_id, slot_no);
INSERT INTO public.bare_slot SELECT tenant_id, subject_id, slot_no FROM vault.slot;
CREATE TABLE public.bare_mark
    (tenant_id bigint, mark bytea, epoch bigint, at timestamptz, PRIMARY KEY (tenant_id, mark));
CREATE TABLE public.bare_fate (epoch bigint PRIMARY KEY, holder text, state text, at timestamptz);
GRANT USAGE ON SCHEMA public TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
ANALYZE public.bare_node, public.bare_slot;
"""
BOOK = """
CREATE TABLE node (path BLOB PRIMARY KEY, version INTEGER, change INTEGER, blob BLOB);
CREATE TABLE counter (tenant_id INTEGER, space INTEGER, next_no INTEGER, PRIMARY KEY (tenant_id, space));
CREATE TABLE mark (tenant_id INTEGER, mark BLOB, epoch INTEGER, at TEXT, PRIMARY KEY (tenant_id, mark));
CREATE TABLE book (one INTEGER PRIMARY KEY, epoch INTEGER);
"""
AT = datetime(2026, 1, 1, tzinfo=UTC)
PUT = "INSERT OR REPLACE INTO node VALUES (?, ?, ?, ?)"


class Bare:
    """The hand-written way: tables, book and holder of its own, so that neither hinders the other."""

    def __init__(self, session: Session, admin: Any, nodes: int) -> None:
        self.session, self.epoch, self.most = session, 1, nodes
        self.folder = session.profile.books[0]
        admin.execute(SETUP)
        rows = admin.execute("SELECT path, version, change, blob FROM public.bare_node").fetchall()
        self.counters = admin.execute("SELECT * FROM vault.counter").fetchall()
        self.paths = sorted((row[0] for row in rows), key=len)
        self.book = self.folder / "bare.sqlite"
        with closing(sqlite3.connect(self.book)) as book:
            book.executescript(BOOK)
            book.executemany(PUT, rows)
            book.commit()

    def run(self, tenant_id: int, ids: Sequence[UUID]) -> None:
        """Write as many rows, and sync as often, as one drop of these subjects does."""
        from luactl.pack import Bytes, Uuids

        paths = sorted(random.sample(self.paths, self.most))
        blobs, marks = [os.urandom(3840) for _ in paths], [os.urandom(32) for _ in ids]
        self._place(os.urandom(256))
        with self.session.conn.transaction():
            run = self.session.conn.execute
            run("SET LOCAL synchronous_commit = on")
            run(
                "DELETE FROM public.bare_slot WHERE tenant_id = %s AND subject_id = ANY (%s)",
                [tenant_id, Uuids.of(ids)],
            )
            run(
                "INSERT INTO public.bare_mark SELECT %s, m, %s, %s FROM unnest(%s::bytea[]) m",
                [tenant_id, self.epoch, AT, Bytes.of(marks)],
            )
            run("UPDATE public.bare_tree SET epoch = epoch + 1")
            run(
                "UPDATE public.bare_node n SET version = n.version + 1, blob = w.blob, change = n.change + 1"
                " FROM unnest(%s::bytea[], %s::bytea[]) AS w(path, blob) WHERE n.path = w.path",
                [Bytes.of(paths), Bytes.of(blobs)],
            )
        self._book(paths, blobs, [(tenant_id, mark, self.epoch, AT.isoformat()) for mark in marks])
        self._destroy()
        fate = "INSERT INTO public.bare_fate VALUES (%s, %s, 'destroyed', %s)"
        self.session.conn.execute(fate, [self.epoch, str(self.folder), AT])
        self.epoch += 1

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

    def _book(self, paths: Sequence[bytes], blobs: Sequence[bytes], marks: Sequence[tuple[Any, ...]]) -> None:
        with closing(sqlite3.connect(self.book, isolation_level=None)) as book:
            book.execute("PRAGMA synchronous = EXTRA")
            book.execute("BEGIN IMMEDIATE")
            rows = [(path, self.epoch, self.epoch, blob) for path, blob in zip(paths, blobs, strict=True)]
            book.executemany(PUT, rows)
            book.executemany("INSERT OR REPLACE INTO counter VALUES (?, ?, ?)", self.counters)
            book.executemany("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)", marks)
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
        left, others = (iter(range(at_once, len(ids), at_once)) for _ in range(2))

        def ours() -> None:
            start = next(left)
            drop(session, tenant_id, ids[start : start + at_once])

        def theirs() -> None:
            start = next(others)
            bare.run(tenant_id, ids[start : start + at_once])

        with closing(psycopg.connect(superuser(session), autocommit=True)) as admin:
            bare = Bare(session, admin, nodes)
        times = interleaved(ours, theirs, turns)
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
