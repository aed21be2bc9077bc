"""Drift: what is granted behind luactl's back, or no longer right, read at one moment."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...db import Session, transaction
from .finding import Finding
from .rules import findings
from .seen import read
from .wanted import State


def drift(session: Session, state: State, logins: Collection[str] = ()) -> list[Finding]:
    """Return everything that is not as it should be, in the order in which it is undone; or some logins'.

    Needs a right to see the register: lua_admin, lua_auditor, lua_dpo and others. Changes nothing.
    """
    with transaction(session, snapshot=True) as conn:
        return within(session, conn, state, logins)


def within(session: Session, conn: Any, state: State, logins: Collection[str]) -> list[Finding]:
    """Return the same in the caller's transaction, as that sees it."""
    found = findings(state, read(conn, session.actor, session.clock.now()))
    return [one for one in found if not logins or one.login in logins]
