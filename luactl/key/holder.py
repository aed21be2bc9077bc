"""Holders of the root secret: what keeps one root an epoch, and can forget it (formats.md, 2.4).

Owns what all holders can be asked, the bytes of a slot, and the holders that are directories; those that are
programs are `command`'s. A root is handed out as a bytearray, so that who used it can wipe it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from uuid import UUID

from ..disk import create_under_its_name, sync_directory, write_all
from ..errors import RefusedError
from ..profile.place import check, command_line, directory
from . import plate
from .filesystem import FileSystem, find

MAGIC = b"LUAROOT1"
FILE_SIZE = 256
_NAME = re.compile(r"root-([0-9]{20})\.key")


@dataclass(frozen=True)
class Destroyed:
    """A holder's answer: the root of that epoch is gone, or will be at a stated time; it gives it no more."""

    holder: str
    epoch: int
    state: str
    """destroyed, or scheduled."""
    level: str | None
    """What NIST SP 800-88 calls it (clear, purge); None where no level is claimed."""
    file_system: str
    """What it lay on: a file system, or what a program says of itself."""
    scheduled_at: datetime | None = None
    """When the destruction was asked for."""
    effective_at: datetime | None = None
    """From when on nobody can bring the root back."""
    place_id: UUID | None = None
    """Which place of the register the holder is."""


@dataclass(frozen=True)
class Medium:
    """What a holder keeps roots on, and the level of destruction that it can claim there."""

    kind: str
    level: str | None


class UnusableRootError(RefusedError):
    """A slot is torn, corrupt, of another tree, or open to others."""


class ForeignRootError(UnusableRootError):
    """A slot holds the root of another tree, whose data nothing else may be able to open."""


class HolderError(RefusedError):
    """A holder does not answer as it must: what it holds is not known."""


class Holder(plate.Plated, Protocol):
    """Whatever keeps roots: one slot of 256 bytes for each epoch, never overwritten, forgotten on demand."""

    def exists(self) -> bool:
        """Whether there is anything to ask yet."""
        ...

    def prepare(self) -> None:
        """Make it ready to take its first root. Raises OSError, HolderError."""
        ...

    def medium(self) -> Medium:
        """Return what it keeps roots on. Raises HolderError."""
        ...

    def epochs(self) -> list[int]:
        """Return the epochs whose root it would give, whole or not. Raises RefusedError."""
        ...

    def put(self, tree_id: UUID, epoch: int, root: bytes | bytearray) -> None:
        """Keep a root durably. Raises FileExistsError when it has that epoch, OSError, HolderError."""
        ...

    def get(self, tree_id: UUID, epoch: int) -> bytearray:
        """Return a root: 32 bytes. Raises FileNotFoundError, UnusableRootError, HolderError."""
        ...

    def destroy(self, epoch: int) -> Destroyed:
        """Forget a root; asked again it gives the same answer. Raises OSError, HolderError."""
        ...


def pack(tree_id: UUID, epoch: int, root: bytes | bytearray) -> bytearray:
    """Return the 256 bytes of a slot file."""
    body = bytearray(MAGIC + tree_id.bytes + epoch.to_bytes(8, "big") + root + bytes(160))
    return body + sha256(body).digest()


def unpack(holder: str, tree_id: UUID, epoch: int, raw: bytearray) -> bytearray:
    """Return the root in the bytes of a slot, which are wiped. Raises UnusableRootError."""
    what, kind = None, UnusableRootError
    if raw[:8] == MAGIC and raw[8:24] != tree_id.bytes:
        what, kind = f"key holder {holder} holds the root of another database", ForeignRootError
    elif len(raw) != FILE_SIZE or raw[:8] != MAGIC or sha256(raw[:224]).digest() != raw[224:]:
        what = f"key holder {holder}: the root of epoch {epoch} is torn or corrupt"
    elif int.from_bytes(raw[24:32], "big") != epoch:
        what = f"key holder {holder}: the slot of epoch {epoch} holds another epoch"
    root = raw[32:64]
    raw[:] = bytes(len(raw))
    if what:
        raise kind(what, hint="name the right place in the profile, or recover from another holder")
    return root


@dataclass(frozen=True)
class FileHolder:
    """`file:/directory`: mode 0700, one file of mode 0600 for each epoch."""

    directory: Path

    @property
    def name(self) -> str:
        """The holder as the profile writes it."""
        return f"file:{self.directory}"

    @property
    def file_system(self) -> FileSystem:
        """What the directory lies on."""
        return find(self.directory)

    def exists(self) -> bool:
        """Whether the directory is there."""
        return self.directory.exists()

    def medium(self) -> Medium:
        """Return the directory's file system."""
        system = self.file_system
        return Medium(system.kind, system.level)

    def _file(self, epoch: int) -> Path:
        return self.directory / f"root-{epoch:020d}.key"

    def prepare(self) -> None:
        """Create the directory if it is not there; nobody else may enter it."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.directory.stat().st_mode & 0o077:
            self.directory.chmod(0o700)

    def epochs(self) -> list[int]:
        """Return the epochs that have a slot file, whole or not. Raises RefusedError."""
        try:
            names = [_NAME.fullmatch(entry.name) for entry in self.directory.iterdir()]
        except OSError as problem:
            raise RefusedError(
                f"key holder {self.name} is not there: {problem.strerror}",
                hint="mount or restore it; roots are made by `luactl init` only",
            ) from None
        return sorted(int(name[1]) for name in names if name)

    def put(self, tree_id: UUID, epoch: int, root: bytes | bytearray) -> None:
        """Write a root durably: on return it has reached the disk. Raises OSError."""
        create_under_its_name(self._file(epoch), pack(tree_id, epoch, root))

    def get(self, tree_id: UUID, epoch: int) -> bytearray:
        """Return the root of an epoch: 32 bytes. Raises FileNotFoundError, UnusableRootError."""
        raw, mode = self._read(epoch)
        if mode & 0o077 and bytes(raw[8:24]) in (b"", tree_id.bytes):
            raise UnusableRootError(
                f"key holder {self.name}: others may read the root of epoch {epoch}",
                hint="chmod 600 the file, find out who read it, and rotate the root",
            )
        return unpack(self.name, tree_id, epoch, raw)

    def _read(self, epoch: int) -> tuple[bytearray, int]:
        """Return the bytes and the mode of a slot file."""
        try:
            handle = os.open(self._file(epoch), os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise
        except OSError as problem:
            raise UnusableRootError(f"key holder {self.name} cannot be read: {problem.strerror}") from None
        try:
            return bytearray(os.read(handle, FILE_SIZE + 1)), os.fstat(handle).st_mode
        finally:
            os.close(handle)

    def plate(self) -> bytes:
        """Return the name plate; nothing when there is none. Raises OSError."""
        return plate.read(self.directory)

    def lay_plate(self, new: bytes) -> None:
        """Write the name plate durably. Raises OSError."""
        plate.lay(self.directory, new)

    def take_plate(self) -> None:
        """Remove the name plate. Raises OSError."""
        plate.take(self.directory)

    def destroy(self, epoch: int) -> Destroyed:
        """Overwrite the slot file in place, then remove it, both durably. Raises OSError."""
        system = self.file_system
        answer = Destroyed(self.name, epoch, "destroyed", system.level, system.kind)
        try:
            handle = os.open(self._file(epoch), os.O_WRONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return answer
        try:
            write_all(handle, bytes(max(FILE_SIZE, os.fstat(handle).st_size)))
            os.fsync(handle)
        finally:
            os.close(handle)
        self._file(epoch).unlink()
        sync_directory(self.directory)
        return answer


def open_holders(names: Sequence[str]) -> list[Holder]:
    """Return the holders of a profile. Raises RefusedError for none, or for a kind that is not known."""
    if not names:
        raise RefusedError(
            "this host holds no keys, so nothing sealed can be opened here",
            hint="work on a key host, or have keys released to you: docs/how-to/release-keys.md",
        )
    return [open_holder(name) for name in names]


def open_holder(name: str) -> Holder:
    """Return the holder of that name. Raises RefusedError for a kind that is not known."""
    check(name)
    words, folder = command_line(name), directory(name)
    if folder is not None:
        return FileHolder(folder)
    from .command import CommandHolder

    return CommandHolder(words or ())
