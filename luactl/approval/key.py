"""Approvers' keys: the secret half in a file of their own, the public half in the register.

The secret half never comes near the database. Making one needs no database either.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from ..connect import DUTY, explain
from ..db import Session, queries, transaction
from ..errors import LuactlError, NotFoundError, RefusedError, UsageError
from ..line import checked

if TYPE_CHECKING:
    from ..ledger.note import Signer, Verifier

LONGEST_FILE = 4096


@dataclass(frozen=True)
class NewKey:
    """A key that was just made."""

    file: str
    """Where the secret half is: nobody else may read it."""
    vkey: str
    """The public half, to be registered."""


@dataclass(frozen=True)
class ApproverKey:
    """A registered public key."""

    vkey: str
    """name+id+key, as in signed notes."""
    person: str
    """Who holds the secret half."""
    logins: tuple[str, ...]
    """All logins of that person; empty: an outside approver."""
    registered_by: str
    registered_at: datetime
    revoked_by: str | None
    revoked_at: datetime | None
    """None: it is in force."""


def make(file: Path, name: str) -> NewKey:
    """Make an Ed25519 key and write its secret half, mode 0600, to a file that must not exist yet.

    `name` goes into the key and is shown wherever it signed. Raises UsageError for a name with spaces or plus
    signs, RefusedError when the file is there, LuactlError when the disk does not take it.
    """
    from ..ledger.note import NoteError, Signer, check_name
    from ..ledger.origin import write_key

    try:
        signer = Signer(check_name(name), os.urandom(32))
    except NoteError as error:
        raise UsageError(f"{name[:40]!r} is no key name: {error.what}", hint="such as anna.berg") from None
    try:
        write_key(file, signer)
    except FileExistsError:
        raise RefusedError(
            f"{file} is there already", hint="a key is never overwritten; name another file with --file"
        ) from None
    except OSError as error:
        raise LuactlError(f"the key could not be written to {file}: {error.strerror}") from error
    return NewKey(str(file), str(signer.verifier))


def load(file: Path) -> Signer:
    """Read a secret key. Raises RefusedError when others may read the file, LuactlError when it is no key."""
    from ..ledger.note import NoteError, Signer

    hint = "`luactl approval key init` makes one"
    try:
        with file.open(encoding="utf-8") as stream:
            if os.fstat(stream.fileno()).st_mode & 0o077:
                raise RefusedError(f"others may read {file}", hint=f"chmod 600 {file}, or make a new key")
            text = stream.read(LONGEST_FILE).strip()
    except FileNotFoundError:
        raise NotFoundError(f"there is no key {file}", hint=hint) from None
    except (OSError, UnicodeDecodeError):
        raise LuactlError(f"the key {file} cannot be read", hint=hint) from None
    try:
        return Signer.parse(text)
    except NoteError as error:
        raise LuactlError(f"{file} holds no signing key: {error.what}", hint=hint) from None


def verifier(text: str) -> Verifier:
    """Read a public key. Raises UsageError."""
    from ..ledger.note import NoteError, Verifier

    try:
        return Verifier.parse(text.strip())
    except NoteError as error:
        raise UsageError(
            f"that is no public key: {error.what}",
            hint="`luactl approval key init` prints it: name+id+base64",
        ) from None


def register(
    session: Session, vkey: str, person: str, logins: Sequence[str], *, dry_run: bool = False
) -> ApproverKey:
    """Register a public key with its ledger entry. Without logins it is an outside approver's.

    Raises UsageError for what is no key, RefusedError when it is registered already or the login may not.
    """
    from ..ledger import Entry, append

    text, name, now = str(verifier(vkey)), checked("person", person), session.clock.now()
    new = ApproverKey(text, name, tuple(sorted(set(logins))), session.actor, now, None, None)
    try:
        with transaction(session) as conn:
            detail = {"person": name, "logins": list(new.logins)}
            entry_id = append(session, Entry("approval.key-add", object=f"key:{text}", detail=detail))
            queries("approval").add_key(
                conn, vkey=text, person=name, logins=list(new.logins), at=now, entry_id=entry_id
            )
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.UniqueViolation as error:
        raise RefusedError("this key is registered already", hint="`luactl approval key list`") from error
    except psycopg.errors.InsufficientPrivilege as error:
        if (error.diag.message_primary or "").startswith(DUTY):
            raise explain(error) from error
        raise _not_yours(session) from error
    return new


def revoke(session: Session, vkey: str, *, dry_run: bool = False) -> ApproverKey:
    """Revoke a key for answers to come, with its ledger entry; what it signed before stays what it was.

    Raises NotFoundError for an unknown key, RefusedError for one that was revoked before.
    """
    from ..ledger import Entry, append

    found = {one.vkey: one for one in keys(session)}.get(vkey.strip())
    if found is None:
        raise NotFoundError("that key is not registered", hint="`luactl approval key list`")
    now = session.clock.now()
    try:
        with transaction(session) as conn:
            entry_id = append(session, Entry("approval.key-revoke", object=f"key:{found.vkey}"))
            if not queries("approval").revoke_key(conn, vkey=found.vkey, at=now, entry_id=entry_id):
                raise RefusedError("this key was revoked before", hint="`luactl approval key list` says when")
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.InsufficientPrivilege as error:
        raise _not_yours(session) from error
    return ApproverKey(
        found.vkey, found.person, found.logins, found.registered_by, found.registered_at, session.actor, now
    )


def _not_yours(session: Session) -> RefusedError:
    return RefusedError(
        f"{session.actor!r} may not change the register of approvers' keys",
        hint="lua_admin or lua_dpo does",
    )


def keys(session: Session) -> tuple[ApproverKey, ...]:
    """Return every registered key, oldest first, revoked ones included."""
    with transaction(session) as conn:
        rows = list(queries("approval").keys(conn))
    return tuple(ApproverKey(row[0], row[1], tuple(row[2]), *row[3:]) for row in rows)
