"""What the catalog says of access at one moment: objects, grants, row security, views, definer functions."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..db import Session, queries, transaction
from .graph import Graph, Membership, Role

PUBLIC = 0
"""The grantee that everybody is."""
Key = tuple[str, int]
"""The class of an object (relation, function, schema …) and its oid."""
Right = tuple[int, str]
"""A privilege on the whole of an object (0), or on one of its columns (its number)."""
At = tuple[Key, Right]
"""A right on an object."""
HARMLESS = ("function", "type", "language")
"""Kinds of which everybody has plenty, and which reach no data by themselves."""
ATTRIBUTES = ("SUPERUSER", "BYPASSRLS", "CREATEROLE", "REPLICATION")
"""What a role is by itself; nobody inherits it."""
FIRST_MADE = 16384
"""The first oid of what somebody made; roles below come with Postgres."""
RELATIONS = ("table", "view", "materialized view", "foreign table", "sequence")
_WORD = re.compile(r"\w+")
_BARE = re.compile(r"\b(?:from|join|insert\s+into|update|only|table)\s+([^\W\d]\w*)(?![\w.(])")
_LISTED = re.compile(r'"((?:[^"]|"")*)"|([^\s,"]+)')


@dataclass(frozen=True)
class Thing:
    """One object that can be reached."""

    kind: str
    key: Key
    name: str
    """As it stands in a statement."""
    schema: Key | None
    """Without USAGE on it, it cannot be named; of credentials for another server that server."""
    owner: int
    rows_secured: bool
    """Whether row level security is on."""
    owner_bound: bool
    """Whether it binds the owner too."""

    @property
    def sort(self) -> str:
        """What decides which privileges there are."""
        if self.key[0] == "relation":
            return "sequence" if self.kind == "sequence" else "table"
        return self.key[0]


@dataclass(frozen=True, slots=True)
class Grant:
    """Somebody was granted a right."""

    grantee: int
    right: Right
    passes_on: bool
    """Whether it may be passed on."""
    grantor: int


@dataclass(frozen=True)
class Read:
    """One relation that a view reads."""

    relation: Key
    columns: tuple[int, ...]
    """The columns; none: as a whole."""


@dataclass(frozen=True)
class View:
    """A view or materialized view: what it reads, and as whom."""

    reads: tuple[Read, ...]
    as_asker: bool
    writes: frozenset[str]
    """Privileges that go through to the one relation below."""


@dataclass(frozen=True)
class Definer:
    """A function that runs with its owner's rights. What an opaque body does is guessed from its words."""

    words: frozenset[str]
    depends: frozenset[Key]
    """What a body that was parsed when it was made is bound to: it needs no name again."""
    is_opaque: bool
    """Whether names in its body are looked up as it runs,"""
    path: tuple[str, ...] | None
    """and in which schemas; None: in those of whoever calls."""
    bare: frozenset[str]
    """Words of the body that are relations without their schema, if they are relations."""


@dataclass(frozen=True)
class Rewrite:
    """What a rule of a relation does with another one, as the owner of the first."""

    event: str
    """The privilege whose use sets it off."""
    relation: Key
    privileges: frozenset[str]


@dataclass(frozen=True)
class Code:
    """What runs on somebody else's doing."""

    triggers: Mapping[Key, tuple[Key, ...]]
    """By function: the relations whose writing calls it."""
    cascades: Mapping[Key, tuple[tuple[Key, str], ...]]
    """By table: what makes its rows change as its owner does it, another table and a privilege on it."""
    paths: Mapping[int, tuple[str, ...]]
    """Which schemas are searched for names without one, by login; 0: by all others."""

    def searched_by(self, login: Role) -> tuple[str, ...]:
        """Return the schemas, its own among them, that a login searches as it comes in."""
        path = self.paths.get(login.oid, self.paths[0])
        return tuple(login.name if one == "$user" else one for one in path)


@dataclass(frozen=True)
class Catalog:
    """The whole of it."""

    graph: Graph
    memberships: tuple[Membership, ...]
    things: Mapping[Key, Thing]
    grants: Mapping[Key, tuple[Grant, ...]]
    """By object, its columns among them."""
    columns: Mapping[tuple[Key, int], str]
    policies: Mapping[Key, tuple[tuple[str, frozenset[int]], ...]]
    """Permissive policies: the command (r, a, w, d, *), and for whom."""
    views: Mapping[Key, View]
    definers: Mapping[Key, Definer]
    owned: Mapping[str, tuple[str, ...]]
    """What an owner can give to itself, by `Thing.sort`: the right to grant is never taken from it."""
    mapped: Mapping[Key, int]
    """For whom credentials for another server are kept; 0: for whoever has none."""
    decodes: bool
    """Whether the server's WAL can be read as rows."""
    rewrites: Mapping[Key, tuple[Rewrite, ...]]
    """By relation: what its rules do elsewhere."""
    code: Code

    @cached_property
    def granted(self) -> dict[Key, dict[int, tuple[Right, ...]]]:
        """What each grantee was granted on an object."""
        return {
            key: {
                grantee: tuple(dict.fromkeys(one.right for one in some))
                for grantee, some in _by_grantee(grants).items()
            }
            for key, grants in self.grants.items()
        }

    @cached_property
    def for_all(self) -> frozenset[Key]:
        """What PUBLIC has, without what reaches no data by itself."""
        return frozenset(key for key in self.public if self.things[key].kind not in HARMLESS)

    @cached_property
    def harmless(self) -> frozenset[Key]:
        """What PUBLIC has and what reaches no data by itself."""
        return self.public - self.for_all

    @cached_property
    def public(self) -> frozenset[Key]:
        """Of what PUBLIC has something."""
        return frozenset(key for key, granted in self.granted.items() if PUBLIC in granted)

    @cached_property
    def behind_doors(self) -> frozenset[int]:
        """Owners of views and definer functions, as whom these read."""
        return frozenset(self.things[key].owner for key in self.doors)

    @cached_property
    def doors(self) -> frozenset[Key]:
        """Views, copies, definer functions and relations with rules."""
        every = (*self.views, *self.definers, *self.rewrites)
        return frozenset(key for key in every if key in self.things)

    @cached_property
    def kept(self) -> frozenset[Key]:
        """What lies in the server's files and its WAL: tables, copies; and publications of them."""
        kinds = ("table", "materialized view", *(("publication",) if self.decodes else ()))
        return frozenset(key for key, thing in self.things.items() if thing.kind in kinds)

    @cached_property
    def passed_on(self) -> dict[int, set[Key]]:
        """What each role can grant: as owner, or with the option."""
        found: dict[int, set[Key]] = {}
        for thing in self.things.values():
            found.setdefault(thing.owner, set()).add(thing.key)
        for key, grants in self.grants.items():
            for grant in grants:
                if grant.passes_on:
                    found.setdefault(grant.grantee, set()).add(key)
        return found

    @cached_property
    def granted_to(self) -> dict[int, list[tuple[Key, bool, tuple[Right, ...]]]]:
        """What each role was granted: the object, whether it owns it, the rights."""
        found: dict[int, list[tuple[Key, bool, tuple[Right, ...]]]] = {}
        for key, granted in self.granted.items():
            owner = self.things[key].owner
            for grantee, rights in granted.items():
                if grantee != PUBLIC:
                    found.setdefault(grantee, []).append((key, grantee == owner, rights))
        return found

    @cached_property
    def memberships_of(self) -> dict[int, list[Membership]]:
        """What each role was made a member of."""
        found: dict[int, list[Membership]] = {}
        for one in self.memberships:
            found.setdefault(one.member, []).append(one)
        return found

    @cached_property
    def _by_grantor(self) -> dict[tuple[int, int], list[Membership]]:
        found: dict[tuple[int, int], list[Membership]] = {}
        for one in self.memberships:
            found.setdefault((one.role, one.grantor), []).append(one)
        return found

    def made_by(self, membership: Membership) -> Iterable[Membership]:
        """Return memberships in the same role that its member made."""
        return self._by_grantor.get((membership.role, membership.member), ())

    @cached_property
    def of_kind(self) -> dict[str, tuple[Key, ...]]:
        """All objects of each class."""
        found: dict[str, list[Key]] = {}
        for key in self.things:
            found.setdefault(key[0], []).append(key)
        return {name: tuple(keys) for name, keys in found.items()}

    @cached_property
    def by_word(self) -> dict[str, tuple[Key, ...]]:
        """Relations and definer functions by the last word of their names."""
        found: dict[str, list[Key]] = {}
        for thing in self.things.values():
            if thing.key[0] == "relation" or thing.key in self.definers:
                name = thing.name.split("(")[0].rpartition(".")[2].strip('"').lower()
                found.setdefault(name, []).append(thing.key)
        return {name: tuple(keys) for name, keys in found.items()}


def _by_grantee(grants: Iterable[Grant]) -> dict[int, list[Grant]]:
    found: dict[int, list[Grant]] = {}
    for grant in grants:
        found.setdefault(grant.grantee, []).append(grant)
    return found


def key_of(kind: str, oid: int) -> Key:
    """Return the key of an object of a kind."""
    if kind in RELATIONS:
        return "relation", oid
    return kind.removeprefix("definer "), oid


def load(session: Session) -> Catalog:
    """Read the catalog, all of it at one moment."""
    with transaction(session, snapshot=True) as conn:
        return read(conn)


def read(conn: Any) -> Catalog:
    """Read the catalog within a transaction, as that sees it."""
    noun = queries("access")
    version, decodes = noun.server(conn)
    roles = [Role(*row) for row in noun.roles(conn)]
    memberships = tuple(Membership(*row) for row in noun.memberships(conn))
    things = [*(_thing(row) for row in noun.objects(conn)), *_standing(roles)]
    owned: dict[str, tuple[str, ...]] = {}
    for sort, privilege in noun.owned(conn):
        owned[sort] = (*owned.get(sort, ()), privilege)
    return Catalog(
        Graph.of(version, roles, memberships),
        memberships,
        {thing.key: thing for thing in things},
        _grants(noun.grants(conn)),
        {(("relation", oid), number): name for oid, number, name in noun.columns(conn)},
        _policies(noun.policies(conn)),
        _views(noun.views(conn)),
        {("function", oid): _definer(*rest) for oid, *rest in noun.definers(conn)},
        owned,
        {("user mapping", oid): role for oid, role in noun.mappings(conn)},
        decodes,
        _rewrites(noun.rewrites(conn)),
        _code(conn, {thing.key for thing in things}),
    )


def _standing(roles: Iterable[Role]) -> Iterator[Thing]:
    """Yield what is no object: the roles that one can have or be, and what a role is by itself."""
    for role in roles:
        kind = "role" if role.oid >= FIRST_MADE else "predefined role"
        yield Thing(kind, ("role", role.oid), role.name, None, PUBLIC, False, False)
    for number, name in enumerate(ATTRIBUTES):
        yield Thing("attribute", ("attribute", number), name, None, PUBLIC, False, False)


def _thing(row: tuple[Any, ...]) -> Thing:
    kind, oid, name, schema, owner, secured, bound = row
    within = "foreign server" if kind == "user mapping" else "schema"
    return Thing(kind, key_of(kind, oid), name, schema and (within, schema), owner, secured, bound)


def _grants(rows: Any) -> dict[Key, tuple[Grant, ...]]:
    found: dict[Key, list[Grant]] = {}
    for kind, oid, column, grantee, privilege, passes_on, grantor in rows:
        found.setdefault((kind, oid), []).append(Grant(grantee, (column, privilege), passes_on, grantor))
    return {key: tuple(grants) for key, grants in found.items()}


def _policies(rows: Any) -> dict[Key, tuple[tuple[str, frozenset[int]], ...]]:
    found: dict[Key, list[tuple[str, frozenset[int]]]] = {}
    for oid, command, roles in rows:
        found.setdefault(("relation", oid), []).append((command, frozenset(roles)))
    return {key: tuple(policies) for key, policies in found.items()}


_THROUGH = {4: "UPDATE", 8: "INSERT", 16: "DELETE"}


def _views(rows: Any) -> dict[Key, View]:
    reads: dict[int, dict[int, list[int]]] = {}
    how: dict[int, tuple[bool, int]] = {}
    for view, relation, column, as_asker, mask in rows:
        reads.setdefault(view, {}).setdefault(relation, []).append(column)
        how[view] = (as_asker, mask)
    return {
        ("relation", view): View(
            tuple(
                Read(("relation", oid), tuple(sorted(n for n in columns if n)))
                for oid, columns in found.items()
            ),
            how[view][0],
            frozenset(name for bit, name in _THROUGH.items() if how[view][1] & bit),
        )
        for view, found in reads.items()
    }


def _definer(
    source: str, relations: list[int], functions: list[int], is_opaque: bool, path: str | None
) -> Definer:
    bound = [("relation", oid) for oid in relations] + [("function", oid) for oid in functions]
    text = source.lower()
    return Definer(
        frozenset(_WORD.findall(text)), frozenset(bound), is_opaque, None if path is None else _listed(path),
        frozenset(_BARE.findall(text)),
    )  # fmt: skip


_EVENTS = {"2": "UPDATE", "3": "INSERT", "4": "DELETE"}
_DONE = {1: "INSERT", 2: "SELECT", 4: "UPDATE", 8: "DELETE"}


def _rewrites(rows: Any) -> dict[Key, tuple[Rewrite, ...]]:
    found: dict[Key, list[Rewrite]] = {}
    for oid, event, other, mask in rows:
        done = frozenset(name for bit, name in _DONE.items() if mask & bit)
        found.setdefault(("relation", oid), []).append(Rewrite(_EVENTS[event], ("relation", other), done))
    return {key: tuple(some) for key, some in found.items()}


def _code(conn: Any, known: Container[Key]) -> Code:
    noun = queries("access")
    triggers: dict[Key, list[Key]] = {}
    for function, relation in noun.trigger_functions(conn):
        if ("relation", relation) in known:  # not of somebody's temporary table
            triggers.setdefault(("function", function), []).append(("relation", relation))
    cascades: dict[Key, list[tuple[Key, str]]] = {}
    for child, parent, command in noun.cascades(conn):
        verb = "DELETE" if command == "d" else "UPDATE"
        if ("relation", child) in known:
            cascades.setdefault(("relation", child), []).append((("relation", parent), verb))
    return Code(
        {key: tuple(some) for key, some in triggers.items()},
        {key: tuple(some) for key, some in cascades.items()},
        {role: _listed(path) for role, path, _rank in noun.search_paths(conn)},
    )


def _listed(path: str) -> tuple[str, ...]:
    """Return the names of a search_path, as it stands in a setting."""
    found = _LISTED.findall(path)
    return tuple(quoted.replace('""', '"') or plain.lower() for quoted, plain in found if quoted or plain)
