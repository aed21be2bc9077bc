"""What the tests of restores share: a practice with a server of its own, its backups, and ways to lose it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
from conftest import Home, isolated, run_program

from luactl import embedded
from luactl.config import find_paths, load_profile

PEOPLE = """CustomerId,FirstName,LastName,Email
1,Nele,Ångström,nele@praxis.example
2,Bruno,Oliveira,bruno@loja.example
3,Zoë,O'Hara,zoe@studio.example
"""
LATER = """CustomerId,FirstName,LastName,Email
4,Ida,Berg,ida@berg.example
"""
VISITS = """CustomerId,Date,Type,Text
1,2026-10-05T09:00:00Z,note,asked for a quiet room
2,2026-09-01T10:00:00Z,call,moved the appointment
"""


@dataclass
class Practice:
    """A home with a server of its own, three people in it, and the backups that were taken."""

    home: Home
    folder: Path
    people: dict[str, str] = field(default_factory=dict)

    @property
    def server(self) -> embedded.Server:
        return embedded.Server(self.home.paths.server("local"), embedded.bundled_binaries())

    def run(self, *arguments: str, code: int = 0, stdin: str | None = None) -> CompletedProcess[str]:
        done = run_program(self.home.environ, *arguments, stdin=stdin)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done

    def data(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "-o", "json", code=code).stdout)["data"]

    def take_in(self, text: str) -> None:
        self.run("crm", "customer", "import", "-", "--tenant", "smile", stdin=text)
        listed = self.data("crm", "customer", "list", "--tenant", "smile", "--limit", "0")
        self.people = {one["external_id"]: one["subject_id"] for one in listed}

    def erase(self, number: str) -> Any:
        who = self.people[number]
        order = ("--subject", who, "--instruction", "letter", "--yes")
        return self.data("erasure", "run", "--tenant", "smile", *order)

    def back_up(self, name: str) -> None:
        """Copy the data directory of the stopped server: data and keys of one moment."""
        embedded.stop(self.server)
        shutil.copytree(self.server.data, self.folder / name, symlinks=True)

    def put_back(self, name: str) -> None:
        """Put an old data directory in the place of today's. Holders, books and anchors stay as they are."""
        embedded.stop(self.server)
        owner = self.server.data.stat()
        shutil.rmtree(self.server.data)
        shutil.copytree(self.folder / name, self.server.data, symlinks=True)
        for path in (self.server.data, *self.server.data.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def readable(self) -> set[str]:
        listed = self.data("crm", "customer", "list", "--tenant", "smile", "--limit", "0")
        return {one["email"] for one in listed}

    def query(self, text: str) -> list[Any]:
        port = embedded.start(self.server)
        with closing(psycopg.connect(embedded.superuser_conninfo(self.server, "luactl", port))) as conn:
            return conn.execute(text).fetchall()  # type: ignore[call-overload]


EVERYBODY = {"nele@praxis.example", "bruno@loja.example", "zoe@studio.example"}


@contextmanager
def opened(tmp_path: Path) -> Iterator[Practice]:
    """Give a practice with three people, its log signed so far."""
    environ = isolated(tmp_path / "home")
    done = run_program(environ, "init")
    assert done.returncode == 0, done.stderr
    made = Practice(Home(tmp_path / "home", load_profile(None, environ), environ), tmp_path)
    try:
        made.run(
            "tenant",
            "create",
            "smile",
            "--name",
            "Smile",
            "--country",
            "DE",
            "--contact",
            "office@smile.example",
        )
        made.take_in(PEOPLE)
        made.run("crm", "interaction", "import", "-", "--tenant", "smile", stdin=VISITS)
        made.run("ledger", "integrate")
        yield made
    finally:
        embedded.stop(embedded.Server(find_paths(environ).server("local"), embedded.bundled_binaries()))
