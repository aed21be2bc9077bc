"""The frozen picture: what every login was given, at one moment, in one transaction. It changes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from ...clock import instant
from ...db import Session, queries, transaction
from ...errors import RefusedError
from ..catalog import Catalog, read
from ..entrance import entrances
from ..graph import Role
from .given import Given, Giving
from .people import People, people
from .scope import Scope
from .suggesting import Suggestion, evidence, suggest

VERSION = 1
ASKED = (
    "server", "roles", "memberships", "objects", "grants", "columns", "policies", "views", "definers",
    "owned", "mappings",
)  # fmt: skip
"""Queries of sql/queries/access.sql that make the picture."""


@dataclass(frozen=True)
class Taken:
    """What one transaction saw."""

    server: str
    """The server's system identifier."""
    database: str
    server_version: int
    lsn: str
    """Where the server's log stood."""
    at: datetime
    """By the server's clock."""
    catalog: Catalog
    people: People
    seen: Mapping[str, datetime | None]
    population: tuple[tuple[str, str], ...]
    """Every login that can log in, and why none of its access is looked at; empty: it is."""
    every: tuple[Given, ...]
    """What all logins were given, those outside the scope too."""
    items: tuple[Given, ...]
    """What is in the scope."""

    def suggestions(self, now: datetime) -> tuple[Suggestion, ...]:
        """Return a suggestion for each item."""
        known = evidence(self.people, self.seen, now, self.every)
        return tuple(suggest(item, known) for item in self.items)


@dataclass(frozen=True)
class Assigned:
    """Who reviews an item."""

    reviewer: UUID
    assigned_as: str
    """owner, manager, above or dpo."""


def take(session: Session, scope: Scope) -> Taken:
    """Read the catalog, people and who was seen, all of it as of one moment."""
    now = session.clock.now()
    with transaction(session, snapshot=True) as conn:
        server, database, lsn, at = queries("access_review").source(conn)
        catalog = read(conn)
        entered = entrances(conn, catalog.graph, now)
        who = people(conn, now)
        attributes = {login: tuple(names) for login, names in queries("access_review").attributes(conn)}
    roles = catalog.graph.roles
    seen = {roles[oid].name: one.last_seen for oid, one in entered.items()}
    giving = Giving(catalog, attributes)
    logins = sorted((one for one in roles.values() if one.logs_in), key=lambda one: one.name)
    every = tuple(item for login in logins for item in giving.of(login))
    items = tuple(item for item in every if not _by_itself(item.login) and scope.fits(item))
    looked_at = {item.login for item in items}
    population = tuple((one.name, _left_out(one, looked_at)) for one in logins)
    return Taken(
        server, database, catalog.graph.version, lsn, at, catalog, who, seen, population, every, items
    )  # fmt: skip


def _by_itself(login: str) -> str:
    """Return why a login is none of a person's and not looked at; empty for any other."""
    if re.fullmatch("lua_t[0-9]+", login):
        return "the CRM's own login for one tenant, which ends with it"
    if re.match("lua_e[0-9]+_", login):
        return "an elevation, which ends by itself and is reviewed by itself"
    return ""


def _left_out(login: Role, looked_at: set[str]) -> str:
    if login.name in looked_at:
        return ""
    if login.is_superuser:
        return "a superuser, who needs no grant: an item of a review without a scope"
    return _by_itself(login.name) or "outside the scope, or without any grant"


def assign(session: Session, taken: Taken, scope: Scope) -> tuple[Assigned, ...]:
    """Choose who reviews each item. Raises RefusedError when somebody independent is missing."""
    meant = [scope.meant(item, taken.people.by_login.get(item.login)) for item in taken.items]
    whose = [taken.people.by_login.get(item.login) for item in taken.items]
    rows = queries("access_review").reviewers(
        session.conn,
        first=[one for one, _as in meant],
        persons=[one and one.person_id for one in whose],
        logins=[item.login for item in taken.items],
        kinds=[item.kind for item in taken.items],
        classes=[item.class_ for item in taken.items],
        ids=[item.object_id for item in taken.items],
        objects=[item.object for item in taken.items],
    )
    found = [
        (reviewer, meant_as if chosen == "first" else chosen)
        for (reviewer, chosen), (_meant, meant_as) in zip(rows, meant, strict=True)
    ]
    alone = [item for item, (reviewer, _as) in zip(taken.items, found, strict=True) if reviewer is None]
    if alone:
        some = "; ".join(f"{item.login}: {item.object}" for item in alone[:5])
        more = f" and {len(alone) - 5:,} more" if len(alone) > 5 else ""
        raise RefusedError(
            f"nobody independent could review {len(alone):,} items: {some}{more}",
            hint="give these people a manager, name an owner with --owner, or register a data protection "
            "officer with a login in lua_dpo, none of whom gives these rights themselves",
        )
    return tuple(Assigned(*one) for one in found)


def document(
    review_id: UUID, title: str, taken: Taken, scope: Scope, assigned: Sequence[Assigned], now: datetime
) -> bytes:
    """Return the canonical bytes (RFC 8785) that are stored, hashed, and never changed."""
    from ...certificate.manifest import canonical

    return canonical(
        {
            "v": VERSION,
            "review": str(review_id),
            "title": title,
            "server": taken.server,
            "server_version": taken.server_version,
            "database": taken.database,
            "lsn": taken.lsn,
            "at": instant(taken.at),
            "queries": _queries(),
            "scope": scope.document(),
            "population": [
                {"login": login, "person": _person(taken, login), "left_out": why or None}
                for login, why in taken.population
            ],
            "items": [
                _item(number, item, suggestion, who, taken)
                for number, (item, suggestion, who) in enumerate(
                    zip(taken.items, taken.suggestions(now), assigned, strict=True), 1
                )
            ],
        }
    )


def _person(taken: Taken, login: str) -> str | None:
    person = taken.people.by_login.get(login)
    return str(person.person_id) if person else None


def _item(number: int, item: Given, suggestion: Suggestion, who: Assigned, taken: Taken) -> dict[str, Any]:
    seen = taken.seen.get(item.login)
    return {
        "no": number,
        "login": item.login,
        "person": _person(taken, item.login),
        "kind": item.kind,
        "class": item.class_,
        "oid": item.object_id,
        "object": item.object,
        "rights": list(item.rights),
        "how": item.how,
        "path": item.path,
        "leads_to": list(item.leads_to),
        "objects": item.objects,
        "categories": list(item.categories),
        "cut": list(item.cut),
        "last_seen": seen and instant(seen),
        "suggestion": suggestion.decision,
        "why": list(suggestion.why),
        "reviewer": str(who.reviewer),
        "assigned_as": who.assigned_as,
    }


def _queries() -> dict[str, Any]:
    """Return the text of what was asked, and its digest."""
    noun = queries("access")
    text = {name: getattr(noun, name).sql for name in ASKED}
    digest = sha256("\n".join(f"{name}\n{text[name]}" for name in ASKED).encode()).hexdigest()
    return {"sha256": digest, "text": text}
