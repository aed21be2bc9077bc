"""The closure test: who keeps every node version ever written, and has one root, reaches what lived under it.

Random histories of claims and drops run over the pure part of the tree. The attacker knows every blob that
was ever written; he tries every key that he finds on every blob of the child nodes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from luactl.key.classes import SealError
from luactl.key.node import OpenNode, fresh_keys, seal_node, top_key
from luactl.key.path import SPACE_A, TOP, ancestors, locate, tenant_nodes
from luactl.key.rewrite import rewrite

TREE_ID = os.urandom(16)
TENANTS = 2


@dataclass
class World:
    """A tree in memory, and everything that ever lay on any disk."""

    roots: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    nodes: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    ever: set[tuple[bytes, int, bytes]] = field(default_factory=set)
    claimed: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """Tenant and number of each living claim, with its key."""
    living_at: list[set[bytes]] = field(default_factory=list)
    """The keys that lived while a root did, by epoch."""
    next_no: dict[int, int] = field(default_factory=dict)

    def top(self, epoch: int) -> bytes:
        return top_key(self.roots[epoch], TREE_ID, epoch)

    def put(self, path: bytes, version: int, blob: bytes) -> None:
        self.nodes[path] = (version, blob)
        self.ever.add((path, version, blob))

    def node(self, path: bytes) -> OpenNode:
        """Open a node, making it and those above when it is new."""
        key = self.node(path[:-1]).key(path[-1]) if path else self.top(len(self.roots) - 1)
        if path not in self.nodes:
            self.put(path, 1, seal_node(TREE_ID, path, 1, key, fresh_keys()))
        version, blob = self.nodes[path]
        return OpenNode(TREE_ID, path, version, blob, key)

    def place(self, tenant: int, number: int) -> tuple[bytes, int]:
        return locate(tenant_nodes(tenant)[0], SPACE_A, number)

    def claim(self, tenant: int, skip: int) -> None:
        number = self.next_no.get(tenant, 0) + skip
        self.next_no[tenant] = number + 1
        leaf, slot = self.place(tenant, number)
        self.claimed[tenant, number] = self.node(leaf).key(slot)

    def drop(self, victims: list[tuple[int, int]]) -> None:
        self.living_at.append(set(self.claimed.values()))
        dropped: dict[bytes, set[int]] = {}
        for victim in victims:
            leaf, slot = self.place(*victim)
            dropped.setdefault(leaf, set()).add(slot)
            del self.claimed[victim]
        self.node(TOP)
        nodes = {path: self.nodes[path] for path in ancestors([TOP, *dropped])}
        epoch = len(self.roots) - 1
        self.roots.append(os.urandom(32))
        written = rewrite(TREE_ID, nodes, dropped, self.top(epoch), self.top(epoch + 1))
        for path in written.paths:
            self.put(path, written.versions[path] + 1, written.blobs[path])


def reachable(world: World, epoch: int) -> set[bytes]:
    """Every key that opens anything, beginning at the root of an epoch, over all versions of all nodes."""
    found: set[bytes] = set()
    tried = [(TOP, world.top(epoch))]
    while tried:
        path, key = tried.pop()
        for at, version, blob in world.ever:
            if at != path:
                continue
            node = OpenNode(TREE_ID, path, version, blob, key)
            try:
                keys = node.keys()
            except SealError:
                continue
            for slot, child in enumerate(keys):
                if child is not None and child not in found:
                    found.add(child)
                    tried.append((path + bytes([slot]), child))
    return found


claims = st.tuples(st.just("claim"), st.integers(0, TENANTS - 1), st.sampled_from([0, 0, 0, 1, 70]))
drops = st.tuples(st.just("drop"), st.integers(0, 2**16), st.integers(0, 3))


@settings(max_examples=40, deadline=None)
@given(st.lists(claims | drops, min_size=1, max_size=14))
def test_a_root_reaches_what_lived_under_it_and_nothing_dropped_before(
    history: list[tuple[str, int, int]],
) -> None:
    world = World()
    erased: set[bytes] = set()
    erased_before: list[set[bytes]] = []
    world.node(TOP)
    for what, first, second in history:
        if what == "claim":
            world.claim(first, second)
            continue
        victims = sorted(world.claimed)
        chosen = [victims[(first + at) % len(victims)] for at in range(min(second, len(victims)))]
        erased_before.append(set(erased))
        erased |= {world.claimed[victim] for victim in chosen}
        world.drop(chosen)
    world.living_at.append(set(world.claimed.values()))
    erased_before.append(set(erased))
    for epoch in range(len(world.roots)):
        reached = reachable(world, epoch)
        assert reached >= world.living_at[epoch], "a living key was lost"
        assert not reached & erased_before[epoch], "an erased key was reached"


def test_the_test_can_fail() -> None:
    """With a root that should have been destroyed the erased key is reached: the closure is not vacuous."""
    world = World()
    world.claim(0, 0)
    world.claim(0, 0)
    gone = world.claimed[0, 0]
    world.drop([(0, 0)])
    assert gone in reachable(world, 0)
    assert gone not in reachable(world, 1)
    assert world.claimed[0, 1] in reachable(world, 1)
