"""Closing: decisions become true in the catalog, which is read back; what nobody answered is suspended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier

from ...clock import instant
from ...config import write_private
from ...db import Session, queries, transaction
from ...errors import RefusedError, UsageError
from ..catalog import Catalog, read
from .record import find, snapshot_of
from .scope import Scope, own_role
from .taking import Taken, take

UNDO = "luactl/access-review-undo/1"


@dataclass(frozen=True)
class Step:
    """One item, and what becomes of it."""

    item_no: int
    login: str
    object: str
    wanted: str
    """keep, revoke, reduce, suspend; nothing: it stays as it came out earlier."""
    target: str | None
    outcome: str
    """kept, done, failed, suspended, undone: as the catalog says afterwards."""
    statement: str | None
    """What a superuser must run, where it failed."""
    problem: str | None


@dataclass(frozen=True)
class Since:
    """Something in the scope that was granted after the snapshot."""

    login: str
    object: str
    rights: str
    path: str


@dataclass(frozen=True)
class Still:
    """A role that was taken from a login, and that it reaches in another way."""

    item_no: int
    login: str
    path: str


@dataclass(frozen=True)
class Sessions:
    """The open sessions of a login that is suspended, or lost a role."""

    login: str
    open: int
    """How many there were."""
    left: int
    """How many are there still; in a plan as many as there are."""


@dataclass(frozen=True)
class Closed:
    """What closing did, or would do."""

    review_id: UUID
    closed_at: datetime
    steps: tuple[Step, ...]
    since: tuple[Since, ...]
    still: tuple[Still, ...]
    sessions: tuple[Sessions, ...]
    """They end: NOLOGIN keeps from coming again only, and SET ROLE outlives the membership."""
    undo: str | None
    """The file that lifts the suspensions."""


def close(session: Session, review_id: UUID, undo: Path | None = None, *, dry_run: bool = False) -> Closed:
    """Carry out every decision, suspend what nobody answered for, read it all back, and close the review.

    Of a closed review it carries out what came due since, and tries again what failed: when that changes
    nothing, nothing is recorded. All of it is one transaction; a dry run does the same and takes it back.
    Open sessions end after it, when nobody can come in again; those that an earlier run left end as well.
    Raises RefusedError while reviewers have time, and when no administrator would be left; UsageError when
    somebody is suspended and `undo` names no new file.
    """
    if undo is not None and undo.exists():
        raise RefusedError(f"{undo} is there already", hint="name a file that does not exist yet")
    from ...ledger.entry import new_id

    before = find(session, review_id)
    said, _bytes = snapshot_of(session, review_id)
    late = _taken(session, said)
    now = session.clock.now()
    try:
        with transaction(session) as conn:
            known = dict(queries("access_review").outcomes(conn, review_id=review_id))
            entry_id = new_id(now)
            steps = _carry_out(session, conn, review_id, said, now, entry_id)
            closed = _told(conn, review_id, now, steps, said, late, read(conn), undo)
            _keep(session, conn, closed, entry_id, first=before.closed_at is None)
            if dry_run or known == {one.item_no: one.outcome for one in steps}:
                raise psycopg.Rollback
            _write_undo(closed, undo)
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        _forget_undo(undo)
        raise RefusedError(
            f"the review stays open: {error.diag.message_primary}",
            hint=f"`luactl access review show {review_id} --undecided` shows what waits",
        ) from None
    except psycopg.errors.InsufficientPrivilege:
        _forget_undo(undo)
        if not queries("access_review").is_office(session.conn):
            raise
        raise RefusedError(
            f"the review stays open: it takes from {session.actor} what closing it needs",
            hint="somebody else in lua_admin or lua_dpo closes it",
        ) from None
    except psycopg.Error:
        _forget_undo(undo)
        raise
    return closed if dry_run else _with_sessions_ended(session, closed)


def _with_sessions_ended(session: Session, closed: Closed) -> Closed:
    """End the sessions, and read back which are there still: in a transaction that sees them anew."""
    session.step("review closed")
    noun = queries("access_review")
    with transaction(session) as conn:
        noun.end_sessions(conn, review_id=closed.review_id)
    with transaction(session) as conn:
        left = dict(noun.sessions(conn, review_id=closed.review_id))
    return replace(
        closed, sessions=tuple(replace(one, left=left.get(one.login, 0)) for one in closed.sessions)
    )


def _taken(session: Session, said: dict[str, Any]) -> Taken:
    """Take the same picture again."""
    scope = said["scope"]
    with transaction(session) as conn:
        ids = dict(queries("access_review").tenants(conn))
    return take(
        session,
        Scope(
            tuple(scope["roles"]),
            tuple(own_role(slug, ids) for slug in scope["tenants"] if slug in ids),
            tuple(scope["categories"]),
        ),
    )


def _carry_out(session: Session, conn: Any, review_id: UUID, said: dict[str, Any], now: datetime,
               entry_id: UUID) -> tuple[Step, ...]:  # fmt: skip
    noun, steps = queries("access_review"), []
    frozen = {one["no"]: one for one in said["items"]}
    for number, login, object_, wanted, target in list(noun.wanted(conn, review_id=review_id, at=now)):
        problem = None
        if wanted not in ("keep", "nothing"):
            problem = noun.carry_out(conn, review_id=review_id, item_no=number, at=now, entry_id=entry_id)
            problem = problem or noun.cut(conn, review_id=review_id, item_no=number, at=now)
        text = _statement(frozen[number], login, wanted, target)
        why = problem or "it was granted by somebody whose grants only they or a superuser take back"
        outcome = noun.settle(conn, review_id=review_id, item_no=number, statement=text, problem=why, at=now)
        failed = outcome == "failed"
        steps.append(
            Step(
                number,
                login,
                object_,
                wanted,
                target,
                outcome,
                text if failed else None,
                why if failed else None,
            )
        )
        session.step("item settled")
    return tuple(steps)


def _statement(item: dict[str, Any], login: str, wanted: str, target: str | None) -> str:
    """Return what a superuser would run."""
    who = Identifier(login)
    if wanted == "suspend":
        return SQL("ALTER ROLE {} NOLOGIN").format(who).as_string()
    taken = "; ".join(item["cut"])
    if wanted != "reduce" or target is None:
        return taken
    if item["kind"] == "grant":
        return f"{taken}; then grant {target} again"
    if target == "no-admin":
        return taken.replace("REVOKE ", "REVOKE ADMIN OPTION FOR ")
    return f"{taken}; {SQL('GRANT {} TO {}').format(Identifier(target), who).as_string()}"


def _told(conn: Any, review_id: UUID, now: datetime, steps: Sequence[Step], said: dict[str, Any], late: Taken,
          after: Catalog, undo: Path | None) -> Closed:  # fmt: skip
    suspended = _suspended(steps)
    if suspended and undo is None:
        raise UsageError(
            f"{len(suspended):,} logins would be suspended, since nobody answered: name a file to undo it by",
            hint=f"--undo review-{review_id}.undo.json",
        )
    found = queries("access_review").sessions(conn, review_id=review_id)
    sessions = tuple(Sessions(login, count, count) for login, count in found)
    return Closed(
        review_id, now, tuple(steps), _since(said, late), _still(steps, said, after), sessions,
        str(undo) if suspended else None,
    )  # fmt: skip


def _suspended(steps: Sequence[Step]) -> list[str]:
    """Return the logins that this close keeps out."""
    return sorted({one.login for one in steps if one.wanted == "suspend" and one.outcome == "suspended"})


def _since(said: dict[str, Any], late: Taken) -> tuple[Since, ...]:
    """Compare the two pictures: what is new, or has more rights than it had."""
    old: dict[tuple[Any, ...], set[str]] = {
        (one["login"], one["kind"], one["class"], one["oid"], one["object"]): set(one["rights"])
        for one in said["items"]
    }
    found = []
    for item in late.items:
        more = sorted(set(item.rights) - old.get(item.identity, set()))
        if more:
            found.append(Since(item.login, item.object, ", ".join(more), item.path))
    return tuple(found)


def _still(steps: Sequence[Step], said: dict[str, Any], after: Catalog) -> tuple[Still, ...]:
    names = {role.name: role.oid for role in after.graph.roles.values()}
    kinds = {one["no"]: one["kind"] for one in said["items"]}
    found = []
    for one in steps:
        taken = one.wanted == "revoke" and one.outcome == "done" and kinds[one.item_no] == "membership"
        if not taken or one.login not in names or one.object not in names:
            continue
        path = after.graph.member_of(names[one.login]).get(names[one.object])
        if path is not None:
            text = " > ".join(after.graph.roles[role].name for role in path)
            found.append(Still(one.item_no, one.login, text))
    return tuple(found)


def _keep(session: Session, conn: Any, closed: Closed, entry_id: UUID, *, first: bool) -> None:
    from ...certificate.manifest import canonical
    from ...ledger import Entry, append

    counts: dict[str, int] = {}
    for one in closed.steps:
        if one.wanted != "nothing":
            counts[one.outcome] = counts.get(one.outcome, 0) + 1
    document = canonical(
        {
            "v": 1,
            "review": str(closed.review_id),
            "closed_at": instant(closed.closed_at),
            "steps": [asdict(one) for one in closed.steps],
            "since": [asdict(one) for one in closed.since],
            "still": [asdict(one) for one in closed.still],
        }
    )
    detail = {
        "outcomes": counts,
        "granted_since": len(closed.since),
        "first": first,
        "sessions": {one.login: one.open for one in closed.sessions},
    }
    entry = Entry(
        "access.review.close", object=f"access-review:{closed.review_id}", detail=detail, id=entry_id
    )
    append(session, entry)
    queries("access_review").close(
        conn, review_id=closed.review_id, outcome=document, at=closed.closed_at, entry_id=entry_id
    )


def _write_undo(closed: Closed, undo: Path | None) -> None:
    """Write, before anything is committed, what lifts the suspensions. Raises UsageError."""
    if closed.undo is None or undo is None:
        return
    logins = _suspended(closed.steps)
    text = {
        "format": UNDO,
        "review": str(closed.review_id),
        "closed_at": instant(closed.closed_at),
        "logins": logins,
        "statements": [SQL("ALTER ROLE {} LOGIN").format(Identifier(login)).as_string() for login in logins],
    }
    try:
        write_private(undo, json.dumps(text, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise UsageError(
            f"the undo file cannot be written: {error.strerror}", hint="name another place"
        ) from None


def _forget_undo(undo: Path | None) -> None:
    """Remove the undo file of a change that did not come to be."""
    if undo is not None:
        with suppress(OSError):
            undo.unlink()
