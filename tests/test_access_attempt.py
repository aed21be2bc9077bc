"""Effective access against attempts: what the engine says of random roles is what they really get at."""

from __future__ import annotations

import pytest
from conftest import Connection, TestServer
from support_attempt import Got, World, worlds

from luactl import access
from luactl.access import effective
from luactl.access.catalog import Catalog, load
from luactl.access.way import Way, Ways
from luactl.db import Session


def told(catalog: Catalog, world: World, role: str) -> dict[str, Got]:
    """Return what the engine says of the same queries."""
    login = next(one.oid for one in catalog.graph.roles.values() if one.name == role)
    ways: dict[str, list[Way]] = {}
    for way in Ways(catalog).every(login):
        for name in _queries(catalog, way):
            ways.setdefault(name, []).append(way)
    found = {}
    for name in world.probes():
        fits = ways.get(name, [])
        seen = min((way.effort for way in fits if way.rows != "none"), default=None)
        if fits and not (name.endswith("INSERT") and seen is None):
            first = min(way.effort for way in fits)
            found[name] = Got(seen if name.endswith("INSERT") and seen is not None else first, seen)
    return found


def _queries(catalog: Catalog, way: Way) -> list[str]:
    """Return which queries a way answers: its table's, its column's, or that of what it leads through."""
    thing = catalog.things[way.key]
    if way.through is not None:
        through = catalog.things[way.through]
        verb = "EXECUTE" if through.key[0] == "function" else "SELECT"
        return [f"{through.name} {verb}"] if thing.kind == "table" and way.right[1] == "SELECT" else []
    column, privilege = way.right
    if privilege == "SELECT" and column in (0, 1) and thing.kind == "table":
        return [f"{thing.name}.a SELECT"] + ([f"{thing.name} SELECT"] if column == 0 else [])
    return [f"{thing.name} {privilege}"] if thing.kind == "table" and column == 0 else []


def differences(session: Session, server: TestServer, admin: Connection, seeds: range) -> list[str]:
    """Return where the engine and the attempts disagree."""
    found = []
    for world in worlds(admin, seeds):
        catalog = load(session)
        for role in world.roles:
            real, said = world.tried_by(server, role), told(catalog, world, role)
            found += [
                f"seed {world.seed}, {role}, {name}: really {real.get(name)}, said {said.get(name)}"
                for name in sorted(real.keys() | said.keys())
                if real.get(name) != said.get(name)
            ]
    return found


def test_what_is_told_of_random_roles_is_what_they_get_at(
    session: Session, server: TestServer, admin: Connection
) -> None:
    assert differences(session, server, admin, range(3)) == []


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


@pytest.mark.exhaustive
def test_nor_in_five_hundred(session: Session, server: TestServer, admin: Connection) -> None:
    assert differences(session, server, admin, range(50, 500)) == []
