"""Undoing drift: what functions of the database may undo, each with its entry; the rest is told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg

from ...db import Session, queries, transaction
from ...errors import NotFoundError, RefusedError
from .finding import Finding
from .looking import drift, within
from .wanted import State

REFUSALS = (psycopg.errors.InsufficientPrivilege, psycopg.errors.IntegrityError, NotFoundError, RefusedError)
"""What keeps one finding from being undone, and no other: a lost connection is none of these."""
MOST_ROUNDS = 20
"""What is undone can bring something else to light; the catalog is read until nothing is left to do."""


@dataclass(frozen=True)
class Step:
    """One finding, and what became of it."""

    finding: Finding
    outcome: str
    """done, or in a plan planned; refused: why; left to: who undoes it."""


@dataclass(frozen=True)
class Reconciled:
    """What was undone, and what the catalog still shows afterwards."""

    done: tuple[Step, ...]
    left: tuple[Step, ...]
    """With the statements for a superuser, in the order in which they are run."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Both, one after the other."""
        return (*self.done, *self.left)


def reconcile(
    session: Session, state: State, logins: Collection[str] = (), *, dry_run: bool = False,
    progress: Callable[[int], None] = lambda n: None,
) -> Reconciled:  # fmt: skip
    """Undo what luactl may, each thing in a transaction with its ledger entry, then read the catalog again.

    Needs lua_admin. Cut short, it goes on where it stopped when it is run again. With `dry_run` the same is
    done in one transaction that is rolled back.
    """
    if not dry_run:
        return _rounds(
            lambda: drift(session, state, logins), lambda one: _own_transaction(session, one), progress
        )
    with transaction(session) as conn:
        planned = _rounds(
            lambda: within(session, conn, state, logins), lambda one: _savepoint(session, conn, one), progress
        )
        raise psycopg.Rollback
    return Reconciled(tuple(replace(one, outcome="planned") for one in planned.done), planned.left)


def _rounds(
    look: Callable[[], list[Finding]], undo: Callable[[Finding], None], progress: Callable[[int], None]
) -> Reconciled:
    done: list[Step] = []
    refused: dict[Finding, str] = {}
    found = look()
    for _round in range(MOST_ROUNDS):
        todo = [one for one in found if one.by == "luactl" and one.act and one not in refused]
        if not todo:
            break
        for one in todo:
            try:
                undo(one)
                done.append(Step(one, "done"))
            except REFUSALS as error:
                refused[one] = f"refused: {_reason(error)}"
            progress(1)
        found = look()
        # What is said to be undone and shows again would be undone for ever.
        refused |= {one.finding: "refused: it came back" for one in done if one.finding in found}
    left = tuple(Step(one, refused.get(one, f"left to {_whom(one)}")) for one in found)
    return Reconciled(tuple(one for one in done if one.finding not in found), left)


def _whom(one: Finding) -> str:
    return {"superuser": "a superuser", "administrator": "another administrator"}.get(one.by, "you")


def _reason(error: Exception) -> str:
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else str(error)
    return said or "the database refused"


def _own_transaction(session: Session, one: Finding) -> None:
    with transaction(session) as conn:
        _undo(session, conn, one)


def _savepoint(session: Session, conn: psycopg.Connection[Any], one: Finding) -> None:
    with conn.transaction():
        _undo(session, conn, one)


def _undo(session: Session, conn: Any, one: Finding) -> None:
    from ...ledger import Entry, append

    whose = f"role:{one.login}" if one.person_id is None else f"person:{one.person_id}"
    detail = {"login": one.login, "kind": one.kind, "statement": one.undo}
    entry_id = append(session, Entry("access.reconcile", object=whose, detail=detail))
    what, *told = one.act
    at, noun = session.clock.now(), queries("access_state")
    if what == "stray":
        of = told[0].removeprefix("lua_")
        getattr(noun, f"revoke_stray_of_{of}")(conn, statement=told[1])
    elif what == "undo":
        role, login, option = told
        noun.undo_membership(
            conn, role=role, login=login, admin_only=option == "option", at=at, entry_id=entry_id
        )
    elif what == "restore":
        noun.restore_login(conn, login=told[0], at=at)
    elif what == "right":
        owner, name, privilege, role = told
        of = owner.removeprefix("lua_")
        getattr(noun, f"restore_right_of_{of}")(conn, object=name, privilege=privilege, role=role)
    elif what == "policy":
        noun.restore_policy(conn, object=told[0], policy=told[1])
    elif what == "reset":
        noun.reset_setting(conn, role=told[0], here=told[1] == "here", setting=told[2])
    elif what == "end":
        queries("access_login").end_login(conn, login=told[0], at=at, entry_id=entry_id)
    else:
        _change(session, conn, what, told, entry_id)


def _change(session: Session, conn: Any, what: str, told: list[str], entry_id: UUID) -> None:
    """Write on record what the house states: one more group role, or a lower limit."""
    from ..login.register import found

    before = found(session, told[0])
    after = replace(before, connection_limit=int(told[1])) if what == "limit" else before
    roles = {*before.roles, told[1]} if what == "grant" else set(before.roles)
    queries("access_login").change_login(
        conn, login=before.login, roles=sorted(roles), method=after.method, verifier=None,
        limit=after.connection_limit, until=after.valid_until, at=session.clock.now(), entry_id=entry_id,
    )  # fmt: skip
