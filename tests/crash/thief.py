"""Who keeps every copy of everything, and has what the holders hold now: what opens for them.

Works with the code of tests/attack, which shares none with luactl.
"""

from __future__ import annotations

import re
from base64 import b64decode
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from attack.attack import CLASSES, Loot, Place, period_keys, steal_by_sql, subject_keys
from attack.blobs import Frame
from attack.keys import Root, hkdf, reach
from conftest import Connection
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from luactl.config import Profile

SLOT_BYTES = 256
ROOT_SLOT = re.compile("(hidden-)?[1-9][0-9]*")
"""What tests/holder_program.py calls a slot with a root in it; slot 0 says which holder it is."""


@dataclass(frozen=True)
class Opened:
    """A value that opened, and with which two keys."""

    place: Place
    frame: Frame
    plain: bytes
    keys: tuple[bytes, bytes] = field(repr=False)


@dataclass
class Thief:
    """What was carried away so far."""

    loot: Loot = field(default_factory=lambda: Loot(set(), set(), set(), set(), set(), {}))

    def copy(self) -> Thief:
        """Return another one with the same loot."""
        return Thief(deepcopy(self.loot))

    def steal(self, admin: Connection) -> None:
        """Carry away what stands in the database now."""
        steal_by_sql(admin, self.loot)

    def keys(self, roots: list[Root]) -> dict[bytes, set[bytes]]:
        """Return every key that hangs below these roots in any version of any node, by path."""
        found: dict[bytes, set[bytes]] = {}
        for root in roots:
            for path, keys in reach(root, self.loot.nodes).items():
                found.setdefault(path, set()).update(keys)
        return found

    def opens(self, keys: dict[bytes, set[bytes]]) -> dict[Place, set[Opened]]:
        """Return all values that open with such keys, by their place."""
        people, periods = subject_keys(self.loot, keys), period_keys(self.loot, keys)
        ciphers: dict[tuple[int, str, int, int], list[tuple[AESGCM, tuple[bytes, bytes]]]] = {}
        found: dict[Place, set[Opened]] = {}
        for frame in self.loot.frames:
            info = b"luactl/1|row|" + bytes([frame.key_class])
            for place in self.loot.places:
                if frame.key_class not in CLASSES.get(place.table, {1, 2}):
                    continue
                name = (place.tenant_id, place.subject_id, frame.key_class, frame.period_id)
                if name not in ciphers:
                    ciphers[name] = [
                        (AESGCM(hkdf(one + other, b"", info)), (one, other))
                        for one in people[name[:3]]
                        for other in periods[name[0], name[3]]
                    ]
                for cipher, pair in ciphers[name]:
                    try:
                        plain = cipher.decrypt(frame.raw[10:22], frame.raw[22:], place.text())
                    except InvalidTag:
                        continue
                    found.setdefault(place, set()).add(Opened(place, frame, plain, pair))
        return found


def roots_at(profile: Profile) -> list[list[Root]]:
    """Return every whole root secret at each holder: a directory, or a program that keeps them in one."""
    return [[root for raw in _slots(name) if (root := _whole(raw)) is not None] for name in profile.holders]


def _slots(holder: str) -> list[bytes]:
    kind, _, rest = holder.partition(":")
    if kind == "file":
        return [file.read_bytes() for file in sorted(Path(rest).glob("root-*.key"))]
    files = [file for file in sorted(Path(rest.split()[-1]).iterdir()) if ROOT_SLOT.fullmatch(file.name)]
    return [b64decode(file.read_text()) for file in files]


def _whole(raw: bytes) -> Root | None:
    """Read a slot (formats 2.4); None for one that is torn or overwritten."""
    if len(raw) != SLOT_BYTES or sha256(raw[:224]).digest() != raw[224:]:
        return None
    return Root(raw[8:24], int.from_bytes(raw[24:32], "big"), raw[32:64])
