"""Logins made, changed and ended. The rules are the database's; each change and its ledger entry are one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from ...db import Session, queries, transaction
from ...errors import LuactlError, NoConnectionError, RefusedError, UsageError
from ...passfile import new_password
from ...staff.person import Person
from .password import Password, keep
from .register import Login, found, owner, read

MOST_CONNECTIONS = 10_000
OTHERS = "ask another administrator; one's own password alone may be renewed"


@dataclass(frozen=True)
class Wanted:
    """What a new login is to be."""

    login: str
    person: str
    """The handle of whose it is to be."""
    roles: tuple[str, ...]
    """Group roles, by their full names."""
    connection_limit: int
    valid_until: datetime | None
    password: Password | None
    """None: it has a certificate, or a dry run asks for none."""
    by_certificate: bool = False


@dataclass(frozen=True)
class LoginChange:
    """What a change of a login does, or did."""

    before: Login | None
    """None for a new one."""
    after: Login
    changed: bool
    """False when it was so already and nothing was written."""
    passfile: str | None
    """The password file that got a new password; None: none did."""
    sessions_ended: int
    """How many open sessions went with a login that ended; 0 in a plan."""
    left: tuple[str, ...]
    """What others gave it stays until a superuser runs these statements."""


def add(session: Session, wanted: Wanted, *, dry_run: bool = False) -> LoginChange:
    """Make a login for a person or a job in force. Needs lua_admin.

    Raises NotFoundError, UsageError, LuactlError when there is such a role, RefusedError without an
    undertaking in force and for one's own person.
    """
    password = wanted.password
    if dry_run and password is None and not wanted.by_certificate:
        password = Password(new_password())
    line = None if password is None else password.line(wanted.login)
    with _written(session, wanted.login, line, dry_run) as conn:
        _check_new(session, wanted.login)
        whose = owner(session, wanted.person)
        _check(whose, wanted.roles)
        _check_numbers(session, wanted.connection_limit, wanted.valid_until)
        method = "certificate" if wanted.by_certificate else "password"
        entry_id = _remember(session, "add", whose.object, wanted, method)
        queries("access_login").add_login(
            conn, login=wanted.login, person_id=whose.person_id, roles=list(wanted.roles), method=method,
            verifier=password and password.verifier(session, wanted.login), limit=wanted.connection_limit,
            until=wanted.valid_until, at=session.clock.now(), entry_id=entry_id,
        )  # fmt: skip
        after = found(session, wanted.login)
    return LoginChange(None, after, True, line and str(line[0]), 0, ())


def change(
    session: Session, before: Login, after: Login, password: Password | None, *, dry_run: bool = False
) -> LoginChange:
    """Write anew what a login is: roles, method, limit, validity; and its password, if there is one.

    `before` is what `find` gave. Needs lua_admin. Raises as `add` does, and RefusedError for a role that
    luactl does not keep, BusyError.
    """
    if before.ended_at is not None:
        raise RefusedError(
            f"login {before.login} has ended: it never comes back",
            hint=f"`luactl access login add NAME --person {before.person}` makes another one",
        )
    if password is None and dry_run and (before.method, after.method) == ("unknown", "password"):
        password = Password(new_password())
    if password is not None:
        after = replace(after, method="password")
    line = None if password is None else password.line(before.login)
    with _written(session, before.login, line, dry_run) as conn:
        _check(owner(session, before.person), tuple(set(after.roles) - set(before.roles)))
        if (after.connection_limit, after.valid_until) != (before.connection_limit, before.valid_until):
            _check_numbers(session, after.connection_limit, after.valid_until)
        itself = password is not None or replace(after, roles=before.roles) != before
        if itself and queries("access_login").hand_over(conn, login=before.login):
            raise RefusedError(
                _made_by_others(before.login), hint=f"once, by a superuser: {hand_over(before.login)}"
            )
        entry_id = None
        if itself or after != before:
            entry_id = _remember(session, "change", before.object, after, after.method)
        changed = entry_id is not None and queries("access_login").change_login(
            conn, login=before.login, roles=list(after.roles), method=after.method,
            verifier=password and password.verifier(session, before.login), limit=after.connection_limit,
            until=after.valid_until, at=session.clock.now(), entry_id=entry_id,
        )  # fmt: skip
        taken = sorted(set(before.roles) - set(after.roles))
        left = _left(conn, before.login, taken, ended=False)
        written = found(session, before.login)
    return LoginChange(before, written, bool(changed), line and str(line[0]), 0, left)


def end(session: Session, before: Login, *, dry_run: bool = False) -> LoginChange:
    """End a login: its roles, its password, its right to log in, and its open sessions. Needs lua_admin.

    The role stays, so that its name never becomes somebody else's. What is left of an earlier run is done.
    Raises RefusedError for one's own.
    """
    with _written(session, before.login, None, dry_run) as conn:
        entry_id = _remember(session, "end", before.object, replace(before, roles=()), before.method)
        ended = queries("access_login").end_login(
            conn, login=before.login, at=session.clock.now(), entry_id=entry_id
        )
        after, left = found(session, before.login), _left(conn, before.login, (), ended=True)
        changed = ended or after != before
        if not changed:
            raise psycopg.Rollback
    count = 0
    if not dry_run:
        with transaction(session) as conn:
            count = queries("access_login").end_sessions(conn, login=before.login)
    return LoginChange(before, after, changed, None, count, left)


@contextmanager
def _written(
    session: Session, login: str, line: tuple[Any, str] | None, dry_run: bool
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """One transaction, at whose end the password file is on disk before the change is; undone for a plan."""
    kept = False
    try:
        with transaction(session) as conn:
            yield conn
            if dry_run:
                raise psycopg.Rollback
            keep(line)
            kept = line is not None
            session.step("password file written")
    except psycopg.errors.DuplicateObject:
        raise LuactlError(
            f"there is a role {login!r} on this server already",
            hint=f"choose another name; or it is theirs: `luactl access adopt {login} --person HANDLE`",
        ) from None
    except psycopg.errors.UniqueViolation:
        raise RefusedError(
            f"{login!r} is or was somebody's login, whom the ledger goes on naming by it",
            hint="choose another name",
        ) from None
    except psycopg.errors.InvalidParameterValue as error:
        raise UsageError(f"login {login[:63]!r}: {error.diag.message_primary}", hint=NAMES) from None
    except psycopg.errors.CheckViolation as error:
        raise RefusedError(f"{error.diag.message_primary}", hint=UNDERTAKING) from None
    except psycopg.errors.InsufficientPrivilege as error:
        if "their own rights" in str(error):
            raise RefusedError(str(error.diag.message_primary), hint=OTHERS) from None
        raise
    except psycopg.OperationalError as error:
        if not kept:
            raise
        raise NoConnectionError(
            f"nobody knows whether {login} has its new password: the connection was lost at the end",
            hint="run it again: the file and the database agree then",
        ) from error


NAMES = "lower-case letters, digits, _, - and .; not lua_… or pg_…; at most 63 characters"
UNDERTAKING = "`luactl staff show HANDLE` tells what is missing"


def _check(whose: Person, roles: tuple[str, ...]) -> None:
    """Say beforehand what the database would refuse, with what to do next."""
    if whose.ended_at is not None:
        raise RefusedError(f"{whose.handle} has left", hint="`luactl staff list` shows who is in force")
    if whose.kind != "job" and {"lua_app", "lua_ai"} & set(roles):
        raise RefusedError(
            "lua_app and lua_ai are for jobs", hint="`luactl staff add NAME --kind job` registers one"
        )
    if roles and not whose.bound:
        raise RefusedError(
            f"no undertaking of confidentiality is in force for {whose.handle} (Art. 28(3)(b) GDPR)",
            hint=f"record it, then run this again; `luactl staff show {whose.handle}` tells what is missing",
        )


def _check_new(session: Session, login: str) -> None:
    for one in read(session, every=True, login=login):
        if one.ended_at is None:
            hint = f"`luactl access login change {login}` changes it, and makes a new password"
            raise RefusedError(f"{login} is a login of {one.person} already", hint=hint)
        raise RefusedError(
            f"{login!r} was a login of {one.person}, whom the ledger goes on naming by it",
            hint="choose another name",
        )


def _check_numbers(session: Session, limit: int, until: datetime | None) -> None:
    if not -1 <= limit <= MOST_CONNECTIONS:
        raise UsageError(f"{limit} is no number of connections", hint=f"-1 (no limit) to {MOST_CONNECTIONS}")
    if until is not None and until <= session.clock.now():
        raise UsageError("that validity is over already", hint="`luactl access login end` ends a login")


def _remember(session: Session, verb: str, whose: str, what: Login | Wanted, method: str) -> UUID:
    from ...ledger import Entry, append

    detail = {
        "login": what.login,
        "roles": sorted(what.roles),
        "method": method,
        "connection_limit": what.connection_limit,
        "valid_until": None if what.valid_until is None else what.valid_until.isoformat(),
    }
    return append(session, Entry(f"access.login.{verb}", object=whose, detail=detail))


def _left(conn: Any, login: str, roles: Any, *, ended: bool) -> tuple[str, ...]:
    rows = queries("access_login").left(conn, login=login, roles=list(roles), ended=ended)
    return tuple(row[0] for row in rows)


def _made_by_others(login: str) -> str:
    return f"{login} was not made by luactl: only a superuser can change its password, limit and validity"


def hand_over(login: str) -> str:
    """Return what a superuser runs so that luactl can change and end what others made (16 and newer)."""
    from psycopg import sql

    statement = sql.SQL("GRANT {} TO lua_rolekeeper WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    return statement.format(sql.Identifier(login)).as_string(None)
