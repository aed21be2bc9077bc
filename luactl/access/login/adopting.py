"""Logins that were there before luactl, or that somebody made by hand: mapped to whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from ...db import Session, queries, transaction
from ...errors import RefusedError, UsageError
from .changing import OTHERS, hand_over
from .register import owner

ATTRIBUTES = ("SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS")
"""In the order in which queries tell whether a role has them."""
METHODS = ("unknown", "password", "certificate")
COLUMNS = ("login", "person", "method", "attributes")


@dataclass(frozen=True)
class Stranger:
    """A role that can log in to this database and is nobody's."""

    login: str
    roles: tuple[str, ...]
    """What it is a member of."""
    attributes: tuple[str, ...]
    """What it may that no login of ours may: SUPERUSER, CREATEROLE …"""


@dataclass(frozen=True)
class Adoption:
    """Whose a login is said to be; and, once it was done, what came of it."""

    login: str
    person: str
    """Handle."""
    method: str = "unknown"
    """How it gets in, if that is known: password or certificate."""
    attributes: tuple[str, ...] = ()
    """Which attributes it may have."""
    roles: tuple[str, ...] = ()
    """The group roles that it has now, and that are on record from here on."""
    changed: bool = True
    """False when it was so already."""
    left: tuple[str, ...] = ()
    """What a superuser runs so that luactl can change and end it."""


def strangers(session: Session) -> list[Stranger]:
    """Return every role that can log in to this database and is nobody's, by name."""
    with transaction(session) as conn:
        rows = queries("access_login").strangers(conn)
        return [Stranger(login, tuple(roles), attributes_of(has)) for login, roles, has in rows]


def attributes_of(has: Sequence[bool]) -> tuple[str, ...]:
    """Return the names of the attributes that a role has."""
    return tuple(name for name, it_has in zip(ATTRIBUTES, has, strict=True) if it_has)


def adopt(session: Session, wanted: Sequence[Adoption], *, dry_run: bool = False) -> list[Adoption]:
    """Write down whose these logins are, all of them or none. Needs lua_admin.

    What they have stays, and is on record. Raises NotFoundError, UsageError, RefusedError for a role that
    cannot log in, that is somebody else's, whose attributes were not named, or that is one's own when
    another administrator could adopt it.
    """
    done = []
    with transaction(session) as conn:
        for one in wanted:
            done.append(_adopt(session, conn, one))
        if dry_run:
            raise psycopg.Rollback
    return done


def _adopt(session: Session, conn: Any, wanted: Adoption) -> Adoption:
    from dataclasses import replace

    from ...ledger import Entry, append
    from .register import found

    checked(wanted)
    whose = owner(session, wanted.person)
    detail = {"login": wanted.login, "attributes": list(wanted.attributes)}
    try:
        with conn.transaction():
            entry_id = append(session, Entry("access.adopt", object=whose.object, detail=detail))
            changed = queries("access_login").adopt_login(
                conn, login=wanted.login, person_id=whose.person_id, method=wanted.method,
                attributes=list(wanted.attributes), at=session.clock.now(), entry_id=entry_id,
            )  # fmt: skip
            if not changed:
                raise psycopg.Rollback
    except psycopg.errors.IntegrityError:
        raise _taken(wanted, whose.ended_at is None) from None
    except psycopg.errors.InvalidRoleSpecification as error:
        raise RefusedError(
            f"{error.diag.message_primary}",
            hint="`luactl access adopt` lists who can log in; --attribute names what it may have",
        ) from None
    except psycopg.errors.InsufficientPrivilege as error:
        if "their own rights" in str(error):
            raise RefusedError("another administrator adopts your login", hint=OTHERS) from None
        raise
    kept = not queries("access_login").hand_over(conn, login=wanted.login)
    left = () if kept else (hand_over(wanted.login),)
    return replace(wanted, roles=found(session, wanted.login).roles, changed=changed, left=left)


def _taken(wanted: Adoption, in_force: bool) -> RefusedError:
    if not in_force:
        return RefusedError(f"{wanted.person} has left", hint="`luactl staff list` shows who is in force")
    return RefusedError(
        f"{wanted.login!r} is or was the login of somebody else",
        hint="one login, one person, for ever: give them a login of their own",
    )


def checked(one: Adoption) -> Adoption:
    """Return what can be adopted. Raises UsageError."""
    if one.method not in METHODS:
        raise UsageError(f"there is no method {one.method[:40]!r}", hint=f"one of {', '.join(METHODS)}")
    for attribute in one.attributes:
        if attribute not in ATTRIBUTES:
            raise UsageError(
                f"there is no attribute {attribute[:40]!r}", hint=f"one of {', '.join(ATTRIBUTES)}"
            )
    return one


def parse_adoptions(file: Path) -> list[Adoption]:
    """Read a table of adoptions: CSV with columns login, person, method, attributes; or TOML, [[login]].

    Attributes are separated by spaces in CSV. Raises UsageError with the row that is wrong.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}", hint="a CSV or TOML file in UTF-8") from error
    rows = _toml(text) if file.suffix == ".toml" else _csv(text)
    found = [_row(number, row) for number, row in enumerate(rows, 1)]
    if not found:
        raise UsageError(f"{file.name} names no login", hint=f"columns: {', '.join(COLUMNS)}")
    if len({one.login for one in found}) < len(found):
        raise UsageError(f"{file.name} names a login twice", hint="one login, one person")
    return found


def _csv(text: str) -> list[dict[str, Any]]:
    import csv

    return list(csv.DictReader(text.splitlines(), restkey="more"))


def _toml(text: str) -> list[dict[str, Any]]:
    import tomllib

    try:
        rows = tomllib.loads(text).get("login", [])
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"that is no TOML: {error}", hint='[[login]] with login = "…" and person = "…"'
        ) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError("login is no list of tables", hint='[[login]] with login = "…" and person = "…"')
    return rows


def _row(number: int, row: dict[str, Any]) -> Adoption:
    attributes = row.get("attributes") or ()
    words = attributes.split() if isinstance(attributes, str) else attributes
    texts = [row.get("login"), row.get("person"), row.get("method") or "unknown"]
    if (
        set(row) - set(COLUMNS)
        or not isinstance(words, (list, tuple))
        or not all(isinstance(one, str) and one.strip() for one in (*texts, *words))
    ):
        raise UsageError(
            f"row {number} does not say whose login it is",
            hint=f"columns: {', '.join(COLUMNS)}; the first two are needed",
        )
    login, person, method = (str(one).strip() for one in texts)
    return checked(Adoption(login, person, method, tuple(words)))
