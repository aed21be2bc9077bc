"""What a reviewer is told beside an item: what speaks against keeping it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...shipped import OF_PEOPLE
from ..catalog import ATTRIBUTES
from .given import ADMIN, Given
from .people import People, Somebody

DORMANT = timedelta(days=90)
FEWEST_PEERS = 3
RARE_PERCENT = 25
"""Fewer of the peers than this have it: unlike them."""


@dataclass(frozen=True)
class Suggestion:
    """What is suggested, and why."""

    decision: str
    """keep, revoke or reduce."""
    why: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """What suggestions are made of."""

    people: People
    seen: Mapping[str, datetime | None]
    """When each login was last seen."""
    now: datetime
    roles: Mapping[str, frozenset[str]]
    """Roles that each login was given."""
    holders: Mapping[tuple[str, str], frozenset[str]]
    """Logins by kind and object of what they were given."""


def evidence(
    people: People, seen: Mapping[str, datetime | None], now: datetime, every: Iterable[Given]
) -> Evidence:
    """Put together what suggestions are made of: of all logins, also those outside the scope."""
    roles: dict[str, set[str]] = {}
    holders: dict[tuple[str, str], set[str]] = {}
    for one in every:
        holders.setdefault((one.kind, one.object), set()).add(one.login)
        if one.kind == "membership":
            roles.setdefault(one.login, set()).add(one.object)
    return Evidence(
        people, seen, now, {name: frozenset(found) for name, found in roles.items()},
        {key: frozenset(found) for key, found in holders.items()},
    )  # fmt: skip


def suggest(item: Given, known: Evidence) -> Suggestion:
    """Return what to do with an item, by what speaks against it."""
    against = [*_nobody(item, known), *_dormant(item, known)]
    broad = [*_broad(item, known), *_unlike(item, known)]
    if against:
        return Suggestion("revoke", (*against, *broad))
    reducible = item.kind == "membership" and ADMIN in item.rights
    return Suggestion(("reduce" if reducible else "revoke") if broad else "keep", tuple(broad))


def _nobody(item: Given, known: Evidence) -> list[str]:
    person = known.people.by_login.get(item.login)
    if person is None:
        return ["no person or job in force has this login"]
    return [] if person.is_bound else ["no undertaking of confidentiality is in force"]


def _dormant(item: Given, known: Evidence) -> list[str]:
    seen, since = known.seen.get(item.login), known.people.since.get(item.login)
    newest = max((at for at in (seen, since) if at is not None), default=None)
    if newest is not None and known.now - newest <= DORMANT:  # a new login was not yet used
        return []
    return [f"dormant: last seen {seen:%Y-%m-%d}" if seen else "dormant: never seen by ledger or logs"]


def _broad(item: Given, known: Evidence) -> list[str]:
    found = []
    if item.kind == "attribute" and item.object in ATTRIBUTES:
        found.append(f"over-broad: {item.object}")
    if item.kind == "membership":
        others = sorted(known.roles.get(item.login, frozenset()) & set(OF_PEOPLE) - {"lua_admin"})
        if item.object == "lua_admin" and others:
            found.append(f"over-broad: lua_admin together with {', '.join(others)}")
        if ADMIN in item.rights:
            found.append("over-broad: may give it to others")
        if item.object.startswith("pg_"):
            found.append(f"over-broad: {item.object} passes by the group roles")
    return found


def _unlike(item: Given, known: Evidence) -> list[str]:
    me = known.people.by_login.get(item.login)
    if me is None:
        return []
    team, peers = _peers(me, known.people)
    if len(peers) < FEWEST_PEERS:
        return []
    holders = {known.people.by_login[login].person_id for login in known.holders[item.kind, item.object]
               if login in known.people.by_login}  # fmt: skip
    have = sum(one.person_id in holders for one in peers)
    if have * 100 >= len(peers) * RARE_PERCENT:
        return []
    return [f"unlike peers: {have} of {len(peers)} other {team} have it"]


def _peers(me: Somebody, people: People) -> tuple[str, list[Somebody]]:
    """Return with whom somebody is compared: the largest team of theirs, else those of the same kind."""
    with_login = {one.person_id: one for one in people.by_login.values()}
    others = [one for one in with_login.values() if one.person_id != me.person_id]
    teams = Counter(team for one in others for team in one.teams & me.teams)
    if teams:
        team, _size = min(teams.items(), key=lambda one: (-one[1], one[0]))
        return f"people of team {team}", [one for one in others if team in one.teams]
    return f"{me.kind}s", [one for one in others if one.kind == me.kind]
