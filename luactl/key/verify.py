"""Checking the whole tree: nodes and living claims open, books and holders agree. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..db import Session, queries, transaction
from ..errors import RefusedError
from .book import open_books
from .classes import SealError
from .holder import open_holders
from .node import OpenNode, top_key
from .path import FAN_OUT, Counter, locate, tenant_nodes
from .root import lock_shared, read_root, wipe
from .status import KeyStatus, State, status

MOST = 100
Living = dict[bytes, int]
"""Which slots of a node open, as a mask of 64 bits, by path."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, and where."""

    where: str
    what: str


@dataclass(frozen=True)
class Verification:
    """What was looked at, and what was wrong (at most 100 findings are kept; `cut` counts the others)."""

    epoch: int
    nodes: int
    claims: int
    findings: tuple[Finding, ...]
    cut: int


def verify(session: Session) -> Verification:
    """Open every node and every claim of every tenant, compare books and holders.

    Holds the tree shared meanwhile, so that nobody drops keys. Raises RefusedError off a key host.
    """
    with transaction(session):
        lock_shared(session)
        found = status(session, count=False)
        nodes = {row[0]: row[1:] for row in queries("key").all_nodes(session.conn)}
        living, problems = _open_tree(session, found, nodes)
        claims, wrong = _check_claims(session, living)
        problems += [*wrong, *_check_places(found), *_check_roots(session, found)]
        problems += _check_books(session, found, nodes)
    return Verification(found.epoch, len(nodes), claims, tuple(problems[:MOST]), max(0, len(problems) - MOST))


def _name(path: bytes) -> str:
    return f"node {path.hex() or 'top'}"


def _open_tree(
    session: Session, found: KeyStatus, nodes: Mapping[bytes, tuple[int, int, bytes]]
) -> tuple[Living, list[Finding]]:
    tree_id = found.tree_id.bytes
    root = read_root(open_holders(session.profile.holders), found.tree_id, found.epoch)
    top = top_key(root, tree_id, found.epoch)
    wipe(root)
    opened: dict[bytes, OpenNode] = {}
    living: Living = {}
    problems = []
    for path in sorted(nodes):
        version, _change, blob = nodes[path]
        try:
            key = opened[path[:-1]].key(path[-1]) if path else top
            node = OpenNode(tree_id, path, version, blob, key)
            living[path] = sum(1 << slot for slot in range(FAN_OUT) if node[slot] is not None)
            opened[path] = node
        except KeyError:
            problems.append(Finding(_name(path), "the node above it is missing or does not open"))
        except SealError as problem:
            problems.append(Finding(_name(path), problem.what))
    return living, problems


def _check_claims(session: Session, living: Living) -> tuple[int, list[Finding]]:
    """Count the claims; each must have a slot that opens, below its counter, and to itself."""
    counters = {(tenant, space): next_no for tenant, space, next_no in queries("key").counters(session.conn)}
    seen: set[tuple[int, int, int]] = set()
    problems, count = [], 0
    for tenant, key_no, space, number in queries("key").claimed(session.conn):
        count += 1
        where = f"tenant {tenant}, {Counter(space).name.lower().replace('_', ' ')}, number {number}"
        if key_no is None:
            problems.append(Finding(where, "claimed for a tenant that is not in the directory"))
            continue
        if number >= counters.get((tenant, space), 0):
            problems.append(Finding(where, "claimed, but the counter has not reached it"))
        if (tenant, space, number) in seen:
            problems.append(Finding(where, "claimed twice"))
        seen.add((tenant, space, number))
        base = tenant_nodes(key_no)[Counter(space).is_duty]
        leaf, slot = locate(base, Counter(space).first, number)
        if not living.get(leaf, 0) >> slot & 1:
            problems.append(Finding(where, "claimed, but its slot does not open"))
    return count, problems


def _check_places(found: KeyStatus) -> Iterator[Finding]:
    """Yield what is wrong with holders and books by themselves."""
    for holder in found.holders:
        if holder.problem:
            yield Finding(f"holder {holder.name}", holder.problem)
        elif holder.epochs != (found.epoch,):
            have = ", ".join(map(str, holder.epochs)) or "none"
            yield Finding(
                f"holder {holder.name}", f"has roots of epochs: {have}; the tree is at {found.epoch}"
            )
    for book in found.books:
        if book.problem:
            yield Finding(f"book {book.name}", book.problem)
        elif book.tree_id != found.tree_id or book.epoch != found.epoch:
            yield Finding(f"book {book.name}", f"stands at epoch {book.epoch}, the tree at {found.epoch}")
    for row in found.left_out:
        yield Finding(f"{row.kind} {row.name}", f"registered as {row.place_id}, and left out here")
    if found.state is State.BEHIND:
        yield Finding(
            "database", "older than its books or holders: a restore, or a failover that lost a commit"
        )


def _check_roots(session: Session, found: KeyStatus) -> Iterator[Finding]:
    """Yield a finding when holders have different secrets for the same epoch."""
    whole = {holder.name for holder in found.holders if found.epoch in holder.epochs}
    holders = [holder for holder in open_holders(session.profile.holders) if holder.name in whole]
    roots = [holder.get(found.tree_id, found.epoch) for holder in holders]
    if any(root != roots[0] for root in roots):
        yield Finding("holders", "hold different roots of the same epoch")
    for root in roots:
        wipe(root)


def _check_books(
    session: Session, found: KeyStatus, nodes: Mapping[bytes, tuple[int, int, bytes]]
) -> Iterator[Finding]:
    """Yield where books and database differ; nodes that are newer than the whole book may be missing."""
    marks = {(tenant, mark) for tenant, mark, _epoch, _at in queries("key").tombstones(session.conn, epoch=0)}
    states = {state.name: state for state in found.books}
    for book in open_books(session.profile.books):
        state = states[book.name]
        if state.problem or state.tree_id != found.tree_id or state.epoch != found.epoch:
            continue
        try:
            kept, kept_marks = book.nodes(), book.marks()
        except RefusedError as problem:
            yield Finding(f"book {book.name}", problem.what)
            continue
        for path in sorted({*kept, *nodes}):
            if path not in kept and nodes[path][1] <= state.change:
                yield Finding(f"book {book.name}", f"lacks {_name(path)}")
            elif path in kept and kept[path] != nodes.get(path):
                yield Finding(f"book {book.name}", f"differs from the database at {_name(path)}")
        if kept_marks != marks:
            yield Finding(f"book {book.name}", "its tombstones are not the database's")
