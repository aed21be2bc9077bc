"""What a cut is said to change is what the database says after it ran."""

from __future__ import annotations

import random

import psycopg
from conftest import Connection
from support_attempt import World, worlds

from luactl.access.catalog import Catalog, read
from luactl.access.cut import cut
from luactl.access.way import Way, Ways


def some_ways(catalog: Catalog, world: World, count: int) -> list[Way]:
    """Return some ways of some roles."""
    chance = random.Random(world.seed)
    names = {one.name: one.oid for one in catalog.graph.roles.values()}
    ways = Ways(catalog)
    every = [way for role in world.roles for way in ways.of(names[role]).values()]
    return chance.sample(every, count)


def plain(catalog: Catalog) -> tuple[object, ...]:
    """Return what a cut can change."""
    grants = {key: frozenset(held) for key, held in catalog.grants.items() if held}
    return grants, frozenset(catalog.memberships)


def test_a_cut_changes_what_it_says(admin: Connection) -> None:
    checked = 0
    for world in worlds(admin, range(100, 102)):
        before = read(admin)
        for way in some_ways(before, world, 24):
            made = cut(before, [way])
            assert made.statements
            if made.after is None:
                continue
            with admin.transaction() as undo:
                for statement in made.statements:
                    admin.execute(statement.encode())
                after = read(admin)
                assert plain(after) == plain(made.after), (world.seed, made.statements)
                at = (way.key, way.right)
                there = {way.key} & after.things.keys()  # a default privilege goes with its last grant
                left = Ways(after).of(way.path[0], there).get(at)
                assert left is None or left.cost[:-1] >= way.cost[:-1]
                assert left is None or (left.path, left.via) != (way.path, way.via)
                checked += 1
                raise psycopg.Rollback(undo)
    assert checked > 24
