"""The REVOKE that cuts a way, and what roles and grants look like after it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TypeVar

from psycopg.sql import SQL, Composable, Identifier

from .catalog import PUBLIC, Catalog, Grant, Key, Right, Thing
from .entrance import Setting
from .graph import Graph, Membership
from .way import Way

WORDS = {
    "table": "TABLE", "view": "TABLE", "materialized view": "TABLE", "foreign table": "TABLE",
    "sequence": "SEQUENCE", "function": "ROUTINE", "definer function": "ROUTINE", "schema": "SCHEMA",
    "database": "DATABASE", "large object": "LARGE OBJECT", "type": "TYPE", "tablespace": "TABLESPACE",
    "language": "LANGUAGE", "foreign server": "FOREIGN SERVER", "parameter": "PARAMETER",
    "foreign-data wrapper": "FOREIGN DATA WRAPPER", "publication": "PUBLICATION",
    "subscription": "SUBSCRIPTION",
}  # fmt: skip


@dataclass(frozen=True)
class Cut:
    """What ends one way; there may be others."""

    statements: tuple[str, ...]
    """SQL, to be read and run by a person with the right to it."""
    foreseen: Callable[[], Catalog] | None
    """Works out what the catalog says then; None where that is not foreseen: an owner, an attribute."""

    @cached_property
    def after(self) -> Catalog | None:
        """What the catalog says then."""
        return self.foreseen() if self.foreseen else None


def cut(catalog: Catalog, ways: Iterable[Way]) -> Cut:
    """Return what cuts ways that share a path: as near to the login as can be, so that others lose least."""
    some = list(ways)
    way = some[0]
    if way.planted:
        return cut(catalog, [way.planted])
    if len(way.path) > 1:
        return _membership(catalog, way.path[0], way.path[1])
    if way.via in ("superuser", "REPLICATION", "attribute"):
        name = _of(catalog, way).name if way.via == "attribute" else way.via.upper()
        return attribute(catalog, way.path[0], name)
    if way.via == "user mapping":
        server, _, whom = _of(catalog, way).name.rpartition(" for ")
        return Cut((f"DROP USER MAPPING FOR {whom} SERVER {server}",), None)
    if way.through is not None:
        both = (way.path[0], PUBLIC)
        return _grants(catalog, way.through, both, {one.needs for one in some})
    if way.via == "owner":
        return _another_owner(_of(catalog, way))
    return _grants(catalog, way.key, (PUBLIC if way.via == "PUBLIC" else way.path[0],), _names(some))


def attribute(catalog: Catalog, role: int, name: str) -> Cut:
    """Return what takes an attribute from a role."""
    return Cut((SQL("ALTER ROLE {} {}").format(_role(catalog, role), SQL(f"NO{name}")).as_string(),), None)


def resets(login: str, setting: Setting) -> Iterator[str]:
    """Yield what takes away what is set as a login comes in."""
    database = Identifier(setting.database)
    for name in setting.names:
        parameter = Identifier(*name.split("."))
        if not setting.by_login:
            text = SQL("ALTER DATABASE {} RESET {}").format(database, parameter)
        elif setting.database:
            text = SQL("ALTER ROLE {} IN DATABASE {} RESET {}").format(Identifier(login), database, parameter)
        else:
            text = SQL("ALTER ROLE {} RESET {}").format(Identifier(login), parameter)
        yield text.as_string()


def _names(ways: Iterable[Way]) -> set[str]:
    return {way.right[1] for way in ways}


def _of(catalog: Catalog, way: Way) -> Thing:
    return catalog.things[way.key]


def _role(catalog: Catalog, oid: int) -> Composable:
    return SQL("PUBLIC") if oid == PUBLIC else Identifier(catalog.graph.roles[oid].name)


def _another_owner(thing: Thing) -> Cut:
    return Cut((f"ALTER {WORDS[thing.kind]} {thing.name} OWNER TO …",), None)


def _membership(catalog: Catalog, member: int, role: int) -> Cut:
    given = [one for one in catalog.memberships_of.get(member, ()) if one.role == role]
    if not given:  # up to 15 CREATEROLE is enough, without any membership
        return attribute(catalog, member, "CREATEROLE")
    gone = _and_what_hangs_on(given, lambda one: catalog.made_by(one) if one.administers else ())
    statements = []
    for one in given:
        text = SQL("REVOKE {} FROM {}").format(_role(catalog, role), _role(catalog, member))
        if not catalog.graph.is_old and one.grantor:
            text += SQL(" GRANTED BY {}").format(_role(catalog, one.grantor))
        statements.append((text + SQL(" CASCADE" if len(gone) > len(given) else "")).as_string())
    return Cut(tuple(statements), partial(_without, catalog, gone))


def _without(catalog: Catalog, gone: set[Membership]) -> Catalog:
    left = tuple(one for one in catalog.memberships if one not in gone)
    graph = Graph.of(catalog.graph.version, catalog.graph.roles.values(), left)
    return replace(catalog, graph=graph, memberships=left)


def _grants(catalog: Catalog, key: Key, grantees: Collection[int], names: set[str]) -> Cut:
    """Take privileges from grantees, whoever granted them; from PUBLIC where they have them from there."""
    held, thing = catalog.grants.get(key, ()), catalog.things[key]
    mine = [one for one in held if one.grantee in grantees and one.right[1] in names]
    mine = mine or [one for one in held if one.grantee == PUBLIC and one.right[1] in names]
    if not mine or thing.owner in grantees:  # an owner grants it to itself again
        return _another_owner(thing)
    gone = _and_what_hangs_on(mine, lambda one: [other for other in held if _by_grantee(other, one)])
    cascade = " CASCADE" if len(gone) > len(mine) else ""
    statements = []
    for grantor, grantee in sorted({(one.grantor, one.grantee) for one in mine}):
        rights = {one.right for one in mine if (one.grantor, one.grantee) == (grantor, grantee)}
        privileges = ", ".join(sorted(spelt(catalog, key, right) for right in rights))
        name = _role(catalog, grantee).as_string()
        if thing.kind == "default privilege":
            statements.append(f"{_to_come(catalog, thing, privileges)} FROM {name}")
            continue
        text = f"REVOKE {privileges} ON {WORDS[thing.kind]} {thing.name} FROM {name}{cascade}"
        as_grantor = f"SET ROLE {_role(catalog, grantor).as_string()}; {text}; RESET ROLE"
        statements.append(text if grantor == thing.owner else as_grantor)
    left = tuple(one for one in held if one not in gone)
    return Cut(tuple(statements), lambda: replace(catalog, grants={**catalog.grants, key: left}))


def _to_come(catalog: Catalog, thing: Thing, privileges: str) -> str:
    """Return the beginning of a statement that takes privileges on objects that are yet to be made."""
    within = f" IN SCHEMA {catalog.things[thing.schema].name}" if thing.schema else ""
    maker, kind = _role(catalog, thing.owner).as_string(), thing.name.partition(" to come")[0].upper()
    return f"ALTER DEFAULT PRIVILEGES FOR ROLE {maker}{within} REVOKE {privileges} ON {kind}"


T = TypeVar("T", Membership, Grant)


def _and_what_hangs_on(first: Iterable[T], on: Callable[[T], Iterable[T]]) -> set[T]:
    """Return some grants, and those that were made on the strength of them, however far."""
    queue = list(first)
    gone = set(queue)
    while queue:
        more = set(on(queue.pop())) - gone
        gone |= more
        queue += more
    return gone


def _by_grantee(later: Grant, earlier: Grant) -> bool:
    return earlier.passes_on and (later.right, later.grantor) == (earlier.right, earlier.grantee)


def spelt(catalog: Catalog, key: Key, right: Right) -> str:
    """Return a right as it stands in a statement."""
    column, privilege = right
    return f"{privilege} ({catalog.columns[key, column]})" if column else privilege
