"""What a profile that is marked `production = true` demands before anything is done through it.

TLS verified in full, before a password is sent; two holders and two key books, apart from each other and
from the data, before any key is changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import psycopg

from ..config import Profile, find_paths
from ..errors import RefusedError
from .place import directories

LEAST = 2


def device(path: Path) -> int:
    """Return the number of the file system that a path lies, or would lie, on."""
    while not path.exists():
        path = path.parent
    return path.stat().st_dev


def demand_tls(profile: Profile, environ: Mapping[str, str] = os.environ) -> None:
    """Refuse a production profile whose connection would not verify the server. Raises RefusedError."""
    if not profile.production:
        return
    from .libpq import effective

    found = {one.setting: one for one in effective(profile, environ)}
    mode = found.get("sslmode")
    if mode is None or mode.value != "verify-full":
        told = f"{mode.value} ({mode.origin})" if mode else "not set"
        raise RefusedError(
            f"profile {profile.name!r} is production and demands TLS with sslmode=verify-full; it is {told}",
            hint="add sslmode=verify-full and sslrootcert=FILE to the profile's dsn",
        )


def demand_encrypted(conn: psycopg.Connection[tuple[Any, ...]], profile: Profile) -> None:
    """Refuse a connection of a production profile that has no TLS: a socket, or a server without it."""
    if profile.production and not conn.pgconn.ssl_in_use:
        conn.close()
        raise RefusedError(
            f"profile {profile.name!r} is production and demands TLS; this connection has none",
            hint="reach the server by its host name: TLS is not spoken on a Unix socket",
        )


def demand_places(profile: Profile) -> None:
    """Refuse to change keys of a production profile whose key places do not suffice. Raises RefusedError."""
    if profile.production:
        for problem in problems(profile):
            raise RefusedError(
                f"profile {profile.name!r} is production: {problem}",
                hint="docs/reference/profiles.md says what it demands; `luactl doctor` lists what is missing",
            )


def problems(
    profile: Profile, environ: Mapping[str, str] = os.environ, device: Callable[[Path], int] = device
) -> Iterator[str]:
    """Yield what is wrong with the places of a profile's keys, by the demands of production."""
    holders = directories(profile.holders)
    for kind, places in (("holders of the root", profile.holders), ("key books", profile.books)):
        if len(places) < LEAST:
            yield f"it has {len(places)} {kind}, and needs {LEAST}"
    keys = [*holders, *profile.books]
    for one, other in combinations([place.resolve() for place in keys], 2):
        if _nested(one, other):
            yield f"{one} and {other} are not apart"
    if profile.embedded:
        yield from _beside_data(profile, keys, environ, device)


def _nested(one: Path, other: Path) -> bool:
    return one == other or one in other.parents or other in one.parents


def _beside_data(
    profile: Profile, keys: list[Path], environ: Mapping[str, str], device: Callable[[Path], int]
) -> Iterator[str]:
    """Yield which key places share a tree or a file system with the data of our own server."""
    data = find_paths(environ).server(profile.server_name).resolve()
    home = Path(environ["LUACTL_HOME"]).resolve() if environ.get("LUACTL_HOME") else None
    for place in (one.resolve() for one in keys):
        if _nested(place, data) or (home and home in place.parents and home in data.parents):
            yield f"{place} lies under one tree with the data in {data}"
        elif device(place) == device(data):
            yield f"{place} lies on one file system with the data in {data}"
