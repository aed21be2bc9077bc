"""What a report of a fault must say of this installation: versions, and nothing about anybody."""

from __future__ import annotations

import platform
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from .errors import LuactlError


@dataclass(frozen=True)
class Version:
    """The version alone."""

    luactl: str


@dataclass(frozen=True)
class Versions:
    """Everything that a fault may hang on."""

    luactl: str
    schema: int
    """Newest migration that this luactl knows."""
    python: str
    system: str
    libpq: str
    packages: dict[str, str]
    """Versions of what luactl is built on."""
    server: str
    """Postgres of the profile; why it was not asked, without naming it."""
    server_schema: str


def short() -> Version:
    """Return luactl's own version."""
    return Version(version("luactl"))


def full(profile_name: str | None = None) -> Versions:
    """Return all versions; a server that cannot be asked, or an embedded one that does not run, says so."""
    from psycopg import pq

    from .schema import newest_version

    server, server_schema = _server(profile_name)
    number = pq.version()
    return Versions(
        luactl=version("luactl"),
        schema=newest_version(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        libpq=f"{number // 10000}.{number % 10000} ({pq.__impl__})",
        packages=dict(_packages()),
        server=server,
        server_schema=server_schema,
    )


def _packages() -> list[tuple[str, str]]:
    found = []
    for line in requires("luactl") or ():
        name = line.partition(";")[0]
        for sign in "[<>=~! ":
            name = name.partition(sign)[0]
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            found.append((name, "missing"))
    return found


def _server(profile_name: str | None) -> tuple[str, str]:
    """Return the server's version and its schema's, or why there is none; starts nothing."""
    from .config import load_profile
    from .connect import connect, server_of
    from .embedded import running_port

    try:
        profile = load_profile(profile_name)
        if profile.embedded and running_port(server_of(profile)) is None:
            return "not running", ""
        with closing(connect(profile, command="version")) as conn:
            from .database import status

            found = status(conn, profile)
            return found.server_version, f"{found.schema_version or ''} {found.state}".strip()
    except LuactlError as problem:
        return f"none ({problem.exit.name.lower().replace('_', ' ')})", ""
