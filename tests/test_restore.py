"""A backup is put back: who was erased since stays unreadable, everybody else opens."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
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


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
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


EVERYBODY = {"nele@praxis.example", "bruno@loja.example", "zoe@studio.example"}


def test_without_a_restore_there_is_nothing_to_do(practice: Practice) -> None:
    before = practice.query("SELECT count(*) FROM ledger.entry")
    plan = practice.data("restore", "check", "--dry-run")
    assert (plan["keys"], plan["lost"], plan["unfinished"]) == (None, [], [])
    assert practice.data("restore", "check")["findings"] == []
    assert practice.query("SELECT count(*) FROM ledger.entry") == before


def test_a_restored_database_opens_with_the_keys_of_today(practice: Practice) -> None:
    practice.back_up("monday")
    erased = practice.erase("1")
    practice.take_in(LATER)
    practice.run("ledger", "integrate")
    practice.put_back("monday")
    refused = practice.run("crm", "customer", "list", "--tenant", "smile", code=5)
    assert "restore check" in refused.stderr

    plan = practice.data("restore", "check", "--dry-run")
    assert (plan["keys"]["epoch_from"], plan["keys"]["epoch_to"]) == (1, 2)
    assert plan["lost"][0]["size"] > plan["lost"][0]["kept"]
    assert practice.run("crm", "customer", "list", "--tenant", "smile", code=5)

    done = practice.data("restore", "check", "--yes")
    assert done["findings"] == []
    assert practice.readable() == EVERYBODY - {"nele@praxis.example"}
    assert practice.data("key", "verify")["findings"] == []
    log = practice.data("ledger", "verify")
    assert (log["ok"], [one["origin"] for one in log["lost"]]) == (True, [plan["lost"][0]["origin"]])
    practice.run("verify", erased["certificate"])
    assert practice.data("restore", "check", "--dry-run")["keys"] is None
