"""What is to be said of logins besides their ways: whose they are, how they get in, what they could open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..db import Session, queries
from ..key.classes import KeyClass
from .catalog import Catalog, Key
from .entrance import Entrance, entrances
from .way import Way

KEY_HOST = "only on a key host"


@dataclass(frozen=True)
class Released:
    """Keys of a tenant that a login has for a time."""

    release_id: UUID
    tenant: str
    """Its slug."""
    classes: frozenset[str]
    """Key classes that they open."""
    expires_at: datetime
    """Past it whoever kept the keys has them until the next epoch."""


@dataclass(frozen=True)
class About:
    """What is known of all logins at one moment."""

    entered: Mapping[int, Entrance]
    people: Mapping[str, str]
    """Handles of persons and jobs in force, by login; empty for who may not read the register."""
    sealed: Mapping[Key, Mapping[int, str]]
    """Key classes of sealed columns, by relation and number."""
    released: Mapping[str, tuple[Released, ...]] | None
    """Keys by login; None: whoever asks may not see releases."""
    here: bool
    """Whether this is a key host, so that whoever works here opens all that they read."""

    def opens(self, login: str, ways: Iterable[Way]) -> str:
        """Tell what could be opened of the sealed columns that are read in these ways; empty: none is.

        A function returns what it is written for, and is no way to read columns as they are.
        """
        classes: set[str] = set()
        for way in ways:
            if way.right[1] == "SELECT" and not (way.through and way.through[0] == "function"):
                columns = self.sealed.get(way.key, {})
                number = 0 if way.through else way.right[0]
                classes.update(name for at, name in columns.items() if number in (0, at))
        if not classes:
            return ""
        keys = [one for one in (self.released or {}).get(login, ()) if one.classes & classes]
        ends = [f"release {one.release_id} of {one.tenant} until {_stamp(one.expires_at)}" for one in keys]
        host = f"{KEY_HOST}, as this one" if self.here else KEY_HOST
        ends.append(f"else {host}" if ends else host)
        if self.released is None:
            ends.append("releases unknown: this login may not see them")
        return f"{', '.join(sorted(classes))}: {'; '.join(ends)}"


def about(conn: Any, session: Session, catalog: Catalog) -> About:
    """Read what is to be said of logins within the transaction that read the catalog."""
    noun, now = queries("access"), session.clock.now()
    people, releases = noun.may_read_more(conn)
    sealed: dict[Key, dict[int, str]] = {}
    for oid, number, class_ in noun.sealed(conn):
        sealed.setdefault(("relation", oid), {})[number] = class_
    return About(
        entrances(conn, catalog.graph, now),
        dict(noun.people(conn)) if people else {},
        sealed,
        _released(conn) if releases else None,
        bool(session.profile.holders),
    )


def _released(conn: Any) -> dict[str, tuple[Released, ...]]:
    found: dict[str, tuple[Released, ...]] = {}
    for release_id, tenant, login, parts, expires_at in queries("access").releases(conn):
        classes = frozenset(one.label for one in KeyClass if ("duty" if one.is_duty else "tenant") in parts)
        found[login] = (*found.get(login, ()), Released(release_id, tenant, classes, expires_at))
    return found


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"
