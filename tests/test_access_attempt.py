"""Effective access against attempts: what the engine says of random roles is what they really get at."""

from __future__ import annotations

import os

import pytest
from conftest import Connection, TestServer
from support_attempt import Got, World, worlds

from luactl import access
from luactl.access import effective
from luactl.access.catalog import Catalog, Key, Thing, load
from luactl.access.running import Actor, Running
from luactl.access.way import Way, Ways
from luactl.db import Session

# The long tests run on one version, and try the other 497 graphs there.
AT_ONCE = [range(3)] if os.environ.get("LUACTL_TEST_PG", "17") == "17" else [range(25), range(25, 50)]
ALTER = "ALTER"
"""Who owns a table need not have TRIGGER on it, and can put code into a default; `told` says rights alone."""


def told(catalog: Catalog, world: World, role: str) -> dict[str, Got]:
    """Return what the engine says of the same queries."""
    login = next(one.oid for one in catalog.graph.roles.values() if one.name == role)
    ways: dict[str, list[Way]] = {}
    for way in Ways(catalog).every(login, world_keys(catalog, world)):
        for name in _queries(catalog, world, way):
            ways.setdefault(name, []).append(way)
    found = {}
    for name in world.probes():
        fits = ways.get(name, [])
        seen = min((way.effort for way in fits if way.rows != "none"), default=None)
        if name.endswith("by rule"):
            seen = min((way.effort for way in fits), default=None)
        if fits and not (name.endswith("INSERT") and seen is None):
            first = min(way.effort for way in fits)
            found[name] = Got(seen if name.endswith("INSERT") and seen is not None else first, seen)
    return found


def world_keys(catalog: Catalog, world: World) -> frozenset[Key]:
    """Return what belongs to a world."""
    things = catalog.things.values()
    schemas = {one.key for one in things if one.name in world.schemas}
    others = (*world.blobs, world.server)
    return frozenset(
        one.key for one in things
        if one.schema in schemas or one.key in schemas or one.name.split(" ")[0] in others
        or one.kind == "default privilege"
    )  # fmt: skip


def _queries(catalog: Catalog, world: World, way: Way) -> list[str]:
    """Return which queries a way answers: its table's, its column's, or that of what it leads through."""
    thing, (column, privilege) = catalog.things[way.key], way.right
    if way.through is not None:
        name = catalog.things[way.through].name
        if name in world.ruled:
            return [f"{name} by rule"]
        found = [f"{name} {way.needs}"] if thing.kind == "table" and privilege == "SELECT" else []
    elif thing.kind == "default privilege":
        found = [f"{name} {privilege}" for name in world.come if _made_under(catalog, thing, name)]
    elif thing.name in world.come:
        found = [f"{thing.name} {privilege}"] if way.via != "grant" and not column else []
    elif privilege == "SELECT" and column in (0, 1) and thing.kind == "table":
        found = [f"{thing.name}.a SELECT"] + ([f"{thing.name} SELECT"] if column == 0 else [])
    elif thing.kind == "sequence":
        either = [f"{thing.name} UPDATE or USAGE"] if privilege in ("UPDATE", "USAGE") else []
        found = [f"{thing.name} {privilege}", *either]
    elif thing.kind == "user mapping":
        found = [f"user mapping {privilege}"]
    else:
        plain = column == 0 and thing.kind not in ("view", "materialized view", "definer function")
        found = [f"{thing.name} {privilege}"] if plain else []
    return found


def _made_under(catalog: Catalog, default: Thing, name: str) -> bool:
    """Whether a table was made under a default privilege."""
    (table,) = [one for one in catalog.things.values() if one.name == name]
    return table.owner == default.owner and default.schema == table.schema


def code(catalog: Catalog, world: World, real: dict[str, dict[str, Got]]) -> list[str]:
    """Return where the engine is wrong about who can put code, or misses somebody who would run it."""
    running, found = Running(Ways(catalog)), []
    names = {one.name: one.oid for one in catalog.graph.roles.values() if one.name in world.roles}
    keys = {one.name: one.key for one in catalog.things.values()}
    places = {role: {key for key, _ in running.places(Actor(oid, True))} for role, oid in names.items()}
    for role, oid in names.items():
        for name in (*world.tables, *world.schemas):
            by = [f"{name} {what}" for what in (("CREATE",) if name in world.schemas else ("TRIGGER", ALTER))]
            puts = not real[role].keys().isdisjoint(by)
            if (keys[name] in places[role]) != puts:
                found.append(f"seed {world.seed}, {role}, code by {by}: really {puts}")
        for name in (one for one in world.tables if keys[one] in set().union(*places.values())):
            for verb in ("INSERT", "UPDATE", "DELETE"):
                came = real[role].get(f"{name} {verb}")
                if came and came.level < 2 and not running.does(keys[name], oid, (verb,)):
                    found.append(f"seed {world.seed}, {role}, {name}: really runs code by {verb}")
    return found


def differences(session: Session, server: TestServer, admin: Connection, seeds: range) -> list[str]:
    """Return where the engine and the attempts disagree."""
    found = []
    for world in worlds(admin, seeds):
        catalog, real = load(session), {role: world.tried_by(server, role) for role in world.roles}
        for role in world.roles:
            said = told(catalog, world, role)
            found += [
                f"seed {world.seed}, {role}, {name}: really {real[role].get(name)}, said {said.get(name)}"
                for name in sorted(real[role].keys() | said.keys())
                if not name.endswith(ALTER) and real[role].get(name) != said.get(name)
            ]
        found += code(catalog, world, real)
    return found


@pytest.mark.parametrize("seeds", AT_ONCE)
def test_what_is_told_of_random_roles_is_what_they_get_at(
    session: Session, server: TestServer, admin: Connection, seeds: range
) -> None:
    assert differences(session, server, admin, seeds) == []


@pytest.mark.long
def test_nor_does_it_differ_in_many_graphs(session: Session, server: TestServer, admin: Connection) -> None:
    assert differences(session, server, admin, range(3, 50)) == []


@pytest.mark.long
def test_a_cut_takes_nothing_from_those_whom_it_does_not_concern(
    session: Session, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for world in worlds(admin, range(100, 101)):
        asked = [(name, role) for role in world.roles[:2] for name in world.relations[:8]]
        few = [access.explain(session, *one) for one in asked]
        monkeypatch.setattr(effective, "_concerned", lambda before, after: effective._logins(before))
        assert few == [access.explain(session, *one) for one in asked]
        assert sum(map(len, few)) > len(asked)


@pytest.mark.long
@pytest.mark.parametrize("first", range(50, 500, 25))
def test_nor_in_five_hundred(session: Session, server: TestServer, admin: Connection, first: int) -> None:
    assert differences(session, server, admin, range(first, first + 25)) == []
