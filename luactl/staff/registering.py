"""Adding people and jobs, and writing anew what is said of them.

The database refuses circles of managers, logins that are somebody else's, and changes of who has left; here
the same is said before it is tried, in words that help.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

import psycopg

from ..db import Session, queries, transaction
from ..errors import LuactlError, NotFoundError, RefusedError, UsageError
from ..line import checked
from .person import KINDS, Person, above, find, list_, logins

LONGEST = 63
_HANDLE = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
_TEAM = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class NewPerson:
    """Somebody who is in no register yet."""

    handle: str
    """The name in commands, for ever."""
    name: str
    """What colleagues call them; of a job, what it does."""
    kind: str
    """employee, contractor or job."""
    manager: str | None = None
    """Handle of whom they report to; a job must have one."""
    teams: tuple[str, ...] = ()
    """Which teams they belong to."""
    started_on: date | None = None
    """The first day; None: today, UTC."""
    logins: tuple[str, ...] = ()
    """Postgres logins that are there already and are theirs."""


@dataclass(frozen=True)
class StaffChange:
    """What a change of the register does, or did."""

    before: Person | None
    """None for somebody new."""
    after: Person
    changed: bool
    """False when it was so already and nothing was written."""


def _checked_handle(handle: str) -> str:
    """Return a handle that somebody may have. Raises UsageError."""
    if len(handle) > LONGEST or not _HANDLE.fullmatch(handle):
        raise UsageError(
            f"nobody can be called {handle[:80]!r} in commands",
            hint=f"lower-case words and numbers joined by . or -, at most {LONGEST} characters: anna.berger",
        )
    return handle


def add(session: Session, new: NewPerson, *, dry_run: bool = False) -> StaffChange:
    """Register a person or a job. Needs lua_admin.

    Raises UsageError for what the register cannot keep, NotFoundError for a manager or login that is none,
    LuactlError when the handle is taken, RefusedError for a login that is somebody else's.
    """
    from uuid_utils.compat import uuid7

    taken = LuactlError(
        f"there is somebody called {new.handle!r} already",
        hint=f"`luactl staff show {new.handle}` shows who; handles are never used again",
    )
    handle = _checked_handle(new.handle)
    if any(one.handle == handle for one in list_(session, every=True)):
        raise taken
    today = session.clock.now().date()
    wanted = Person(
        new.handle, new.name, new.kind, new.manager, new.teams, new.started_on or today, None,
        new.logins, False, uuid7(),
    )  # fmt: skip
    try:
        return _put(session, None, wanted, dry_run)
    except psycopg.errors.UniqueViolation as error:
        raise taken from error


def change(session: Session, before: Person, after: Person, *, dry_run: bool = False) -> StaffChange:
    """Write what is said of a person or a job anew. Needs lua_admin. Raises as `add` does."""
    if before.ended_at is not None:
        raise RefusedError(
            f"{before.handle} left on {before.ended_at:%Y-%m-%d}",
            hint="who comes back is registered anew, under another handle",
        )
    return _put(session, before, after, dry_run)


def _put(session: Session, before: Person | None, after: Person, dry_run: bool) -> StaffChange:
    wanted = _checked(after)
    manager = _manager(session, wanted)
    new_logins = [one for one in wanted.logins if before is None or one not in before.logins]
    _free_logins(session, wanted, new_logins)
    found = StaffChange(before, wanted, before != wanted)
    if dry_run or not found.changed:
        return found
    with transaction(session):
        _write(session, before, wanted, manager, new_logins)
    return replace(found, after=find(session, wanted.handle))


def _checked(one: Person) -> Person:
    """Return a person whom the register can keep. Raises UsageError."""
    if one.kind not in KINDS:
        raise UsageError(f"there is no kind {one.kind[:40]!r} of staff", hint=f"one of {', '.join(KINDS)}")
    if one.kind == "job" and one.manager is None:
        raise UsageError("somebody must answer for a job", hint="--manager names who")
    for team in one.teams:
        if len(team) > LONGEST or not _TEAM.fullmatch(team):
            raise UsageError(f"{team[:80]!r} is no name of a team", hint="lower-case words joined by -")
    return replace(
        one,
        name=checked("name", one.name),
        teams=tuple(sorted(set(one.teams))),
        logins=tuple(sorted(set(one.logins))),
    )


def _manager(session: Session, one: Person) -> Person | None:
    """Return the manager. Raises UsageError for a job, for who has left, and for a circle."""
    if one.manager is None:
        return None
    manager = find(session, one.manager)
    if manager.kind == "job" or manager.ended_at is not None:
        why = "is a job" if manager.kind == "job" else "has left"
        raise UsageError(f"{manager.handle} manages nobody: it {why}", hint="name a person in force")
    if one.handle in (manager.handle, *above(session, manager.handle)):
        raise UsageError(
            f"{one.handle} would be their own manager, over {manager.handle}",
            hint=f"`luactl staff show {manager.handle}` shows who reports to whom",
        )
    return manager


def _free_logins(session: Session, one: Person, wanted: Sequence[str]) -> None:
    """Raise NotFoundError for a login that is none, RefusedError for one that is or was somebody's."""
    whose = {login.login: login.person for login in logins(session)} if wanted else {}
    for login in wanted:
        if login in whose:
            raise RefusedError(
                f"the login {login!r} is or was {whose[login]}'s",
                hint="one login, one person, for ever: else the log could mean either; make another login",
            )
        if not queries("staff").is_login(session.conn, login=login):
            raise NotFoundError(
                f"there is no login {login[:63]!r} that could be {one.handle}'s",
                hint="roles named lua_… are nobody's; `luactl access list` shows the logins that there are",
            )


def _write(
    session: Session, before: Person | None, after: Person, manager: Person | None, new_logins: Sequence[str]
) -> None:
    from ..ledger import Entry, append

    at = session.clock.now()
    lost = [one for one in (before.logins if before else ()) if one not in after.logins]
    detail = _said(after, manager) | {"logins_added": list(new_logins), "logins_ended": lost}
    entry_id = append(
        session, Entry("staff.add" if before is None else "staff.change", object=after.object, detail=detail)
    )
    put(session, after, manager, entry_id)
    said = queries("staff")
    for login in new_logins:
        said.add_login(session.conn, login=login, person_id=after.person_id, at=at, entry_id=entry_id)
    for login in lost:
        said.end_login(session.conn, login=login, at=at, entry_id=entry_id)


def put(session: Session, one: Person, manager: Person | None, entry_id: UUID) -> None:
    """Write what is said of somebody, under that manager, in the open transaction."""
    queries("staff").put_person(
        session.conn,
        id=one.person_id,
        handle=one.handle,
        name=one.name,
        kind=one.kind,
        manager=manager.person_id if manager else None,
        started_on=one.started_on,
        teams=list(one.teams),
        at=session.clock.now(),
        entry_id=entry_id,
    )


def _said(one: Person, manager: Person | None) -> dict[str, Any]:
    """Return what the ledger keeps of it: neither name nor handle."""
    return {
        "kind": one.kind,
        "manager": None if manager is None else str(manager.person_id),
        "teams": list(one.teams),
        "started_on": one.started_on.isoformat(),
    }
