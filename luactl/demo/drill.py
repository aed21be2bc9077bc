"""The drill of docs/explanation/secure-deletion.md: a backup is stolen, and put back; the erased stay erased.

Real means throughout: a base backup of the running server, the thief's own server on a copy of it, and the
backup in the place of the database at the end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict

from .. import embedded
from ..config import load_profile
from ..db import queries
from .thief import Loot, Root, opened, read_root, steal
from .world import DemoError, Told, World, typed

SLUG = "dental-berlin"
TENANT = (
    "tenant",
    "create",
    SLUG,
    "--name",
    "Zahnarztpraxis am Park",
    "--country",
    "DE",
    "--contact",
    "Ida Brandt",
)
ERASED, NEIGHBOUR = "ukasz.wisniewski3@example.org", "Großmann"
INSTRUCTION = "letter of 2026-11-20"


@dataclass
class Drill:
    """What later steps need of earlier ones."""

    world: World
    people: dict[str, UUID] = field(default_factory=dict)
    old_root: Root | None = None
    certificate: str = ""

    @property
    def backup(self) -> Path:
        """Where the base backup lies."""
        return self.world.home / "backup"

    def find(self, kind: str, value: str) -> UUID:
        """Return the id of the one person who answers to that."""
        line = ("subject", "find", "--tenant", SLUG, f"--{kind}", "-")
        found = self.world.run(*line, stdin=value + "\n").data
        return UUID(found[0]["subject_id"])


def tell_drill(world: World) -> Iterator[Told]:
    """Run the drill and yield each step as it happened. Raises DemoError when a command fails."""
    drill = Drill(world)
    for step in STEPS:
        yield step(drill)


def _practice(drill: Drill) -> Told:
    drill.world.run("init")
    drill.world.make_throwaway()
    drill.world.run(*TENANT)
    lines = [
        ("crm", "customer", "import", _file(drill, "customers"), "--tenant", SLUG),
        ("crm", "interaction", "import", _file(drill, "interactions"), "--tenant", SLUG),
    ]
    for line in lines:
        drill.world.run(*line)
    drill.people = {"erased": drill.find("email", ERASED), "neighbour": drill.find("name", NEIGHBOUR)}
    drill.world.run("ledger", "integrate")
    with drill.world.looking() as conn:
        rows = queries("demo").stored(conn)
    return Told(
        "A practice with its patients",
        tuple(typed(*line) for line in (("init",), TENANT, *lines)),
        rows[0] > 10,
        f"{rows[0]} contacts, {rows[1]} interactions",
    )


def _file(drill: Drill, what: str) -> str:
    return str(drill.world.home / "files" / f"dental-{what}.csv")


def _back_up(drill: Drill) -> Told:
    server = drill.world.server
    dsn = embedded.superuser_conninfo(server, "postgres", embedded.start(server))
    program = str(server.bindir / "pg_basebackup")
    command = [program, "-D", str(drill.backup), "-X", "stream", "-c", "fast", "-d", dsn]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise DemoError(f"pg_basebackup ended with {done.returncode}: {done.stderr.strip()}")
    drill.old_root = read_root(drill.world.roots()[-1])
    files = [path for path in drill.backup.rglob("*") if path.is_file()]
    return Told(
        "Every night: a base backup",
        ("pg_basebackup -D backup -X stream",),
        (drill.backup / "PG_VERSION").exists(),
        f"{len(files):,} files, {sum(path.stat().st_size for path in files) >> 20} MB",
    )


def _erase(drill: Drill) -> Told:
    who = str(drill.people["erased"])
    line = ("erasure", "run", "--tenant", SLUG, "--subject", who, "--instruction", INSTRUCTION)
    drill.certificate = drill.world.run(*line, "--yes").data["certificate"]
    drill.world.run("ledger", "integrate")
    with drill.world.looking() as conn:
        rows = queries("demo").rows_of_subject(conn, subject=drill.people["erased"])
    return Told(
        "The next day a patient is erased",
        (typed(*line, "--yes"),),
        rows[:2] == (0, 0),
        f"rows left in the database: {sum(rows[:2])}; the backup of the night before still has them",
    )


def _steal(drill: Drill) -> Told:
    """The thief starts a server of his own on a copy of the backup, and has today's keys besides."""
    server = _thiefs_server(drill)
    loot: dict[str, Loot] = {}
    try:
        dsn = embedded.superuser_conninfo(server, _database(drill), embedded.start(server))
        with psycopg.connect(dsn, autocommit=True) as conn:
            loot = {name: steal(conn, SLUG, who) for name, who in drill.people.items()}
    finally:
        embedded.stop(server)
    with drill.world.looking() as conn:
        newest = list(queries("demo").nodes(conn))
    root = read_root(drill.world.roots()[-1])
    today = {name: len(opened(one, root, newest)) for name, one in loot.items()}
    kept = len(opened(loot["erased"], _old(drill), newest))
    values = len(loot["erased"].sealed)
    return Told(
        "Somebody steals the backup, the key book, and today's root secret",
        ("(the thief's own Postgres on a copy of the backup; key nodes of then and now; today's root)",),
        today["erased"] == 0
        and today["neighbour"] == len(loot["neighbour"].sealed) > 0
        and kept == values > 0,
        f"of the erased he opens {today['erased']} of {values} values, of a neighbour {today['neighbour']} "
        f"of {len(loot['neighbour'].sealed)}; with the destroyed root it would be {kept} of {values}",
    )


def _old(drill: Drill) -> Root:
    if drill.old_root is None:
        raise RuntimeError("nothing was backed up yet")
    return drill.old_root


def _database(drill: Drill) -> str:
    return str(conninfo_to_dict(load_profile(None, drill.world.environ).dsn)["dbname"])


def _thiefs_server(drill: Drill) -> embedded.Server:
    base, own = drill.world.home / "thief", drill.world.server
    base.mkdir(mode=0o711)
    _copy(drill, base / "pgdata")
    shutil.copy(own.superuser_passfile, base / own.superuser_passfile.name)
    return embedded.Server(base, own.bindir)


def _copy(drill: Drill, target: Path) -> None:
    """Copy the backup for a server to run on, as the account that runs ours."""
    owner = drill.world.server.data.stat()
    shutil.copytree(drill.backup, target, symlinks=True)
    for path in (target, *target.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    target.chmod(0o700)


def _put_back(drill: Drill) -> Told:
    """The backup takes the place of the database; keys are never restored."""
    data = drill.world.server.data
    embedded.stop(drill.world.server)
    fresh = data.with_name("restored")
    _copy(drill, fresh)
    shutil.rmtree(data)
    fresh.rename(data)
    line = ("crm", "customer", "list", "--tenant", SLUG)
    refused = drill.world.run(*line, expect=5)
    with drill.world.looking() as conn:
        rows = queries("demo").rows_of_subject(conn, subject=drill.people["erased"])
    return Told(
        "The disk fails, and the backup is put back",
        ("(the backup in the place of the database)", typed(*line)),
        "restore check" in refused.error and rows[0] > 0,
        f"{rows[0] + rows[1]} rows of the erased are there again; until the restore is checked nothing opens",
    )


def _check(drill: Drill) -> Told:
    line = ("restore", "check", "--yes")
    done = drill.world.run(*line).data
    names = {row["name"] for row in drill.world.run("crm", "customer", "list", "--tenant", SLUG).data}
    with drill.world.looking() as conn:
        rows = queries("demo").rows_of_subject(conn, subject=drill.people["erased"])
    known = any(NEIGHBOUR in (name or "") for name in names)
    return Told(
        "The restore is checked: keys come from the key book, the erased are erased again",
        (typed(*line),),
        rows[:2] == (0, 0) and known and done["findings"] == [],
        f"rows of the erased: {sum(rows[:2])}; {len(names)} patients open, {NEIGHBOUR} among them",
    )


def _log(drill: Drill) -> Told:
    found = drill.world.run("ledger", "verify").data
    lost = found["lost"][0]
    return Told(
        "The log tells what the restore lost",
        (typed("ledger", "verify"),),
        found["ok"] and lost["size"] > lost["kept"],
        f"{lost['size'] - lost['kept']} of {lost['origin']} are lost; it goes on as {found['origin']}",
    )


def _certificate(drill: Drill) -> Told:
    line = ("verify", drill.certificate)
    found = drill.world.run(*line).data
    return Told(
        "The certificate of the erasure still verifies, offline",
        (typed(*line),),
        found["ok"],
        f"{found['files']} files, entry {found['index']} of the log",
    )


STEPS: tuple[Callable[[Drill], Told], ...] = (
    _practice, _back_up, _erase, _steal, _put_back, _check, _log, _certificate,
)  # fmt: skip
