"""What has to reach the disk besides a file's own bytes, and what must not stay there."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK)
"""What a file system answers that knows no second name for a file, as on most USB sticks."""


def sync_directory(folder: Path) -> None:
    """Make the names in a directory durable: those that were created, replaced or removed. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def aside(path: Path, what: str) -> Path:
    """Return the hidden name beside `path` that this process alone uses while it replaces it."""
    return path.with_name(f".{path.name}.{os.getpid()}.{what}")


def sweep(path: Path) -> None:
    """Remove what killed processes left under such names, secrets perhaps among it. Raises OSError."""
    import shutil

    name = re.compile(rf"\.{re.escape(path.name)}\.([0-9]+)\.(new|old|data)")
    for entry in os.scandir(path.parent):
        found = name.fullmatch(entry.name)
        if found is None or _runs(int(found[1])):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    """Whether a process of that number runs; another one may have got it, and then the rest waits for it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_all(descriptor: int, data: bytes | bytearray) -> None:
    """Write every byte: on a disk that fills up the system writes what fits, and complains the next time.

    Raises OSError.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def create(path: Path, data: bytes | bytearray) -> None:
    """Write a new file of mode 0600, whatever the umask, that has reached the disk with its name on return.

    It is there whole or not at all, whenever the process dies. Follows no link. Raises FileExistsError,
    OSError.
    """
    if not path.name:  # the folder itself, or the root
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    _put(path, data, path, _name)


def _name(fresh: Path, path: Path) -> None:
    """Give a written file its name unless there is one: where rename replaces, a link refuses."""
    try:
        path.hardlink_to(fresh)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        fresh.replace(path)


def create_under_its_name(path: Path, data: bytes | bytearray) -> None:
    """Write such a file under its own name from the first byte on: a secret that must be found to be
    destroyed.

    It may be torn when the process dies. Raises FileExistsError, OSError.
    """
    _write(path, data)
    sync_directory(path.parent)


def _write(path: Path, data: bytes | bytearray) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes | bytearray, *, beside: Path | None = None) -> None:
    """Put a new file of mode 0600 in the place of another in one step, durably. Raises OSError.

    It is written beside its place; or beside another on the same file system, for a folder that may hold
    nothing else. What killed processes left there goes first.
    """
    _put(path, data, beside or path, Path.replace)


def _put(path: Path, data: bytes | bytearray, beside: Path, name: Callable[[Path, Path], object]) -> None:
    """Write a file aside, whole, and give it its name."""
    sweep(beside)
    fresh = aside(beside, "new")
    fresh.unlink(missing_ok=True)
    try:
        _write(fresh, data)
        name(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_directory(path.parent)
