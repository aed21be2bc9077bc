"""What can be asked about: logins, and the objects, roles and attributes that they reach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..db import Session
from .catalog import HARMLESS, PUBLIC
from .effective import asked, state
from .standing import has


@dataclass(frozen=True)
class Entrant:
    """One login."""

    login: str
    person: str
    """The handle of whoever it belongs to; empty: nobody's."""
    attributes: tuple[str, ...]
    """SUPERUSER, BYPASSRLS, CREATEROLE, REPLICATION."""
    enters: str
    """The rules of pg_hba.conf that decide whether and from where it gets in; `no: why`; `unknown: why`."""
    last_seen: datetime | None
    """When the ledger or the logs last saw it; None: unknown."""


@dataclass(frozen=True)
class Object:
    """One thing that can be reached."""

    asked: str
    """How it is asked for: `schema.name`, or `kind:name`."""
    kind: str
    owner: str
    """The role that owns it; empty for roles and attributes."""
    rows_secured: bool
    """Whether row level security is on."""
    sealed: tuple[str, ...]
    """Key classes of its sealed columns."""


def logins(session: Session) -> tuple[Entrant, ...]:
    """Return every login, by name."""
    catalog, known = state(session)
    found = []
    for one in sorted(catalog.graph.roles.values(), key=lambda one: one.name):
        if one.logs_in:
            entered = known.entered[one.oid]
            attributes = tuple(name for name, value in has(one).items() if value)
            person = known.people.get(one.name, "")
            found.append(Entrant(one.name, person, attributes, entered.enters, entered.last_seen))
    return tuple(found)


def objects(session: Session) -> tuple[Object, ...]:
    """Return everything that can be reached, without what reaches no data by itself, by kind and name."""
    catalog, known = state(session)
    roles = catalog.graph.roles
    found = [
        Object(
            asked(one), one.kind, "" if one.owner == PUBLIC else roles[one.owner].name, one.rows_secured,
            tuple(sorted(set(known.sealed.get(one.key, {}).values()))),
        )
        for one in catalog.things.values() if one.kind not in HARMLESS
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.kind, one.asked)))
