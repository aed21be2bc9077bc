"""What somebody who acts as one role may do with an object: by grant, ownership, PUBLIC or a predefined role.

As aclchk.c and acl.c of Postgres decide it. What needs a detour (views, definer functions) is in doors.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from .catalog import PUBLIC, At, Catalog, Key, Read, Right, Thing
from .graph import Graph, Path, Ways

Rows = Literal["all", "policy", "none", ""]
WRITES = frozenset({"INSERT", "UPDATE", "DELETE"})
ALL_DATA = ("pg_read_all_data", "pg_write_all_data")
PREDEFINED = {ALL_DATA[0]: frozenset({"SELECT"}), ALL_DATA[1]: WRITES, "pg_maintain": frozenset({"MAINTAIN"})}
COMMANDS = {"SELECT": "r", "INSERT": "a", "UPDATE": "w", "DELETE": "d"}
PROGRAM = "pg_execute_server_program"
"""Its members run programs as the server's own account, which reads and writes the files of all tables."""
WITH_ROWS = ("table", "foreign table")


@dataclass(frozen=True, slots=True)
class Held:
    """One way in which somebody holds a right."""

    path: Path
    """From the role that acts to the one that owns it or was granted it."""
    via: str
    """grant, PUBLIC, owner, superuser or a predefined role."""
    from_login: bool = False
    """Whether the path begins at the login: somebody it can be grants the right first."""


Given = Mapping[Key, Mapping[Right, Held]]


@dataclass
class Acting:
    """Somebody who acts as one role."""

    catalog: Catalog
    graph: Graph
    role: int
    given: Given = field(default_factory=dict)
    """Rights that were granted on the way,"""
    favoured: frozenset[int] = frozenset()
    """and to whom."""
    uses: Ways = field(init=False)
    _held: dict[Key, Mapping[Right, Held]] = field(init=False, default_factory=dict)
    _named: dict[Key | None, Held | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Find whose rights it has."""
        self.uses = self.graph.used_by(self.role)
        names = {self.graph.roles[role].name: path for role, path in self.uses.items()}
        self.predefined = {name: names[name] for name in PREDEFINED if name in names}
        self.programs = names.get(PROGRAM)

    @property
    def is_superuser(self) -> bool:
        """Whether nothing is checked."""
        return self.graph.roles[self.role].is_superuser

    @cached_property
    def _is_favoured(self) -> bool:
        return bool(self.given) and not self.favoured.isdisjoint(self.uses)

    @property
    def _sees_all(self) -> bool:
        me = self.graph.roles[self.role]
        return me.bypasses_rows or me.is_superuser

    def held(self, key: Key) -> Mapping[Right, Held]:
        """Return the rights on an object and the shortest way to each, whether or not it can be named."""
        if key not in self._held:
            self._held[key] = self._completed(self.catalog.things[key], self._granted(key))
        return self._held[key]

    def _granted(self, key: Key) -> dict[Right, Held]:
        """Return what was granted on one object to those whose rights it has, the nearest first."""
        found: dict[Right, Held] = {}
        granted, owner = self.catalog.granted.get(key, {}), self.catalog.things[key].owner
        near = [one for one in granted if one in self.uses]
        for grantee in sorted(near, key=lambda one: (len(self.uses[one]), self.uses[one])):
            held = Held(self.uses[grantee], "owner" if grantee == owner else "grant")
            for right in granted[grantee]:
                found.setdefault(right, held)
        return found

    def _all_granted(self) -> dict[Key, dict[Right, Held]]:
        """Return the same of every object at one go: the roles whose rights it has come in that order."""
        found: dict[Key, dict[Right, Held]] = {}
        for role, path in self.uses.items():
            grants = self.catalog.granted_to.get(role)
            owner, grantee = Held(path, "owner"), Held(path, "grant")
            for key, owns, rights in grants or ():
                known = found.get(key)
                held = owner if owns else grantee
                if known is None:
                    found[key] = dict.fromkeys(rights, held)
                else:
                    for right in rights:
                        known.setdefault(right, held)
        return found

    def _completed(self, thing: Thing, found: dict[Right, Held]) -> dict[Right, Held]:
        """Add what comes without a grant to a role: by PUBLIC, a predefined role, or granted on the way."""
        for right in self.catalog.granted.get(thing.key, {}).get(PUBLIC, ()):
            if right not in found or len(found[right].path) > 1:
                found[right] = Held((self.role,), "PUBLIC")
        for name, path in self.predefined.items():
            for privilege in _given(name, thing).intersection(self.catalog.owned.get(thing.sort, ())):
                _offer(found, (0, privilege), Held(path, name))
        if self.catalog.mapped.get(thing.key) in (PUBLIC, self.role):
            found[0, "USE"] = Held((self.role,), "user mapping")
        if self._is_favoured:
            for right, held in self.given.get(thing.key, {}).items():
                found.setdefault(right, held)
        return found

    def can_pass_on(self) -> set[Key]:
        """Return the objects of which it can grant something."""
        held = self.catalog.passed_on
        return set().union(*(held.get(role, ()) for role in self.uses))

    @cached_property
    def near(self) -> tuple[Key, ...]:
        """The objects on which it may hold a right; what it holds on them is found at one go.

        Without what everybody has and what reaches no data by itself: no grant adds to that.
        """
        granted = self._all_granted()
        near = granted.keys() | self.catalog.for_all | self.catalog.mapped.keys()
        if self._is_favoured:
            near |= self.given.keys()
        if self.predefined:
            near.update(self.catalog.of_kind.get("relation", ()), self.catalog.of_kind.get("schema", ()))
        near -= self.catalog.harmless
        more = self.catalog.public | self.catalog.mapped.keys()
        more |= self.given.keys() if self._is_favoured else frozenset()
        for key in near - self._held.keys():
            found = granted.get(key, {})
            as_it_is = key not in more and not self.predefined
            self._held[key] = found if as_it_is else self._completed(self.catalog.things[key], found)
        return tuple(sorted(near))

    @cached_property
    def direct(self) -> tuple[tuple[At, Held, Rows], ...]:
        """All that it holds and can name."""
        return tuple(one for key in self.near for one in self.of(key))

    @cached_property
    def doors(self) -> tuple[Key, ...]:
        """The views and definer functions on which it holds something, and which it can name."""
        return self.usable(self.catalog.doors.intersection(self.near))

    def usable(self, keys: Iterable[Key]) -> tuple[Key, ...]:
        """Return those of some objects on which it holds something, and which it can name."""
        return tuple(sorted(key for key in keys if self.held(key) and self.names(self.catalog.things[key])))

    def of(self, key: Key) -> Iterator[tuple[At, Held, Rows]]:
        """Yield what it holds on one object, if it can name it."""
        thing = self.catalog.things[key]
        if self.names(thing):
            secured = thing.rows_secured and thing.kind in WITH_ROWS and not self._sees_all
            plain: Rows = "all" if thing.kind in WITH_ROWS and not secured else ""
            for right, held in self.held(key).items():
                rows = self.rows(thing, right[1]) if secured else plain if right[1] in COMMANDS else ""
                yield (key, right), held, rows

    def passes_on(self, thing: Thing) -> Iterator[tuple[Right, Held]]:
        """Yield what it can grant of an object, to whomever."""
        if thing.owner in self.uses:
            for privilege in self.catalog.owned.get(thing.sort, ()):
                yield (0, privilege), Held(self.uses[thing.owner], "owner")
        for grant in self.catalog.grants.get(thing.key, ()):
            if grant.passes_on and grant.grantee in self.uses:
                yield grant.right, Held(self.uses[grant.grantee], "grant")

    def names(self, thing: Thing) -> Held | None:
        """Return how it can be named: without USAGE on the schema it cannot."""
        if thing.schema not in self._named:
            free = thing.schema is None or self.is_superuser
            held = None if free or thing.schema is None else self.held(thing.schema).get((0, "USAGE"))
            self._named[thing.schema] = Held((self.role,), "") if free else held
        return self._named[thing.schema]

    def rows(self, thing: Thing, privilege: str) -> Rows:
        """Return which rows a right on a relation reaches."""
        if thing.kind not in WITH_ROWS or privilege not in COMMANDS:
            return ""
        if not thing.rows_secured or self._sees_all:
            return "all"
        if thing.owner in self.uses and not thing.owner_bound:
            return "all"
        wanted = ("*", COMMANDS[privilege])
        for command, roles in self.catalog.policies.get(thing.key, ()):
            if command in wanted and (PUBLIC in roles or not roles.isdisjoint(self.uses)):
                return "policy"
        return "none"

    def may_read(self, read: Read) -> bool:
        """Whether a query that names it already may read these columns of a relation."""
        rights = self.held(read.relation)
        if self.is_superuser or (0, "SELECT") in rights:
            return True
        if not read.columns:
            return any(privilege == "SELECT" for _, privilege in rights)
        return all((column, "SELECT") in rights for column in read.columns)


def _given(name: str, thing: Thing) -> frozenset[str]:
    if thing.kind == "schema":
        return frozenset({"USAGE"}) if name in ALL_DATA else frozenset()
    return PREDEFINED[name] if thing.key[0] == "relation" else frozenset()


def _offer(found: dict[Right, Held], right: Right, held: Held) -> None:
    known = found.get(right)
    if known is None or len(held.path) < len(known.path):
        found[right] = held
