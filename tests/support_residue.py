"""Plaintext planted in every place that Postgres has for it, and a raw search of our own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import FAST, Connection, binaries
from psycopg import sql

from luactl import embedded, schema
from luactl.clock import SystemClock
from luactl.config import Profile
from luactl.db import Session

ROWS, GONE = 300, 20
CAREFREE = (
    *(pair for pair in FAST if pair[0] not in ("full_page_writes", "max_wal_size")),
    ("full_page_writes", "on"),
    ("max_wal_size", "96MB"),
    ("min_wal_size", "32MB"),
    ("autovacuum", "off"),
    ("shared_preload_libraries", "pg_stat_statements"),
    ("max_prepared_transactions", "5"),
    ("log_error_verbosity", "default"),
    ("log_min_error_statement", "error"),
    ("track_activity_query_size", "4096"),
)
TABLE = """
CREATE TABLE public.person (
    id integer PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, employer text NOT NULL,
    note text,
    inside text COMPRESSION pglz, packed text COMPRESSION pglz, squeezed text COMPRESSION {lz4},
    dense text, facts jsonb);
ALTER TABLE public.person ALTER dense SET STORAGE EXTERNAL, ALTER name SET STATISTICS 1000;
CREATE INDEX person_words ON public.person USING gin (to_tsvector('simple', note));
CREATE INDEX person_facts ON public.person USING gin (facts);
CREATE INDEX person_name ON public.person USING brin (name) WITH (pages_per_range = 1);
"""
PLACES = ("name", "email", "note", "inside", "packed", "squeezed", "dense", "facts")


def marker(place: str, person: int) -> str:
    """Return what stands in one place about one person, and nowhere else."""
    return f"{place}x{hashlib.sha256(f'{place} {person}'.encode()).hexdigest()[:20]}"


def mail(person: int) -> str:
    """Return an address so long that few fit on a page of an index: many of its pages have a high key."""
    return f"{marker('email', person)}{'x' * 300}@post.example"


def noise(person: int, size: int) -> str:
    """Return text that no compression makes shorter than its bits."""
    parts = (hashlib.sha512(f"{person} {n}".encode()).hexdigest() for n in range(size // 128 + 1))
    return "".join(parts)[:size]


def wordy(person: int, place: str, size: int) -> str:
    """Return text that compresses well, with the marker in its middle."""
    words = f"the same words over and over, as people write them {person % 7} "
    half = (words * (size // len(words) + 1))[: size // 2]
    return f"{half}{marker(place, person)} {half}"


def row(person: int) -> tuple[Any, ...]:
    """Return one person."""
    return (
        person,
        marker("name", person),
        mail(person),
        f"employer{person % 3}",
        f"called {marker('note', person)} back",
        wordy(person, "inside", 3000),
        wordy(person, "packed", 3000) + noise(person, 5000),
        wordy(person, "squeezed", 3000) + noise(person, 5000),
        noise(person, 3000) + marker("dense", person) + noise(person + 1, 3000),
        f'{{"nick": "{marker("facts", person)}"}}',
    )


@dataclass(frozen=True)
class Plain:
    """A server on which people's data lie in clear."""

    server: embedded.Server
    port: int
    archive: Path

    def dsn(self, database: str = "luactl") -> str:
        return embedded.superuser_conninfo(self.server, database, self.port)

    @contextmanager
    def connect(self, database: str = "luactl") -> Iterator[Connection]:
        with closing(psycopg.connect(self.dsn(database), autocommit=True)) as conn:
            yield conn

    def session(self, conn: Connection, **more: Any) -> Session:
        """Return a database administrator's session."""
        folder = self.server.base
        profile = Profile("plain", self.dsn(), False, False, True, (), (), (), folder / "signing.key", **more)
        return Session(conn, embedded.SUPERUSER, SystemClock(), profile, "erasure residue")


@contextmanager
def plain_server(folder: Path, version: str) -> Iterator[Plain]:
    """A server of its own, with everything on that remembers."""
    folder.chmod(0o711)
    made = embedded.Server(folder / "server", binaries(version), CAREFREE, tls=version != "18")
    try:
        running = Plain(made, embedded.start(made, may_create=True), folder / "archive")
        with running.connect("postgres") as conn:
            conn.execute("CREATE DATABASE luactl")
        with running.connect() as conn:
            schema.migrate(conn, SystemClock())
            conn.execute("CREATE EXTENSION pg_stat_statements")
        yield running
    finally:
        embedded.stop(made)


def has_lz4(conn: Connection) -> bool:
    """Whether the server was built with LZ4."""
    found = conn.execute(
        "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
    )
    row = found.fetchone()
    return bool(row and row[0])


def plant(conn: Connection) -> None:
    """Write people in clear, in every place: rows, indexes, statistics, statements, the log."""
    conn.execute("DROP TABLE IF EXISTS public.person")
    conn.execute(TABLE.format(lz4="lz4" if has_lz4(conn) else "pglz"))
    with conn.cursor().copy("COPY public.person FROM STDIN") as copy:
        for person in range(ROWS):
            copy.write_row(row(person))
    conn.execute("ANALYZE public.person")
    address = sql.Literal(mail(0))
    # A unique violation writes its key into the log, and the statement with it.
    values = sql.SQL(", ").join(sql.Literal(one) for one in (ROWS, "n", mail(0), "e"))
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute(
            sql.SQL("INSERT INTO public.person (id, name, email, employer) VALUES ({})").format(values)
        )
    # What is no query, pg_stat_statements keeps word for word.
    conn.execute(sql.SQL("DO {}").format(sql.Literal(f"BEGIN PERFORM {address.as_string(None)}; END")))


def delete(conn: Connection) -> None:
    """Delete the first of them, as anybody would."""
    conn.execute(f"DELETE FROM public.person WHERE id < {GONE}")


def gone(*places: str) -> list[str]:
    """Return the markers of those who were deleted."""
    return [marker(place, person) for place in places or PLACES for person in range(GONE)]


def raw(files: list[Path], markers: list[str]) -> int:
    """Count markers in the bytes of files, as `grep -c -o` would."""
    contents = b"\0".join(file.read_bytes() for file in files if file.is_file())
    return sum(contents.count(one.encode()) for one in markers)
