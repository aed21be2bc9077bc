"""What each login was given by itself: memberships, grants, ownership, attributes. Pure, over one catalog.

Everything that a login reaches hangs on one of these, but for what PUBLIC has: so whoever decides about them
has decided about all of it, and each has one statement that takes it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ..catalog import Catalog, Key, Right
from ..cut import attribute, cut, spelt
from ..graph import Graph, Membership, Role
from ..way import HOWS, Way, Ways
from .category import category_of

Kind = Literal["membership", "grant", "owner", "attribute"]
MEMBER, ADMIN = "member", "ADMIN OPTION"
NEVER = "not at all"
"""How a membership is used whose options allow nothing."""


@dataclass(frozen=True)
class Given:
    """One thing that one login was given."""

    login: str
    kind: Kind
    class_: str
    """role, relation, function, schema …; `attribute`."""
    object_id: int
    """Its oid; 0 for an attribute."""
    object: str
    """The role, the object as it stands in a statement, or the attribute."""
    rights: tuple[str, ...]
    """member, ADMIN OPTION; privileges, columns after them; owner; the attribute. In alphabetical order."""
    how: str
    """now, after SET ROLE, after granting it to itself; not at all."""
    path: str
    """The roles on the way to it, from the login on."""
    leads_to: tuple[str, ...]
    """Further roles that are reached over it, each with the shortest path from the login."""
    objects: int
    """How many relations are reached over it."""
    categories: tuple[str, ...]
    """Categories of data that are reached over it."""
    schemas: tuple[str, ...]
    """Schemas in which these relations lie."""
    cut: tuple[str, ...]
    """The statements that take it back."""

    @property
    def identity(self) -> tuple[str, str, str, int, str]:
        """What makes it the same thing in another snapshot."""
        return self.login, self.kind, self.class_, self.object_id, self.object


@dataclass(frozen=True)
class _Reach:
    objects: frozenset[Key]
    categories: frozenset[str]

    def __or__(self, other: _Reach) -> _Reach:
        return _Reach(self.objects | other.objects, self.categories | other.categories)


NOTHING = _Reach(frozenset(), frozenset())


class Giving:
    """What logins were given, over one catalog; what a role reaches is worked out once."""

    def __init__(self, catalog: Catalog, attributes: Mapping[str, tuple[str, ...]]) -> None:
        self.catalog, self.attributes, self.ways = catalog, attributes, Ways(catalog)
        self._reach: dict[int, _Reach] = {}
        self._grants: dict[int, dict[Key, list[Right]]] = {}
        for key, grants in catalog.grants.items():
            for grant in grants:
                if grant.grantee != catalog.things[key].owner:
                    self._grants.setdefault(grant.grantee, {}).setdefault(key, []).append(grant.right)

    @property
    def graph(self) -> Graph:
        """Roles and memberships."""
        return self.catalog.graph

    def of(self, login: Role) -> Iterator[Given]:
        """Yield what a login was given, in a fixed order."""
        for name in sorted(self.attributes.get(login.name, ())):
            yield self._attribute(login, name)
        given: dict[int, list[Membership]] = {}
        for one in self.catalog.memberships:
            if one.member == login.oid:
                given.setdefault(one.role, []).append(one)
        for role in sorted(given, key=lambda oid: self.graph.roles[oid].name):
            yield self._membership(login, role, given[role])
        held = self._grants.get(login.oid, {})
        for key in sorted(held, key=lambda one: (one[0], self.catalog.things[one].name)):
            yield self._grant(login, key, held[key])
        for thing in self.catalog.things.values():
            if thing.owner == login.oid:
                yield self._owner(login, thing.key)

    def reach(self, role: int) -> _Reach:
        """Return which relations somebody reaches who acts as a role, but for what PUBLIC has."""
        if role not in self._reach:
            objects, categories = set(), set()
            for (key, (column, privilege)), held, rows in self.ways.acting(role).direct:
                if key[0] == "relation" and held.via != "PUBLIC" and rows != "none":
                    objects.add(key)
                    name = self.catalog.columns[key, column] if column else None
                    categories.add(category_of(self.catalog.things[key].name, privilege, name))
            self._reach[role] = _Reach(frozenset(objects), frozenset(filter(None, categories)))
        return self._reach[role]

    def _made(
        self, login: Role, kind: Kind, class_: str, object_id: int, object_: str, rights: tuple[str, ...],
        reach: _Reach, cuts: tuple[str, ...], how: str = HOWS[0], path: str = "",
        leads_to: tuple[str, ...] = (),
    ) -> Given:  # fmt: skip
        schemas = {self.catalog.things[key].name.partition(".")[0] for key in reach.objects}
        return Given(
            login.name, kind, class_, object_id, object_, tuple(sorted(rights)), how, path or login.name,
            leads_to, len(reach.objects), tuple(sorted(reach.categories)), tuple(sorted(schemas)), cuts,
        )  # fmt: skip

    def _attribute(self, login: Role, name: str) -> Given:
        everything = self.reach(login.oid) if name == "SUPERUSER" else NOTHING
        cuts = attribute(self.catalog, login.oid, name).statements
        return self._made(login, "attribute", "attribute", 0, name, (name,), everything, cuts)

    def _membership(self, login: Role, role: int, given: list[Membership]) -> Given:
        name = self.graph.roles[role].name
        inherits, sets = any(one.inherits for one in given), any(one.sets for one in given)
        admin = any(one.administers for one in given)
        how = HOWS[0] if inherits else HOWS[1] if sets else HOWS[2] if admin else NEVER
        further = {far: path for far, path in self.graph.member_of(role).items() if far != role}
        reach = self.reach(role)
        for far in further:
            reach |= self.reach(far)
        leads = sorted(
            " > ".join([login.name, *(self.graph.roles[step].name for step in path)])
            for path in further.values()
        )
        way = Way(("role", role), (0, MEMBER), 0, (login.oid, role), "grant", "")
        rights = (MEMBER, ADMIN) if admin else (MEMBER,)
        return self._made(
            login, "membership", "role", role, name, rights, reach, cut(self.catalog, [way]).statements, how,
            f"{login.name} > {name}", tuple(leads),
        )  # fmt: skip

    def _grant(self, login: Role, key: Key, rights: list[Right]) -> Given:
        ways = [Way(key, right, 0, (login.oid,), "grant", "") for right in dict.fromkeys(rights)]
        names = {spelt(self.catalog, key, right) for right in rights}
        reach = self._on(key, rights)
        statements = cut(self.catalog, ways).statements
        return self._made(
            login, "grant", key[0], key[1], self.catalog.things[key].name, tuple(names), reach, statements
        )

    def _owner(self, login: Role, key: Key) -> Given:
        way = Way(key, (0, "owner"), 0, (login.oid,), "owner", "")
        reach = self._on(key, [(0, "SELECT")])
        statements = cut(self.catalog, [way]).statements
        return self._made(
            login, "owner", key[0], key[1], self.catalog.things[key].name, ("owner",), reach, statements
        )

    def _on(self, key: Key, rights: list[Right]) -> _Reach:
        if key[0] != "relation":
            return NOTHING
        thing = self.catalog.things[key]
        categories = {
            category_of(thing.name, privilege, self.catalog.columns[key, column] if column else None)
            for column, privilege in rights
        }
        return _Reach(frozenset({key}), frozenset(filter(None, categories)))
