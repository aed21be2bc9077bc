"""The name and the key under which this database signs its checkpoints.

The signing key is one file (mode 0600) on the ledger host; the verifier key stands in ledger.origin for
everybody.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from ..db import Session, queries, transaction
from ..disk import create
from ..errors import LuactlError, RefusedError
from .anchor import reached
from .entry import Entry, append
from .note import Signer, Verifier

PREFIX = "lua-crm.ledger/"


@dataclass(frozen=True)
class Origin:
    """Who signs: the log's name and its verifier key, to be kept wherever checkpoints are checked."""

    origin: str
    vkey: str


def current(session: Session) -> Origin | None:
    """Return the origin that signs now; None before `create_origin`."""
    row = queries("ledger").current_origin(session.conn)
    return None if row is None else Origin(*row)


def require(session: Session) -> Origin:
    """Return the origin that signs now. Raises RefusedError before `create_origin`."""
    origin = current(session)
    if origin is None:
        raise RefusedError("this database has no ledger origin", hint="`luactl init` makes one")
    return origin


def verifiers(session: Session) -> list[Verifier]:
    """Return the verifier keys of all origins, the current one first. Raises NoteError."""
    return [Verifier.parse(vkey) for _origin, vkey in queries("ledger").origins(session.conn)]


def read_key(path: Path) -> Signer:
    """Read a signing key. Raises RefusedError when there is none or others may read it, NoteError."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(4096)
    except FileNotFoundError:
        raise RefusedError(
            f"this is not the ledger host: there is no signing key at {path}",
            hint="integrate where the ledger job runs; `luactl ledger status` shows how far it is",
        ) from None
    except OSError as error:
        raise RefusedError(f"the signing key {path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise RefusedError(f"the signing key {path} can be read by others", hint=f"chmod 600 {path}")
    return Signer.parse(text.strip())


def write_key(path: Path, signer: Signer) -> None:
    """Write a signing key durably into a new file of mode 0600. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    create(path, f"{signer.secret()}\n".encode("ascii"))


def own_signer(session: Session) -> Signer:
    """Return the signing key of the current origin.

    Raises RefusedError off the ledger host, before `create_origin`, and with the key of another database.
    """
    signer = read_key(session.profile.signing_key)
    origin = require(session)
    if origin.vkey != str(signer.verifier):
        raise RefusedError(
            f"the signing key {session.profile.signing_key} belongs to {signer.name}, not to {origin.origin}",
            hint="point the profile's signing_key to the key of this database",
        )
    return signer


def create_origin(session: Session) -> Origin:
    """Make signing key, anchor files and the origin row where they are missing; returns the origin.

    Idempotent: after an interruption a second call finishes the first. Needs the right to write
    ledger.origin. Raises RefusedError when the key or an anchor belongs to another log.
    """
    path = session.profile.signing_key
    origin = current(session)
    if path.exists():
        signer = read_key(path)
    elif origin is None:
        signer = Signer(PREFIX + secrets.token_hex(4), secrets.token_bytes(32))
        write_key(path, signer)
        session.step("signing key written")
    else:
        return origin
    if origin is not None:
        own_signer(session)
    elif any(anchor.newest(signer.verifier).checkpoint for anchor in reached(session.profile)):
        raise RefusedError(
            f"{signer.name} has signed checkpoints before, for another database",
            hint=f"move {path} and its anchors away; a new log gets a new name and key",
        )
    for number, anchor in enumerate(reached(session.profile), 1):
        anchor.create()
        session.step(f"anchor {number} made")
    return origin or _insert(session, signer)


def _insert(session: Session, signer: Signer) -> Origin:
    origin = Origin(signer.name, str(signer.verifier))
    with transaction(session) as conn:
        at = session.clock.now()
        changed = queries("ledger").insert_origin(conn, origin=origin.origin, vkey=origin.vkey, at=at)
        if changed != 1:
            raise LuactlError("the ledger's origin could not be written")
        append(session, Entry(action="ledger.origin.create", object=f"origin:{origin.origin}"))
    return origin
