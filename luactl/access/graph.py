"""Roles and memberships: whose rights a login has, whom it can become, and what it can grant to itself.

Pure. The rules are Postgres' own (src/backend/utils/adt/acl.c), for 15 and for 16 and newer, which differ:
up to 15 the member's INHERIT attribute decides, SET ROLE is always possible, ADMIN works through any
membership and CREATEROLE over every role but superusers; from 16 on each membership says INHERIT, SET and
ADMIN for itself, and ADMIN works only through what is inherited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heappop, heappush

Path = tuple[int, ...]
"""Roles by their oid, from the one who begins."""
Ways = Mapping[int, Path]
"""The shortest path to each role that is reached."""
PER_MEMBERSHIP = 160000
"""The first server version in which each membership has options of its own."""


@dataclass(frozen=True)
class Role:
    """One role of pg_roles."""

    oid: int
    name: str
    logs_in: bool = False
    is_superuser: bool = False
    inherits: bool = True
    creates_roles: bool = False
    bypasses_rows: bool = False
    replicates: bool = False


@dataclass(frozen=True)
class Membership:
    """Somebody made one role a member of another."""

    member: int
    role: int
    inherits: bool
    sets: bool
    administers: bool
    grantor: int
    """0: nobody, it is so by itself."""


@dataclass(frozen=True)
class Hop:
    """A membership as it is walked."""

    inherits: bool
    sets: bool
    administers: bool
    way: Path
    """The roles that a path through it gets; the last is where it leads. Longer where it is granted first."""

    @property
    def role(self) -> int:
        """Where it leads."""
        return self.way[-1]


@dataclass(frozen=True)
class State:
    """Somebody who acts as a role: `current_user`, and how it came to be."""

    effort: int
    """0: from the start, 1: after SET ROLE, 2: after granting something to itself."""
    path: Path
    """From the login to the role that acts."""

    @property
    def role(self) -> int:
        """Who acts."""
        return self.path[-1]


@dataclass(frozen=True)
class Graph:
    """Who is a member of whom, on a server of one version."""

    version: int
    """As server_version_num tells it."""
    roles: Mapping[int, Role]
    hops: Mapping[int, tuple[Hop, ...]]
    """By member."""
    administered: Mapping[int, tuple[Hop, ...]]
    """Those of them that can be passed on."""
    before: Graph | None = None
    """What it was before somebody got more memberships,"""
    changed: int = 0
    """and who."""

    @classmethod
    def of(cls, version: int, roles: Iterable[Role], memberships: Iterable[Membership]) -> Graph:
        """Build it from what the catalog says; of what several grantors gave, each option counts."""
        hops: dict[int, list[Hop]] = {}
        by_pair: dict[tuple[int, int], list[Membership]] = {}
        for one in memberships:
            by_pair.setdefault((one.member, one.role), []).append(one)
        for (member, role), given in by_pair.items():
            options = (
                any(x.inherits for x in given), any(x.sets for x in given), any(x.administers for x in given)
            )  # fmt: skip
            hops.setdefault(member, []).append(Hop(*options, (role,)))
        administered = {
            member: tuple(hop for hop in some if hop.administers) for member, some in hops.items()
        }
        return cls(
            version,
            {role.oid: role for role in roles},
            {member: tuple(some) for member, some in hops.items()},
            {member: some for member, some in administered.items() if some},
        )

    @cached_property
    def _inherited(self) -> dict[int, Ways]:
        return {}

    @cached_property
    def _become(self) -> dict[int, Ways]:
        return {}

    @cached_property
    def _grantable(self) -> dict[int, tuple[Path, ...]]:
        return {}

    @property
    def is_old(self) -> bool:
        """Whether attributes of the member decide, and not each membership."""
        return self.version < PER_MEMBERSHIP

    def walk(self, start: int, follows: Callable[[Hop], bool]) -> dict[int, Path]:
        """Return the shortest path to every role that is reached over such hops, `start` itself included."""
        found: dict[int, Path] = {}
        queue: list[tuple[int, Path]] = [(1, (start,))]
        while queue:
            _, path = heappop(queue)
            if path[-1] in found:
                continue
            found[path[-1]] = path
            for hop in self.hops.get(path[-1], ()):
                if hop.role not in found and follows(hop):
                    heappush(queue, (len(path) + len(hop.way), path + hop.way))
        return found

    def used_by(self, role: int) -> Ways:
        """Return the roles whose rights `role` has without further ado, itself included."""
        if role not in self._inherited:
            known = self.before.used_by(role) if self.before else None
            same = known is not None and self.changed not in known
            self._inherited[role] = known if same and known else self.walk(role, lambda hop: hop.inherits)
        return self._inherited[role]

    def becomes(self, login: int) -> Ways:
        """Return whom a login can be by SET ROLE, itself included. SET needs the right on every step."""
        if login not in self._become:
            self._become[login] = self.walk(login, lambda hop: hop.sets)
        return self._become[login]

    def member_of(self, role: int) -> Ways:
        """Return what a role is a member of, by whatever membership."""
        return self.walk(role, lambda hop: True)

    @cached_property
    def _members(self) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {}
        for member, hops in self.hops.items():
            for hop in hops:
                found.setdefault(hop.role, set()).add(member)
        return found

    def leading_to(self, roles: Iterable[int]) -> set[int]:
        """Return who may ever come to some roles, by whatever memberships or grants, these included."""
        makers = {one.oid for one in self.roles.values() if one.creates_roles} if self.is_old else set()
        found = {*roles, *makers}
        queue = list(found)
        while queue:
            more = self._members.get(queue.pop(), set()) - found
            found |= more
            queue += more
        return found

    def grantable_by(self, role: int) -> tuple[Path, ...]:
        """Return paths to the roles that somebody who acts as `role` may grant; superusers are not."""
        if role not in self._grantable:
            known = self.before.grantable_by(role) if self.before else None
            same = known is not None and not self.is_old and self.changed not in self.used_by(role)
            self._grantable[role] = known if same and known is not None else tuple(self._granting(role))
        return self._grantable[role]

    def _granting(self, role: int) -> Iterator[Path]:
        through = self.member_of(role) if self.is_old else self.used_by(role)
        for holder, path in through.items():
            for hop in self.administered.get(holder, ()):
                if not self.roles[hop.role].is_superuser:
                    yield path + hop.way
        if self.is_old and self.roles[role].creates_roles:
            for other in self.roles.values():
                if other.oid != role and not other.is_superuser:
                    yield (role, other.oid)

    def after_grants(self, login: int) -> Graph:
        """Return the graph once a login granted to itself all that it can; this one when that is nothing."""
        graph = self
        while more := graph._grants(login, login):
            graph = graph._with(login, more)
        return graph

    def enriched(self, login: int, target: int) -> Graph:
        """Return the graph once a login also granted all that it can to somebody whom it can be."""
        more = self._grants(login, target)
        return self._with(target, more) if more else self

    def _grants(self, login: int, target: int) -> list[Hop]:
        """Return what a login could grant right now that adds to what the target has."""
        found: dict[int, Hop] = {}
        states = self.becomes(login)
        for state in states.values():
            for path in self.grantable_by(state[-1]):
                role = path[-1]
                if role in found or self._has(target, role):
                    continue
                way = state[1:] + path[1:] if target == login else (role,)
                if target not in self.member_of(role):
                    found[role] = Hop(self._would_inherit(target), True, False, way)
                elif target == login and self._sets_password(state[-1], role) and role not in states:
                    found[role] = Hop(False, True, False, way)
        return list(found.values())

    def _sets_password(self, state: int, role: int) -> bool:
        """Whether somebody may give a password and LOGIN to a role, and then log in as it.

        Up to 15 CREATEROLE leads that way to where no grant does: to one's own members.
        """
        return self.is_old and self.roles[state].creates_roles and not self.roles[role].replicates

    def _would_inherit(self, member: int) -> bool:
        return not self.is_old or self.roles[member].inherits

    def _has(self, member: int, role: int) -> bool:
        """Whether a member already has all that a grant of this role would give it."""
        inherits = self._would_inherit(member)
        return any(
            hop.role == role and hop.sets and hop.inherits >= inherits for hop in self.hops.get(member, ())
        )

    def _with(self, member: int, more: Iterable[Hop]) -> Graph:
        hops = {**self.hops, member: (*self.hops.get(member, ()), *more)}
        return replace(self, hops=hops, before=self, changed=member)

    def states(self, login: int) -> Iterator[State]:
        """Yield everybody whom a login can act as without granting anything, easiest first."""
        for path in self.becomes(login).values():
            yield State(int(path[-1] != login), path)
