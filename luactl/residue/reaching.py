"""How far a look reaches: files of the server through the server itself, by a login that may read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from ..db import Session, queries
from ..errors import RefusedError

BLOCK = 8 << 20
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Reach:
    """A database administrator's connection, and what it may see."""

    session: Session
    superuser: bool
    reads_files: bool
    standby: bool
    encoding: str
    """Of the database, by Python's name."""
    version: int
    """As server_version_num."""
    settings: dict[str, str]
    """Where values go besides the tables."""

    @property
    def conn(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The connection, in autocommit mode."""
        return self.session.conn

    @property
    def blind(self) -> str:
        """Say why files are not observable; empty when they are."""
        if self.reads_files:
            return ""
        return "only a superuser, or who was given pg_read_server_files and its functions, reads data files"

    def blocks(self, path: str, overlap: int = 0, size: int = BLOCK) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) of a file, each with the last `overlap` bytes of the one before.

        Nothing for a file that is gone. Other errors of the server are raised.
        """
        at, carry = 0, b""
        while True:
            row = self.piece(path, at, size)
            if not row:
                return
            yield at - len(carry), carry + row
            carry = row[-overlap:] if overlap else b""
            at += len(row)
            if len(row) < size:
                return

    def piece(self, path: str, offset: int, length: int) -> bytes:
        """Return some bytes of a file; fewer at its end, none when it is gone."""
        asked = {"path": path, "offset": offset, "length": length}
        # In binary: as text each byte would travel as two.
        found = self.conn.execute(queries("residue").read_file.sql, asked, binary=True).fetchone()
        return bytes(found[0]) if found and found[0] is not None else b""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder of the server; none where it is missing."""
        return [row[0] for row in queries("residue").list_folder(self.conn, path=folder)]


def reach(session: Session) -> Reach:
    """Ask how far a connection reaches. Raises RefusedError for an encoding that Python does not know."""
    import codecs

    from psycopg._encodings import pg2pyenc

    ask = queries("residue")
    superuser, reads, standby, encoding, version = ask.login(session.conn)
    try:
        python = pg2pyenc(encoding.encode())
        codecs.lookup(python)
    except (psycopg.NotSupportedError, LookupError):
        raise RefusedError(
            f"markers cannot be written in the database's encoding {encoding}",
            hint="this look needs a database in UTF8 or another encoding that Python knows",
        ) from None
    return Reach(session, superuser, reads, standby, python, version, dict(ask.settings(session.conn)))
