"""A thief with old copies: keeps everything that ever lay in the database and tries what a root opens.

The demo's small cousin of tests/attack, which reads raw files; this one reads tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from ..db import queries
from ..key.classes import KeyClass, PeriodKey, Place, SealError, SubjectKey
from ..key.node import OpenNode, top_key
from ..key.path import SPACE_A, SPACE_B, locate, tenant_nodes
from ..key.seal import header, unseal

Node = tuple[bytes, int, bytes]


@dataclass(frozen=True)
class Root:
    """A root secret as a holder's file has it (docs/reference/formats.md, 2.4)."""

    epoch: int
    secret: bytes


def read_root(file: Path) -> Root:
    """Copy a root from a holder's file."""
    raw = file.read_bytes()
    return Root(int.from_bytes(raw[24:32], "big"), raw[32:64])


@dataclass(frozen=True)
class Loot:
    """What the thief carried away about one person."""

    tree_id: UUID
    tenant_id: int
    key_no: int
    subject_id: UUID
    nodes: frozenset[Node]
    subject_slots: tuple[tuple[int, int], ...]
    """Key class and slot number."""
    period_slots: tuple[tuple[int, int], ...]
    """Period id and slot number."""
    sealed: tuple[tuple[str, str, str, bytes], ...]
    """Table, column, row id, sealed value."""


def steal(conn: psycopg.Connection[tuple[Any, ...]], slug: str, subject_id: UUID) -> Loot:
    """Copy every node and everything sealed about a person, as a superuser can."""
    noun = queries("demo")
    tree_id, tenant_id, key_no = noun.tree(conn, slug=slug)
    claims = list(noun.claims(conn, subject=subject_id, tenant_id=tenant_id))
    return Loot(
        tree_id,
        tenant_id,
        key_no,
        subject_id,
        frozenset(noun.nodes(conn)),
        tuple((number, slot) for kind, number, slot in claims if kind == "subject"),
        tuple((number, slot) for kind, number, slot in claims if kind == "period"),
        tuple(noun.sealed_of_subject(conn, subject=subject_id)),
    )


def opened(loot: Loot, root: Root, more_nodes: Iterable[Node] = ()) -> list[str]:
    """Return the tables of all values that open with this root and any node version ever seen."""
    nodes = loot.nodes | frozenset(more_nodes)
    return [
        table
        for table, column, row, value in loot.sealed
        if _opens(loot, nodes, root, table, column, row, value)
    ]


def _opens(
    loot: Loot, nodes: frozenset[Node], root: Root, table: str, column: str, row_id: str, value: bytes
) -> bool:
    key_class, version, period_id = header(value)
    duty = key_class is KeyClass.ACCOUNTING
    base = tenant_nodes(loot.key_no)[duty]
    subjects = _keys(loot, nodes, root, base, SPACE_A, [n for c, n in loot.subject_slots if c == key_class])
    periods = _keys(loot, nodes, root, base, SPACE_B, [n for p, n in loot.period_slots if p == period_id])
    place = Place(loot.tenant_id, loot.subject_id, table, column, row_id)
    for subject in subjects:
        for period in periods:
            try:
                unseal(value, place, SubjectKey(version, subject), PeriodKey(period_id, period))
            except SealError:
                continue
            return True
    return False


def _keys(
    loot: Loot, nodes: frozenset[Node], root: Root, base: bytes, first: int, numbers: Iterable[int]
) -> set[bytes]:
    """Every key ever reachable for some numbers of a space, going down through all versions of all nodes."""
    found: set[bytes] = set()
    for number in numbers:
        leaf, slot = locate(base, first, number)
        keys = {top_key(root.secret, loot.tree_id.bytes, root.epoch)}
        for depth, step in enumerate([*leaf, slot]):
            here = [node for node in nodes if node[0] == leaf[:depth]]
            keys = {child for key in keys for node in here if (child := _child(loot, node, key, step))}
        found |= keys
    return found


def _child(loot: Loot, node: Node, key: bytes, slot: int) -> bytes | None:
    try:
        return OpenNode(loot.tree_id.bytes, *node, key)[slot]
    except SealError:
        return None
