"""A throw-away home with a running database, for measures that need one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

LUACTL = str(Path(sys.executable).with_name("luactl"))


@contextmanager
def home() -> Iterator[dict[str, str]]:
    """Yield the environment of a fresh home whose embedded server runs; both are gone afterwards."""
    with TemporaryDirectory(prefix="luactl-bench-") as folder:
        env = {**os.environ, "LUACTL_HOME": folder, "PGTZ": "UTC"}
        luactl(env, "init")
        try:
            yield env
        finally:
            luactl(env, "embedded", "stop")


def luactl(env: Mapping[str, str], *args: str) -> None:
    """Run one luactl command. Raises subprocess.CalledProcessError when it fails."""
    subprocess.run([LUACTL, "--quiet", *args], env=dict(env), stdout=subprocess.DEVNULL, check=True)


def dsn(env: Mapping[str, str]) -> str:
    """Return the libpq connection string that luactl itself uses in this home; the server must run."""
    from luactl.config import find_paths, load_profile
    from luactl.embedded import Server, bundled_binaries, running_port

    profile = load_profile(environ=env)
    port = running_port(Server(find_paths(env).server(profile.name), bundled_binaries()))
    passfile = f" passfile={profile.passfile}" if profile.passfile else ""
    return f"{profile.dsn} port={port}{passfile}"
