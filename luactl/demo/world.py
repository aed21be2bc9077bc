"""Where the demo happens: a home of its own, the program run in it, and a superuser who looks behind it."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from .. import embedded
from ..config import find_paths, load_profile, save_profile
from ..errors import LuactlError
from ..passfile import verifier_of

PROFILE = "local"
PROGRAM = (sys.executable, "-m", "luactl.commands.main")
COMMAND_SECONDS = 300


class DemoError(LuactlError):
    """A command of the demo ended otherwise than it should."""


@dataclass(frozen=True)
class Told:
    """One step of the story."""

    title: str
    commands: tuple[str, ...]
    """What a person would type."""
    held: bool
    """Whether the independent query agrees."""
    evidence: str
    """What the query found."""


@dataclass(frozen=True)
class Answer:
    """What a command returned."""

    code: int
    data: Any
    error: str


@dataclass(frozen=True)
class World:
    """A throw-away home."""

    home: Path

    @property
    def environ(self) -> dict[str, str]:
        """The environment in which the demo's commands run."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LUACTL_"))}
        alone = {"LUACTL_SYSTEM_CONFIG": "", "LUACTL_PROJECT_CONFIG": ""}
        return {**kept, **alone, "LUACTL_HOME": str(self.home)}

    def run(self, *arguments: str, stdin: str = "", expect: int = 0, profile: str | None = None) -> Answer:
        """Run luactl and return its data; `-o json` is added. Raises DemoError for another exit code."""
        chosen = ["--profile", profile] if profile else []
        done = subprocess.run(
            [*PROGRAM, "-o", "json", *chosen, *arguments],
            env=self.environ, input=stdin, timeout=COMMAND_SECONDS,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != expect:
            raise DemoError(
                f"`{typed(*arguments)}` ended with {done.returncode}, not {expect}: {done.stderr.strip()}"
            )
        return Answer(done.returncode, json.loads(done.stdout)["data"] if done.stdout else None, done.stderr)

    def superuser(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect past luactl, as the superuser of the embedded server."""
        options = psycopg.conninfo.conninfo_to_dict(load_profile(None, self.environ).dsn)
        dsn = embedded.superuser_conninfo(self.server, str(options["dbname"]), embedded.start(self.server))
        return psycopg.connect(dsn, autocommit=True)

    @property
    def server(self) -> embedded.Server:
        """The embedded server of the home."""
        return embedded.Server(find_paths(self.environ).server(PROFILE), embedded.bundled_binaries())

    @contextmanager
    def looking(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Give the superuser's connection for one look."""
        with closing(self.superuser()) as conn:
            yield conn

    @contextmanager
    def looking_as(self, login: str, tenant_id: int) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Give a connection that is a login's, in the context of a tenant."""
        with self.looking() as conn:
            conn.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(login)))
            with conn.transaction(force_rollback=True):
                conn.execute(sql.SQL("SET LOCAL lua.tenant_id = {}").format(sql.Literal(tenant_id)))
                yield conn

    def add_login(self, login: str, grant: str) -> None:
        """Make a login with a membership (`lua_app`, `lua_dpo WITH …`), and a profile of that name."""
        paths, profile = find_paths(self.environ), load_profile(None, self.environ)
        password, passfile = secrets.token_urlsafe(24), paths.passfile(login)
        with self.looking() as conn:
            verifier = verifier_of(conn, login, password)
            name, noinherit = (
                sql.Identifier(login),
                sql.SQL(" NOINHERIT" if login.endswith("trainee") else ""),
            )
            conn.execute(
                sql.SQL("CREATE ROLE {} LOGIN{} PASSWORD {}").format(name, noinherit, sql.Literal(verifier))
            )
            conn.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(grant), name))
        passfile.touch(mode=0o600)
        passfile.write_text(f"*:*:*:{login}:{password}\n", encoding="utf-8")
        dsn = psycopg.conninfo.make_conninfo(profile.dsn, user=login, passfile=str(passfile))
        save_profile(paths, replace(profile, name=login, dsn=dsn, passfile=passfile, server=PROFILE))

    def make_throwaway(self) -> None:
        """Mark home and database as throw-away, which alone may have their clock moved."""
        with self.looking() as conn:
            conn.execute("UPDATE lua.deployment SET throwaway = true")
        self._change_profile(timedelta(0))

    def move_clock(self, shift: timedelta) -> None:
        """Let the home's clock run ahead."""
        self._change_profile(shift)

    def _change_profile(self, shift: timedelta) -> None:
        profile = load_profile(None, self.environ)
        save_profile(find_paths(self.environ), replace(profile, throwaway=True, clock_shift=shift))

    def roots(self) -> list[Path]:
        """The files of the root secret, as they lie with the first holder."""
        holder = load_profile(None, self.environ).holders[0].removeprefix("file:")
        return sorted(Path(holder).glob("root-*.key"))


def typed(*arguments: str) -> str:
    """Return the command line as a person would type it."""
    return shlex.join(["luactl", *(Path(one).name if one.startswith("/") else one for one in arguments)])


def new_home() -> World:
    """Make an empty home with the seed files in `files/`."""
    home = Path(tempfile.mkdtemp(prefix="luactl-demo-"))
    home.chmod(0o711)  # the server's own account must be able to pass when root runs the demo
    (home / "files").mkdir(mode=0o700)
    for seed in files("luactl.demo").joinpath("seed").iterdir():
        (home / "files" / seed.name).write_bytes(seed.read_bytes())
    return World(home)


def throw_away(world: World) -> None:
    """Stop the server and remove the home."""
    if world.server.base.exists():
        embedded.stop(world.server)
    shutil.rmtree(world.home)
