"""Undoing: logins that a review suspended get in again, by the file that its close wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from ...db import Session, queries, transaction
from ...errors import UsageError
from ...line import checked
from .closing import UNDO
from .record import find

LARGEST = 1 << 20


@dataclass(frozen=True)
class Lifted:
    """What became of one suspended login."""

    login: str
    outcome: str
    """lifted, or not lifted."""
    items: int
    """Items of the review that it was suspended for; 0: it was lifted before."""
    statement: str | None
    """What a superuser must run, where it was not lifted."""
    problem: str | None


def undo(session: Session, file: Path, reason: str, *, dry_run: bool = False) -> tuple[Lifted, ...]:
    """Let logins in again that a review suspended, with a ledger entry; what the catalog says decides.

    Raises UsageError for what is no undo file, NotFoundError for a review that is not here.
    """
    from ...ledger import Entry, append

    review_id, logins = _read(file)
    text = checked("reason", reason)
    find(session, review_id)
    with transaction(session) as conn:
        done = tuple(_lift(session, conn, review_id, login) for login in logins)
        lifted = [one.login for one in done if one.items]
        if lifted:
            detail = {"logins": lifted, "reason": text}
            append(session, Entry("access.review.undo", object=f"access-review:{review_id}", detail=detail))
        if dry_run:
            raise psycopg.Rollback
    return done


def _lift(session: Session, conn: Any, review_id: UUID, login: str) -> Lifted:
    from psycopg.sql import SQL, Identifier

    noun = queries("access_review")
    problem = noun.lift(conn, review_id=review_id, login=login)
    items = None if problem else noun.undo(conn, review_id=review_id, login=login, at=session.clock.now())
    if items is not None:
        return Lifted(login, "lifted", items, None, None)
    statement = SQL("ALTER ROLE {} LOGIN").format(Identifier(login)).as_string()
    return Lifted(login, "not lifted", 0, statement, problem or "the catalog still keeps it out")


def _read(file: Path) -> tuple[UUID, tuple[str, ...]]:
    hint = "give the file that `luactl access review close --undo FILE` wrote"
    try:
        with file.open("rb") as opened:
            said = json.loads(opened.read(LARGEST))
        logins = tuple(said["logins"])
        if said["format"] != UNDO or not all(isinstance(one, str) for one in logins):
            raise ValueError
        return UUID(said["review"]), logins
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint=hint) from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{file} is no undo file of a review", hint=hint) from None
