"""Checks of files, disks and folders: no connection is needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..profile.place import directories
from ..profile.production import problems
from .finding import Finding, Look

LEAST_FREE = 1 << 30
LEAST_SHARE = 0.1


def files(look: Look) -> Iterator[Finding]:
    """Yield folders and files that others may look into or write to, and what is not there."""
    for folder in (look.paths.config, look.paths.data, look.paths.keys):
        if folder.exists():
            yield from _private(folder, 0o077, "700")
    if look.paths.config_file.exists():
        yield from _private(look.paths.config_file, 0o022, "600")
    passfile, key = look.profile.passfile, look.profile.signing_key
    if passfile is not None and not passfile.exists():
        yield Finding(
            f"the password file {passfile} is missing", "restore it, or correct passfile in the profile"
        )
    elif passfile is not None:
        yield from _private(passfile, 0o077, "600")
    if key.exists():
        yield from _private(key, 0o077, "600")


def _private(path: Path, forbidden: int, mode: str) -> Iterator[Finding]:
    found = path.stat()
    if found.st_mode & forbidden:
        yield Finding(
            f"{path} is open to others (mode {found.st_mode & 0o777:o})",
            f"chmod {mode} {path}; who has read it?",
        )
    if found.st_uid not in (0, os.geteuid()):
        yield Finding(
            f"{path} belongs to somebody else (uid {found.st_uid})", f"chown it to uid {os.geteuid()}"
        )


def disk_space(look: Look) -> Iterator[Finding]:
    """Yield the disks of config, data, holders and books that are nearly full."""
    holders = directories(look.profile.holders)
    seen = set()
    for place in (look.paths.config, look.paths.data, look.paths.keys, *holders, *look.profile.books):
        disk = next(one for one in (place, *place.parents) if one.exists())
        if disk.stat().st_dev in seen:
            continue
        seen.add(disk.stat().st_dev)
        usage = look.usage(disk)
        if usage.free < LEAST_FREE and usage.free < usage.total * LEAST_SHARE:
            yield Finding(
                f"the disk of {place} has {usage.free / (1 << 20):,.0f} MiB left",
                "make room: keys and books are written before anything is dropped",
            )


def production_places(look: Look) -> Iterator[Finding]:
    """Yield what production demands of the places of keys and is not so."""
    if look.profile.production:
        for problem in problems(look.profile, look.environ):
            yield Finding(
                f"profile {look.profile.name} is production: {problem}", "docs/reference/profiles.md"
            )


def interrupted_init(look: Look) -> Iterator[Finding]:
    """Yield a making of keys that was cut short."""
    mark = look.paths.keys / look.profile.name / "unfinished"
    if mark.exists():
        yield Finding("making the keys was interrupted", "run `luactl init` again: it finishes")
