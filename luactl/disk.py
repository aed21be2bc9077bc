"""What has to reach the disk besides a file's own bytes, and what must not stay there."""

from __future__ import annotations

import os
import re
from pathlib import Path


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
