"""Access: which login reaches what in luactl's schemas, and how.

What each group role may do is a constant of the schema and stands in docs/reference/roles.md; this tells who
gets to it, and what leads around it. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from ..db import Session, queries, transaction
from ..errors import NoTenantError
from ..shipped import GROUPS, OWNERS
from ..tenant.register import own_login
from .acting import ALL_DATA, PREDEFINED, PROGRAM
from .catalog import FIRST_MADE, RELATIONS, Catalog, Key, read
from .graph import Role
from .running import Running
from .standing import standing
from .way import GRANTED, HOWS, Best, How, Way, Ways

SCHEMAS = ("lua", "crm", "ledger", "vault")
OURS = frozenset({*GROUPS, *OWNERS})
FILES = ("pg_read_server_files", "pg_write_server_files", PROGRAM)
BY_ROLE = frozenset({"superuser", "REPLICATION", PROGRAM, *PREDEFINED})
"""What leads to all objects alike, and is told once, with the role or the attribute."""


@dataclass(frozen=True)
class Reach:
    """One thing that one login reaches, by the shortest way."""

    login: str
    """Who logs in."""
    kind: str
    """superuser, attribute, group role, predefined role, owner, table, column, definer function …; code: what
    it puts somewhere runs as somebody who reaches something of the same."""
    reaches: str
    """The role, the object or the attribute."""
    rights: str
    """What it may do there: privileges, `member` of a role, `all` of an owner."""
    how: How
    """At once, only after SET ROLE, after it granted something to itself, or after it put code somewhere."""
    path: str
    """The roles on the way, from the login on; then `PUBLIC` for what everybody has, or what leads around, or
    where code is put and who runs it."""


@dataclass(frozen=True)
class Found:
    """One thing before it is told."""

    kind: str
    reaches: str
    rights: str
    effort: int
    path: str
    of_tenant: bool
    """Whether it touches rows of tenants."""
    bound: bool
    """Whether row level security decides which of them show."""


@dataclass(frozen=True)
class House:
    """luactl's schemas, and who reaches what there besides the group roles' own grants."""

    catalog: Catalog
    """Without what the group roles were granted."""
    keys: frozenset[Key]
    of_tenants: frozenset[Key]
    tenant_roles: frozenset[int]
    """Roles that were granted something that touches rows of tenants."""
    own_role: str | None
    """The login of the dedicated tenant that is asked for."""

    @classmethod
    def of(cls, catalog: Catalog, of_tenants: frozenset[Key], own_role: str | None) -> House:
        """Leave from the catalog what is told."""
        groups = {one.oid for one in catalog.graph.roles.values() if one.name in OURS}
        schemas = {key for key, one in catalog.things.items() if one.kind == "schema" and one.name in SCHEMAS}
        keys = {key for key, one in catalog.things.items() if one.schema in schemas or one.kind == "database"}
        grants = {
            key: tuple(one for one in some if key in schemas or one.grantee not in groups)
            for key, some in catalog.grants.items()
        }
        tenants = {one.grantee for key in of_tenants for one in catalog.grants.get(key, ())}
        return cls(
            replace(catalog, grants=grants),
            frozenset(keys | schemas),
            of_tenants,
            frozenset(tenants),
            own_role,
        )

    def reached(self, login: int, ways: Ways) -> Iterator[Found]:
        """Yield what a login reaches."""
        found = standing(self.catalog, login)
        yield from self._roles(found)
        best = ways.of(login, self.keys, BY_ROLE)
        yield from self._owned(best)
        yield from self._granted(best)

    def _roles(self, best: Best) -> Iterator[Found]:
        nearest: dict[Key, Way] = {}
        for way in sorted(best.values(), key=lambda one: one.cost):
            if way.right[1] != "ADMIN":
                nearest.setdefault(way.key, way)
        for key, way in nearest.items():
            thing, path = self.catalog.things[key], self._path(way)
            if key[0] == "attribute":
                shows = thing.name in ("SUPERUSER", "BYPASSRLS", "REPLICATION")
                whole = thing.name == "SUPERUSER"
                told = (
                    ("superuser", "everything", "all") if whole else ("attribute", thing.name, way.right[1])
                )
                yield Found(*told, way.effort, path, shows, False)
                continue
            is_made = key[1] >= FIRST_MADE
            touches = thing.name in (*ALL_DATA, *FILES) or key[1] in self.tenant_roles
            kind = "group role" if is_made else "predefined role"
            bound = is_made or thing.name in ALL_DATA
            yield Found(kind, thing.name, "member", way.effort, path, touches, bound)

    def _owned(self, best: Best) -> Iterator[Found]:
        nearest: dict[Key, Way] = {}
        for way in sorted((one for one in best.values() if one.via == "owner"), key=lambda one: one.cost):
            nearest.setdefault(way.key, way)
        for key, way in nearest.items():
            thing = self.catalog.things[key]
            word = "" if thing.sort == "table" else f"{thing.sort} "
            name = f"{word}{thing.name}"
            yield Found("owner", name, "all", way.effort, self._path(way), thing.sort != "sequence", False)

    def _granted(self, best: Best) -> Iterator[Found]:
        alike: dict[tuple[Key, int, int, str], list[Way]] = {}
        for way in best.values():
            thing = self.catalog.things[way.key]
            if way.via != "owner" and (thing.kind in RELATIONS or thing.kind == "definer function"):
                alike.setdefault((way.key, way.right[0], way.effort, self._path(way)), []).append(way)
        for (key, column, effort, path), ways in alike.items():
            if column and all((key, (0, way.right[1])) in best for way in ways):
                continue
            thing = self.catalog.things[key]
            name = f"{thing.name}.{self.catalog.columns[key, column]}" if column else thing.name
            rights = ", ".join(sorted(self._right(way) for way in ways))
            touches = key in self.of_tenants and thing.kind != "sequence"
            yield Found("column" if column else thing.kind, name, rights, effort, path, touches, True)

    def _right(self, way: Way) -> str:
        held = self.catalog.grants.get(way.key, ())
        passes_on = any(
            (one.grantee, one.right) == (way.path[-1], way.right) and one.passes_on for one in held
        )
        return f"{way.right[1]} (may pass it on)" if passes_on and way.through is None else way.right[1]

    def _path(self, way: Way) -> str:
        names = [self.catalog.graph.roles[role].name for role in way.path]
        around = way.via if way.through is not None or way.via == "PUBLIC" else ""
        return " > ".join([*names, around] if around else names)

    def admitted(self, login: Role) -> int | None:
        """Return the effort by which rows of the dedicated tenant show to a login; None: they do not.

        They show to its own login, to its staff, and to administrators, who admit themselves.
        """
        own, staff = self.own_role, f"{self.own_role}_staff"
        graph = self.catalog.graph
        is_made = any(one.name == staff for one in graph.roles.values())
        efforts = [0] if login.name == own else []
        if any(graph.roles[role].name == staff for role in graph.member_of(login.oid)):
            efforts.append(0)
        for (key, (_, right)), way in standing(self.catalog, login.oid).items():
            name = self.catalog.things[key].name
            if right == "SET" and name == own:
                efforts.append(way.effort)
            elif right != "ADMIN" and name in (staff, "lua_admin") and is_made:
                efforts.append(way.effort if name == staff else GRANTED)
        return min(efforts, default=None)


def list_(session: Session, tenant: str | None = None) -> tuple[Reach, ...]:
    """Return what every login reaches, by login; with a tenant's slug only what touches its rows.

    A pooled tenant's rows lie in tables shared by all of them: whoever reaches these reaches the tenant. A
    dedicated tenant's rows show to its own login, to the members of its staff role, after one command to
    administrators, who admit themselves, and to those whom row security does not bind.
    Raises NotFoundError for an unknown tenant.
    """
    with transaction(session, snapshot=True) as conn:
        own_role = None if tenant is None else _own_role(conn, tenant)
        of_tenants = frozenset((kind, oid) for kind, oid in queries("access").of_tenants(conn))
        catalog = read(conn)
    house = House.of(catalog, of_tenants, own_role)
    ways, running = Ways(house.catalog), Running(Ways(catalog))

    @cache
    def of(role: int) -> tuple[Reach, ...]:
        one = catalog.graph.roles[role]
        reached = house.reached(role, ways)
        return tuple(_told(one, reached if tenant is None else _of_tenant(house, one, reached)))

    logins = [role for role, one in catalog.graph.roles.items() if one.logs_in]
    found = [one for login in logins for one in (*of(login), *_planted(running, login, of))]
    return tuple(
        sorted(found, key=lambda one: (one.login, HOWS.index(one.how), one.kind, one.reaches, one.path))
    )


def _planted(running: Running, login: int, of: Callable[[int], tuple[Reach, ...]]) -> Iterator[Reach]:
    """Yield as whom a login's code may run, of those who reach something of what is told."""
    roles = running.catalog.graph.roles
    for (_, role), way in ((key, way) for (key, _), way in running.roles(login).items()):
        if of(role):
            path = " > ".join([*(roles[step].name for step in way.path), way.via])
            yield Reach(roles[login].name, "code", roles[role].name, way.right[1], way.how, path)


def _of_tenant(house: House, login: Role, reached: Iterable[Found]) -> Iterator[Found]:
    """Yield what touches rows of the tenant that is asked for, as hard as these are to get at."""
    own = (house.own_role, f"{house.own_role}_staff") if house.own_role else ()
    pooled = not own and not login.name.startswith("lua_t")
    admitted = house.admitted(login) if own else 0 if pooled else None
    for one in reached:
        if not one.of_tenant and one.reaches not in own:
            continue
        if not one.bound:
            yield one
        elif admitted is not None:
            yield replace(one, effort=max(one.effort, admitted))


def _told(login: Role, reached: Iterable[Found]) -> Iterator[Reach]:
    for one in reached:
        if one.kind == "superuser" or not login.is_superuser:
            yield Reach(login.name, one.kind, one.reaches, one.rights, HOWS[one.effort], one.path)


def _own_role(conn: object, slug: str) -> str | None:
    """Return the login role that a dedicated tenant's rows demand; None for a pooled tenant."""
    tenant_id = queries("access").tenant_id(conn, slug=slug)
    if tenant_id is None:
        raise NoTenantError(slug)
    return own_login(tenant_id)
