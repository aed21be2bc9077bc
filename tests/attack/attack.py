"""Given every old copy and a root secret: open whatever opens, and say what it was.

    python -m tests.attack.attack --bin DIR --root FILE --base COPY [--base COPY …] --raw DIR … --book FILE …

Prints JSON: how much was found, and every value that opened. Written from docs/reference/formats.md alone;
shares no code with luactl.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .blobs import Frame, Node, frame, frames_in, nodes_in
from .copies import opened, raw_streams
from .keys import Root, hkdf, numbered, reach, read_root

ROWS = {
    ("crm.subject", "personal"): "SELECT tenant_id, subject_id, subject_id::text, personal FROM crm.subject",
    ("crm.contact", "personal"): "SELECT tenant_id, subject_id, contact_id::text, personal FROM crm.contact",
    (
        "crm.interaction",
        "personal",
    ): "SELECT tenant_id, subject_id, interaction_id::text, personal FROM crm.interaction",
    (
        "crm.invoice",
        "accounting",
    ): "SELECT tenant_id, subject_id, invoice_id::text, accounting FROM crm.invoice",
    ("crm.invoice_line", "accounting"): """SELECT l.tenant_id, i.subject_id, l.invoice_id || '/' || l.line_no,
        l.accounting FROM crm.invoice_line l JOIN crm.invoice i USING (tenant_id, invoice_id)""",
}
CLASSES = {"crm.invoice": {3}, "crm.invoice_line": {3}}


@dataclass(frozen=True)
class Place:
    """Where a sealed value belongs."""

    tenant_id: int
    subject_id: str
    table: str
    column: str
    row_id: str

    def text(self) -> bytes:
        """The associated data that binds a value to its place (formats 3)."""
        parts = ("luactl/1", self.tenant_id, self.subject_id, self.table, self.column, self.row_id)
        return "|".join(map(str, parts)).encode()


@dataclass
class Loot:
    """Everything read from all copies."""

    nodes: set[Node]
    frames: set[Frame]
    places: set[Place]
    slots: set[tuple[int, str, int, int]]
    periods: set[tuple[int, int, int]]
    key_no: dict[int, int]


def steal_by_sql(connection: psycopg.Connection[tuple[Any, ...]], loot: Loot) -> None:
    """Read what a superuser of a copied server reads."""
    for path, version, blob in connection.execute("SELECT path, version, blob FROM vault.node"):
        loot.nodes.add(Node(path, version, blob))
    for (table, column), statement in ROWS.items():
        for tenant_id, subject_id, row_id, sealed in connection.execute(statement):  # type: ignore[call-overload]
            loot.places.add(Place(tenant_id, str(subject_id), table, column, row_id))
            if sealed:
                loot.frames.add(frame(sealed))
    for tenant_id, subject_id, key_class, number in connection.execute(
        "SELECT tenant_id, subject_id, key_class, slot_no FROM vault.slot"
    ):
        loot.slots.add((tenant_id, str(subject_id), key_class, number))
    loot.periods.update(connection.execute("SELECT tenant_id, period_id, slot_no FROM vault.period"))  # type: ignore[arg-type]
    loot.key_no.update(connection.execute("SELECT tenant_id, key_no FROM lua.tenant_directory"))  # type: ignore[arg-type]


def steal(arguments: argparse.Namespace) -> Loot:
    """Collect nodes, sealed values and the way to their keys from all copies."""
    loot = Loot(set(), set(), set(), set(), set(), {})
    with tempfile.TemporaryDirectory(dir="/tmp") as scratch:
        Path(scratch).chmod(0o755)
        for copy in arguments.base:
            with opened(copy, arguments.bin, Path(scratch), arguments.database) as connection:
                steal_by_sql(connection, loot)
    for directory in (*arguments.base, *arguments.raw):
        for _, stream in raw_streams(directory):
            loot.nodes.update(nodes_in(stream))
            loot.frames.update(frames_in(stream))
    for book in arguments.book:
        with sqlite3.connect(f"file:{book}?mode=ro", uri=True) as database:
            loot.nodes.update(Node(*row) for row in database.execute("SELECT path, version, blob FROM node"))
        database.close()
    return loot


def tenant_base(key_no: int, duty: bool) -> bytes:
    """Path of a tenant's node or of its duty node."""
    return numbered(b"", 8, 2 * key_no + duty)


def subject_keys(loot: Loot, keys: Mapping[bytes, set[bytes]]) -> dict[tuple[int, str, int], set[bytes]]:
    """Reachable keys of each tenant, subject and class."""
    found: dict[tuple[int, str, int], set[bytes]] = defaultdict(set)
    for tenant_id, subject_id, key_class, number in loot.slots:
        path = numbered(tenant_base(loot.key_no[tenant_id], key_class > 2), 8, number)
        found[tenant_id, subject_id, key_class] |= keys.get(path, set())
    return found


def period_keys(loot: Loot, keys: Mapping[bytes, set[bytes]]) -> dict[tuple[int, int], set[bytes]]:
    """Reachable keys of each tenant and period."""
    found: dict[tuple[int, int], set[bytes]] = defaultdict(set)
    for tenant_id, period_id, number in loot.periods:
        path = numbered(tenant_base(loot.key_no[tenant_id], period_id >> 24 == 3), 16, number)
        found[tenant_id, period_id] |= keys.get(path, set())
    return found


def try_open(
    sealed: Frame, place: Place, subjects: Iterable[bytes], periods: Iterable[bytes]
) -> bytes | None:
    """Open one value at one place with any pair of keys."""
    info = b"luactl/1|row|" + bytes([sealed.key_class])
    for subject_key in subjects:
        for period_key in periods:
            cipher = AESGCM(hkdf(subject_key + period_key, b"", info))
            try:
                return cipher.decrypt(sealed.raw[10:22], sealed.raw[22:], place.text())
            except InvalidTag:
                continue
    return None


def open_everything(loot: Loot, root: Root) -> Iterator[tuple[Place, Frame, bytes]]:
    """First by the claims of the tables; then, for what stays shut, every reachable key at every place."""
    keys = reach(root, loot.nodes)
    by_subject, by_period = subject_keys(loot, keys), period_keys(loot, keys)
    ciphers: dict[tuple[int, str, int, int], list[AESGCM]] = {}
    texts = {place: place.text() for place in loot.places}

    def claimed(place: Place, sealed: Frame) -> list[AESGCM]:
        name = (place.tenant_id, place.subject_id, sealed.key_class, sealed.period_id)
        if name not in ciphers:
            info = b"luactl/1|row|" + bytes([sealed.key_class])
            ciphers[name] = [
                AESGCM(hkdf(subject + period, b"", info))
                for subject in by_subject[place.tenant_id, place.subject_id, sealed.key_class]
                for period in by_period[place.tenant_id, sealed.period_id]
            ]
        return ciphers[name]

    shut = []
    opened_places: set[Place] = set()
    for sealed in loot.frames:
        for place in loot.places:
            if sealed.key_class not in CLASSES.get(place.table, {1, 2}):
                continue
            plain = first_open(claimed(place, sealed), sealed, texts[place])
            if plain is not None:
                opened_places.add(place)
                yield place, sealed, plain
                break
        else:
            shut.append(sealed)
    unseen = [place for place in loot.places if place not in opened_places]
    every = {key for found in keys.values() for key in found}
    for sealed in shut:
        for place in unseen:
            if sealed.key_class not in CLASSES.get(place.table, {1, 2}):
                continue
            plain = try_open(sealed, place, every, by_period[place.tenant_id, sealed.period_id])
            if plain is not None:
                yield place, sealed, plain
                break


def first_open(ciphers: Iterable[AESGCM], sealed: Frame, text: bytes) -> bytes | None:
    """Open with the first cipher that fits."""
    for cipher in ciphers:
        try:
            return cipher.decrypt(sealed.raw[10:22], sealed.raw[22:], text)
        except InvalidTag:
            continue
    return None


def main() -> None:
    """Read the command line, attack, print what opened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="where postgres is")
    parser.add_argument("--database", default="postgres")
    parser.add_argument("--root", type=Path, required=True, help="a holder's root file")
    parser.add_argument("--base", type=Path, action="append", default=[], help="a copied data directory")
    parser.add_argument("--raw", type=Path, action="append", default=[], help="any other directory of bytes")
    parser.add_argument("--book", type=Path, action="append", default=[], help="a key book")
    arguments = parser.parse_args()
    loot = steal(arguments)
    root = read_root(arguments.root)
    values = [
        {
            "tenant": place.tenant_id,
            "subject": place.subject_id,
            "table": place.table,
            "row": place.row_id,
            "class": sealed.key_class,
            "plain": json.loads(plain),
        }
        for place, sealed, plain in open_everything(loot, root)
    ]
    found = {"nodes": len(loot.nodes), "frames": len(loot.frames), "places": len(loot.places)}
    json.dump({"epoch": root.epoch, "found": found, "opened": values}, sys.stdout)


if __name__ == "__main__":
    main()
