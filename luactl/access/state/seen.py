"""What there is: roles, memberships, logins on record, rights past the group roles. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ...db import queries
from ..login.adopting import attributes_of


@dataclass(frozen=True)
class Role:
    """A role of the server."""

    name: str
    logs_in: bool
    attributes: tuple[str, ...]
    connection_limit: int
    valid_until: datetime | None
    connects: bool
    """Whether it gets into this database, as far as rights go."""
    is_kept: bool
    """Whether luactl can change it."""


@dataclass(frozen=True)
class Member:
    """Somebody granted a membership."""

    role: str
    member: str
    grantor: str
    administers: bool


@dataclass(frozen=True)
class Record:
    """A login of somebody, and what luactl made of it."""

    login: str
    handle: str
    person_id: UUID
    kind: str
    teams: tuple[str, ...]
    is_in_force: bool
    bound: bool
    since: datetime
    is_recorded: bool
    connection_limit: int
    valid_until: datetime | None
    attributes: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Stray:
    """A right that is no group role's."""

    object: str
    grantee: str
    privilege: str
    grantor: str
    owner: str
    statement: str


@dataclass(frozen=True)
class Owned:
    """An object that belongs to somebody."""

    object: str
    owner: str
    statement: str


@dataclass(frozen=True)
class Preset:
    """A setting that a role was given for good."""

    login: str
    """PUBLIC: every role."""
    is_here: bool
    """Whether it is for this database alone."""
    name: str
    value: str | None
    """None: what it means is not Postgres' to know, and it could be a secret."""
    statement: str
    can: bool
    """Whether luactl can take it back."""


@dataclass(frozen=True)
class Thing:
    """An object of ours, or one on which a group role has rights."""

    name: str | None
    """As the shipped rights name it; None: they know nothing of its kind."""
    target: str
    """As a GRANT names it."""
    owner: str
    held: tuple[tuple[str, str, str], ...]
    """Group role, privilege, column (empty: all of it)."""

    @property
    def key(self) -> str:
        """What it is called where rights are compared."""
        return self.name or self.target

    @property
    def is_sequence(self) -> bool:
        """Whether its rights are those of a sequence."""
        return self.target.startswith("SEQUENCE ")


@dataclass(frozen=True)
class Policy:
    """A policy of one of our tables, or (without a name) its row security."""

    object: str
    model: str
    """The table whose shipped policies it is held against: its own, or of a partition its parent's."""
    is_month: bool
    """Whether it is a partition that has no policies of its own."""
    policy: str
    definition: str
    permissive: bool | None
    owner: str


@dataclass(frozen=True)
class Seen:
    """All of it, at one moment."""

    is_old: bool
    """Up to 15 a membership is one, whoever granted it, and CREATEROLE changes every role."""
    actor: str
    roles: Mapping[str, Role]
    members: tuple[Member, ...]
    records: Mapping[str, Record]
    tenants: frozenset[str]
    """Logins of dedicated tenants that are here."""
    strays: tuple[Stray, ...]
    owned: tuple[Owned, ...]
    presets: tuple[Preset, ...]
    things: tuple[Thing, ...]
    policies: tuple[Policy, ...]
    """By table, with its row security first."""

    @property
    def own(self) -> frozenset[str]:
        """The logins of whoever asks: their own rights are for others to change."""
        mine = self.records.get(self.actor)
        if mine is None or not mine.is_in_force:
            return frozenset({self.actor})
        whose = {one.login for one in self.records.values() if one.person_id == mine.person_id}
        return frozenset({self.actor, *whose})


def read(conn: Any, actor: str, at: datetime) -> Seen:
    """Read the catalog and the register within a transaction."""
    noun = queries("access_state")
    records = [_record(*row) for row in noun.records(conn, at=at)]
    roles = [Role(name, can, attributes_of(has), *rest) for name, can, has, *rest in noun.roles(conn)]
    return Seen(
        noun.is_old(conn),
        actor,
        {one.name: one for one in roles},
        tuple(Member(*row) for row in noun.memberships(conn)),
        {one.login: one for one in records},
        frozenset(row[0] for row in noun.tenants(conn)),
        tuple(Stray(*row) for row in noun.strays(conn)),
        tuple(Owned(*row) for row in noun.owned(conn)),
        tuple(Preset(*row) for row in noun.settings(conn)),
        tuple(
            Thing(name, target, owner, tuple(map(tuple, held)))
            for name, target, owner, held in noun.things(conn)
        ),
        tuple(Policy(*row) for row in noun.policies(conn)),
    )


def _record(
    login: str, handle: str, person_id: UUID, kind: str, teams: list[str], in_force: bool, bound: bool,
    since: datetime, recorded: bool, limit: int, until: datetime | None, attributes: list[str],
    roles: list[str],
) -> Record:  # fmt: skip
    return Record(
        login, handle, person_id, kind, tuple(teams), in_force, bound, since, recorded, limit, until,
        tuple(attributes), tuple(roles),
    )  # fmt: skip
