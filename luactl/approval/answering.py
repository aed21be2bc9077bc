"""Granting and denying: an answer is a signed note, whoever brings it in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from ..db import Session, queries, transaction
from ..disk import create
from ..errors import LuactlError, RefusedError, UsageError
from . import key as register
from .document import LARGEST, Request, is_good, parse, sign, split
from .record import Approval, find

if TYPE_CHECKING:
    from ..ledger.note import Signer

LONGEST_NOTE = 2 * LARGEST


def answer(
    session: Session, approval_id: UUID, signer: Signer, *, granted: bool, dry_run: bool = False
) -> Approval:
    """Sign an answer with one's own key and record it, with its ledger entry; returns the request after it.

    Raises RefusedError for one's own request, a key that is not registered for this login, the wrong role, a
    second answer, and a request that is not waiting. A dry run asks the database the same and takes it back.
    """
    asked = find(session, approval_id)
    note = sign(signer, asked.document.encode(), granted=granted)
    _record(session, asked, str(signer.verifier), note, granted, dry_run)
    return find(session, approval_id)


def import_(session: Session, file: Path, *, dry_run: bool = False) -> Approval:
    """Record an answer that was signed elsewhere, with its ledger entry; returns the request after it.

    Raises UsageError for a file that holds none, RefusedError when its signature is of no registered key,
    when it answers another request than the one on record, and for all that `answer` refuses.
    """
    note = _text(file)
    granted, body = split(note.rpartition("\n\n")[0] + "\n")
    asked = find(session, parse(body).id)
    if asked.document.encode() != body:
        raise RefusedError(
            f"the file answers another request than the one on record as {asked.approval_id}",
            hint="export it again: `luactl approval export`",
        )
    good = [one.vkey for one in register.keys(session) if is_good(note, one.vkey, body, granted)]
    if not good:
        raise RefusedError(
            "the signature is of no registered key, or does not verify",
            hint="`luactl approval key list` shows the keys; `approval key add` registers one",
        )
    _record(session, asked, good[0], note, granted, dry_run)
    return find(session, asked.approval_id)


def _record(session: Session, asked: Approval, vkey: str, note: str, granted: bool, dry_run: bool) -> None:
    from ..ledger import Entry, append

    detail = {"request": asked.action, "key": vkey, "requested_by": asked.requested_by}
    action = "approval.grant" if granted else "approval.deny"
    try:
        with transaction(session) as conn:
            entry_id = append(session, Entry(action, object=f"approval:{asked.approval_id}", detail=detail))
            queries("approval").answer(
                conn,
                approval_id=asked.approval_id,
                vkey=vkey,
                granted=granted,
                note=note,
                at=session.clock.now(),
                entry_id=entry_id,
            )
            if dry_run:
                raise psycopg.Rollback
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.ObjectNotInPrerequisiteState,
        psycopg.errors.UniqueViolation,
    ) as error:
        raise RefusedError(
            f"{asked.approval_id}: {error.diag.message_primary}",
            hint=f"`luactl approval show {asked.approval_id}` tells its state and who may answer",
        ) from error


def export(session: Session, approval_id: UUID, file: Path) -> Approval:
    """Write the request, as it is signed, to a new file. Raises RefusedError when the file is there."""
    found = find(session, approval_id)
    write(file, found.document + "\n")
    return found


def read_request(file: Path) -> Request:
    """Read an exported request, without a database. Raises UsageError, DocumentError."""
    return parse(_text(file).strip().encode())


def sign_file(file: Path, signer: Signer, out: Path, *, granted: bool) -> Request:
    """Sign an exported request without a database, into a new file that `import_` takes.

    Raises UsageError or DocumentError for a file that holds none, RefusedError when `out` is there.
    """
    request = read_request(file)
    write(out, sign(signer, request.to_bytes(), granted=granted))
    return request


def write(file: Path, text: str) -> None:
    """Write a text to a new file. Raises RefusedError when it is there, LuactlError when the disk refuses."""
    try:
        create(file, text.encode())
    except FileExistsError:
        raise RefusedError(f"{file} is there already", hint="name a file that does not exist yet") from None
    except OSError as error:
        raise LuactlError(f"{file} could not be written: {error.strerror}") from error


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as stream:
            text = stream.read(LONGEST_NOTE + 1)
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{str(file)!r} is no readable text file", hint="name the exported file") from None
    if len(text) > LONGEST_NOTE:
        raise UsageError(f"{str(file)!r} is too long for a request", hint="name the exported file")
    return text
