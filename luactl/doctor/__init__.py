"""What is wrong with this installation, and how to mend it: every check is run, none changes anything.

A check yields findings; what cannot be looked at (no connection, no right) is skipped and says why. The one
thing that this may set going is an embedded server that does not run, as any command does.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from ..clock import Clock, SystemClock
from ..config import Paths, Profile, find_paths, load_profile
from ..connect import Connection, admit, clock_of, connect, explain
from ..db import Session
from ..errors import LuactlError
from . import keys, places, record, server
from .finding import Finding, Look

__all__ = ["Check", "Report", "examine"]

Fault = Callable[[Look], Iterator[Finding]]
OFFLINE: tuple[tuple[str, Fault], ...] = (
    ("files", places.files),
    ("disk space", places.disk_space),
    ("production", places.production_places),
    ("interrupted init", places.interrupted_init),
)
ONLINE: tuple[tuple[str, Fault], ...] = (
    ("tls", server.tls),
    ("versions", server.versions),
    ("standby", server.standby),
    ("clock", server.clock),
    ("schema", server.schema_version),
    ("owner and definer", server.members),
    ("row security", server.row_security),
)
INSIDE: tuple[tuple[str, Fault], ...] = (
    ("isolation", server.isolation),
    ("keys", keys.state),
    ("holders", keys.holders),
    ("key books", keys.books),
    ("ledger", record.ledger),
    ("anchors", record.anchors),
    ("unfinished work", record.unfinished),
)


@dataclass(frozen=True)
class Check:
    """One check, or one of the several things that it found."""

    check: str
    state: str
    """ok, finding or skipped."""
    what: str
    """What is wrong, or why it was skipped; empty when all is well."""
    hint: str
    """How to mend it."""


@dataclass(frozen=True)
class Report:
    """The whole page."""

    profile: str | None
    findings: int
    checks: tuple[Check, ...]


def examine(
    name: str | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    clock: Clock | None = None,
    usage: Callable[[Path], Any] = shutil.disk_usage,
    say: Callable[[str], None] = lambda text: None,
) -> Report:
    """Run every check on a profile; `clock` and `usage` (of a disk) stand for the host's own."""
    checks: list[Check] = []
    with ExitStack() as stack:
        look = _begin(checks, name, environ, clock or SystemClock(), usage)
        checks += _run(OFFLINE, look, "there is no profile")
        look = _connected(checks, stack, look, say)
        checks += _run(ONLINE, look, "there is no connection")
        look = _admitted(look)
        checks += _run(INSIDE, look, "the database does not admit this login to its work")
    profile = look.profile.name if look else None
    return Report(profile, sum(one.state == "finding" for one in checks), tuple(checks))


def _begin(
    checks: list[Check],
    name: str | None,
    environ: Mapping[str, str],
    clock: Clock,
    usage: Callable[[Path], Any],
) -> Look | None:
    try:
        paths: Paths = find_paths(environ)
        profile: Profile = load_profile(name, environ)
    except LuactlError as problem:
        checks.append(_finding("config", problem))
        return None
    checks.append(Check("config", "ok", "", ""))
    return Look(paths, profile, environ, clock, usage)


def _finding(check: str, problem: LuactlError) -> Check:
    return Check(check, "finding", problem.what, problem.hint or "")


def _connected(
    checks: list[Check], stack: ExitStack, look: Look | None, say: Callable[[str], None]
) -> Look | None:
    """Return the look with a connection; None, and a finding, when there is none to be had."""
    if look is None:
        checks.append(Check("server", "skipped", "there is no profile", ""))
        return None
    try:
        conn: Connection = stack.enter_context(closing(connect(look.profile, command="doctor", say=say)))
    except LuactlError as problem:
        checks.append(_finding("server", problem))
        return Look(look.paths, look.profile, look.environ, look.clock, look.usage)
    checks.append(Check("server", "ok", "", ""))
    return look.at(conn)


def _admitted(look: Look | None) -> Look | None:
    """Return the look with a session, or without one where `row security` or `schema` found why not."""
    if look is None or look.conn is None:
        return look
    try:
        actor = admit(look.conn)
    except (LuactlError, psycopg.Error):
        return look
    return look.inside(Session(look.conn, actor, clock_of(look.profile), look.profile, "doctor"))


def _run(faults: tuple[tuple[str, Fault], ...], look: Look | None, why: str) -> Iterator[Check]:
    for name, fault in faults:
        blocked = (
            look is None or (faults is ONLINE and not look.conn) or (faults is INSIDE and not look.session)
        )
        if look is None or blocked:
            yield Check(name, "skipped", why, "")
        else:
            yield from _one(name, fault, look)


def _one(name: str, fault: Fault, look: Look) -> list[Check]:
    """Run one check; what stands in its way is a finding too, but for a right that this login lacks."""
    try:
        found = [Check(name, "finding", one.what, one.hint) for one in fault(look)]
    except psycopg.errors.InsufficientPrivilege:
        return [
            Check(name, "skipped", "this login has no right to look", "run it as a lua_admin or lua_auditor")
        ]
    except psycopg.Error as problem:
        return [_finding(name, explain(problem))]
    except LuactlError as problem:
        return [_finding(name, problem)]
    except OSError as problem:
        return [
            Check(name, "finding", f"cannot look at {problem.filename}: {problem.strerror}", "see its owner")
        ]
    return found or [Check(name, "ok", "", "")]
