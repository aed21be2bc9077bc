"""What a login is: roles whose rights it has, that it can become or pass on, and their attributes."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from .catalog import ATTRIBUTES, Catalog, Key
from .graph import Graph, Path, Role
from .way import GRANTED, Best, Way

MEANS = {
    "SUPERUSER": "everything",
    "BYPASSRLS": "rows of all tenants",
    "CREATEROLE": "makes roles",
    "REPLICATION": "copies the whole server",
}


def has(role: Role) -> Mapping[str, bool]:
    """Tell which attributes a role has; a superuser needs no other."""
    values = (role.is_superuser, role.bypasses_rows, role.creates_roles, role.replicates)
    return {
        name: value and (name == "SUPERUSER" or not role.is_superuser)
        for name, value in zip(ATTRIBUTES, values, strict=True)
    }


def standing(catalog: Catalog, login: int, keys: Container[Key] | None = None) -> Best:
    """Return the shortest way to each role and attribute, or to those that are asked for.

    Of a role: USAGE, its rights count; SET, it can be become; ADMIN, it can be passed on. A superuser, who
    can be anybody, is told so once, and with every role and attribute that is asked for.
    """
    best: Best = {}
    for way in _every(catalog, login, keys):
        known = best.get((way.key, way.right))
        if (keys is None or way.key in keys) and (known is None or way.cost < known.cost):
            best[way.key, way.right] = way
    return best


def _every(catalog: Catalog, login: int, keys: Container[Key] | None) -> Iterator[Way]:
    now = catalog.graph
    later = now.after_grants(login)
    for graph, least in ((now, 0), (later, GRANTED)):
        if least and later is now:
            return
        for role, path in graph.becomes(login).items():
            effort = max(least, int(role != login))
            yield from _attributes(catalog, role, path, effort)
            if now.roles[role].is_superuser:
                yield from _all(catalog, login, path, effort) if keys is not None else ()
                continue
            yield from _roles(graph, login, path, effort)


def _attributes(catalog: Catalog, role: int, path: Path, effort: int) -> Iterator[Way]:
    for number, (name, value) in enumerate(has(catalog.graph.roles[role]).items()):
        if value:
            yield Way(("attribute", number), (0, MEANS[name]), effort, path, "attribute", "")


def _all(catalog: Catalog, login: int, path: Path, effort: int) -> Iterator[Way]:
    """Yield what a superuser is and can be."""
    for role in catalog.graph.roles:
        if role != login:
            yield Way(("role", role), (0, "SET"), effort, path, "superuser", "")
    for number, name in enumerate(ATTRIBUTES):
        if name != "SUPERUSER":
            yield Way(("attribute", number), (0, MEANS[name]), effort, path, "superuser", "")


def _roles(graph: Graph, login: int, path: Path, effort: int) -> Iterator[Way]:
    if path[-1] != login:
        yield Way(("role", path[-1]), (0, "SET"), effort, path, "membership", "")
    for other, way in graph.used_by(path[-1]).items():
        if other != login:
            yield Way(("role", other), (0, "USAGE"), effort, path + way[1:], "membership", "")
    for way in graph.grantable_by(path[-1]):
        if way[-1] != login:
            yield Way(("role", way[-1]), (0, "ADMIN"), effort, path + way[1:], "membership", "")
