"""Holders of the root secret: directories which keep one file an epoch, and can forget it (formats.md, 2.4).

Owns those files and nothing else. A root is handed out as a bytearray, so that who used it can wipe it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from ..disk import sync_directory
from ..errors import RefusedError
from .filesystem import FileSystem, find

MAGIC = b"LUAROOT1"
FILE_SIZE = 256
_NAME = re.compile(r"root-([0-9]{20})\.key")


@dataclass(frozen=True)
class Destroyed:
    """A holder's answer: the root of that epoch is gone, at the level that the place allows to claim."""

    holder: str
    epoch: int
    state: str
    level: str | None
    file_system: str


class UnusableRootError(RefusedError):
    """A slot file is torn, corrupt, of another tree, or open to others."""


class ForeignRootError(UnusableRootError):
    """A slot file holds the root of another tree, whose data nothing else may be able to open."""


def pack(tree_id: UUID, epoch: int, root: bytes | bytearray) -> bytearray:
    """Return the 256 bytes of a slot file."""
    body = bytearray(MAGIC + tree_id.bytes + epoch.to_bytes(8, "big") + root + bytes(160))
    return body + sha256(body).digest()


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
        handle = os.open(self._file(epoch), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.fchmod(handle, 0o600)
            os.write(handle, pack(tree_id, epoch, root))
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_directory(self.directory)

    def get(self, tree_id: UUID, epoch: int) -> bytearray:
        """Return the root of an epoch: 32 bytes. Raises FileNotFoundError, UnusableRootError."""
        raw, mode = self._read(epoch)
        what, kind = None, UnusableRootError
        if raw[:8] == MAGIC and raw[8:24] != tree_id.bytes:
            what, kind = f"key holder {self.name} holds the root of another database", ForeignRootError
        elif mode & 0o077:
            what = f"key holder {self.name}: others may read the root of epoch {epoch}"
        elif len(raw) != FILE_SIZE or raw[:8] != MAGIC or sha256(raw[:224]).digest() != raw[224:]:
            what = f"key holder {self.name}: the root of epoch {epoch} is torn or corrupt"
        elif int.from_bytes(raw[24:32], "big") != epoch:
            what = f"key holder {self.name}: the file of epoch {epoch} holds another epoch"
        root = raw[32:64]
        raw[:] = bytes(len(raw))
        if what:
            hint = "name the right directory in the profile, or recover from another holder"
            if mode & 0o077:
                hint = "chmod 600 the file, find out who read it, and rotate the root"
            raise kind(what, hint=hint)
        return root

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

    def destroy(self, epoch: int) -> Destroyed:
        """Overwrite the slot file in place, then remove it, both durably. Raises OSError."""
        answer = Destroyed(self.name, epoch, "destroyed", self.file_system.level, self.file_system.kind)
        try:
            handle = os.open(self._file(epoch), os.O_WRONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return answer
        try:
            os.write(handle, bytes(max(FILE_SIZE, os.fstat(handle).st_size)))
            os.fsync(handle)
        finally:
            os.close(handle)
        self._file(epoch).unlink()
        sync_directory(self.directory)
        return answer


def open_holders(names: Sequence[str]) -> list[FileHolder]:
    """Return the holders of a profile. Raises RefusedError for none, or for a kind that is not known."""
    if not names:
        raise RefusedError(
            "this host holds no keys, so nothing sealed can be opened here",
            hint="work on a key host, or name its holders in the profile",
        )
    found = []
    for name in names:
        kind, _, place = name.partition(":")
        if kind != "file" or not place.startswith("/"):
            raise RefusedError(
                f"key holder {name!r} is of no known kind", hint="write file:/absolute/directory"
            )
        found.append(FileHolder(Path(place)))
    return found
