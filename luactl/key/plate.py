"""Name plates: the id of a holder or key book lies in the place itself; every host reads the same one.

256 bytes, as a slot file has (formats.md, 2.4): magic, tree id, place id, zeros, SHA-256. A folder has them
in a file; a holder that is a program keeps them in the slot of epoch 0, which never has a root.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Protocol
from uuid import UUID

from ..disk import replace_file

MAGIC = b"LUAPLACE"
SIZE = 256
FILE_NAME = "place.id"
EPOCH = 0


class Plated(Protocol):
    """What can bear a plate: a holder or a key book."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def plate(self) -> bytes:
        """Return the plate; nothing when there is none. Raises HolderError, OSError."""
        ...

    def lay_plate(self, plate: bytes) -> None:
        """Write the plate durably, in the place of another. Raises HolderError, OSError."""
        ...

    def take_plate(self) -> None:
        """Remove the plate, if there is one. Raises HolderError, OSError."""
        ...


def pack(tree_id: UUID, place_id: UUID) -> bytes:
    """Return the 256 bytes of a plate."""
    body = MAGIC + tree_id.bytes + place_id.bytes
    body += bytes(SIZE - 32 - len(body))
    return body + sha256(body).digest()


def unpack(tree_id: UUID, plate: bytes) -> UUID | None:
    """Return the id on a plate; None for no plate, a torn one, or one of another tree."""
    if len(plate) != SIZE or plate[:8] != MAGIC or sha256(plate[:-32]).digest() != plate[-32:]:
        return None
    return UUID(bytes=plate[24:40]) if plate[8:24] == tree_id.bytes else None


def read(folder: Path) -> bytes:
    """Return the plate of a folder; nothing when there is none. Raises OSError, also for no folder."""
    try:
        return (folder / FILE_NAME).read_bytes()
    except FileNotFoundError:
        if not folder.is_dir():
            raise
        return b""


def lay(folder: Path, plate: bytes) -> None:
    """Write the plate of a folder durably, in the place of another. Raises OSError."""
    replace_file(folder / FILE_NAME, plate)


def take(folder: Path) -> None:
    """Remove the plate of a folder, if there is one. Raises OSError."""
    (folder / FILE_NAME).unlink(missing_ok=True)
