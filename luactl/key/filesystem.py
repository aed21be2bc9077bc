"""Which file system a directory lies on, and whether overwriting in place reaches its blocks there.

Reads /proc/self/mountinfo (Linux). What was tested is named; about anything else no claim is made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
CLEAR = "clear"
_ESCAPE = re.compile(r"\\([0-7]{3})")
_DEVICE = re.compile(r"^/dev/(?!mapper/|dm-)")


@dataclass(frozen=True)
class FileSystem:
    """One mount: its type, options and source as the kernel lists them."""

    kind: str
    source: str
    options: frozenset[str]

    @property
    def level(self) -> str | None:
        """`clear` (NIST SP 800-88, logical blocks) where overwriting was tested, else None: no claim.

        Tested: ext4 directly on a device, with data=ordered or writeback. A device-mapper volume may
        have snapshots; data=journal keeps a second copy of every block.
        """
        tested = self.kind == "ext4" and "data=journal" not in self.options and _DEVICE.match(self.source)
        return CLEAR if tested else None


UNKNOWN = FileSystem("unknown", "", frozenset())


def _path(text: str) -> Path:
    return Path(_ESCAPE.sub(lambda m: chr(int(m[1], 8)), text))


@lru_cache(maxsize=2)
def parse(mountinfo: str) -> dict[Path, FileSystem]:
    """Return mount points with what is mounted there; the last mount on a point wins.

    The same text is parsed once: hosts with containers have hundreds of mounts.
    """
    mounts = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, source, super_options = right.split(" ", 2)
        fields = left.split(" ")
        options = frozenset(f"{fields[5]},{super_options}".split(","))
        mounts[_path(fields[4])] = FileSystem(kind, _path(source).as_posix(), options)
    return mounts


def find(directory: Path, mountinfo: Path = MOUNTINFO) -> FileSystem:
    """Return the file system that a directory lies on; UNKNOWN where the kernel does not say."""
    try:
        mounts = parse(mountinfo.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError):
        return UNKNOWN
    place = directory.resolve()
    for point in (place, *place.parents):
        if point in mounts:
            return mounts[point]
    return UNKNOWN
