"""The story of all commands, told through PgBouncer in transaction mode; and a restore behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Connection, Home, TestServer
from support_erasure import PEOPLE, VISITS
from support_pooler import Pooler, pooler, through
from support_stage import Stage
from support_story import Case, World
from support_story_table import TABLE, T
from support_whole import Done, luactl, verbs

from luactl.config import load_profile
from luactl.errors import Exit

COMMANDS = verbs()
# The way from here to the pooler is not encrypted in these tests, as on one host; those look, and say so.
LOOKS_AT_TLS = {"promise prove", "promise status", "doctor"}
SMILE = "tenant create smile --name Smile --country DE --contact office"


@pytest.fixture(scope="module")
def bouncer(server: TestServer) -> Iterator[Pooler]:
    with pooler(server) as running:
        yield running


def tell(command: str, case: Case, w: World) -> None:
    """Run one command; it ends as it does without a pooler."""
    case.prepare(w)
    given = {name for param in COMMANDS[command].params for name in param.opts}
    yes = ["--yes"] if "--yes" in given else []
    done = luactl(*command.split(), *case.args(w), *yes, "-o", "json", stdin=case.stdin)
    finds = command in LOOKS_AT_TLS or case.findings(w)
    allowed = {Exit.DONE, Exit.FINDINGS} if finds else {Exit.DONE}
    assert done.code in allowed, (command, done.err)
    case.keep(w, done.data)


def run(command: str, *args: str, stdin: str = "") -> Done:
    done = luactl(*command.split(), *args, stdin=stdin.encode())
    assert done.code == 0, (command, done.err)
    return done


@pytest.mark.long
def test_every_command_works_through_a_pooler(
    bare_home: Home,
    server: TestServer,
    database: str,
    admin: Connection,
    bouncer: Pooler,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LUACTL_PROFILE", "whole")
    w = World(server, database, admin, bare_home.path, f"w_{database}")
    for command, cases in TABLE.items():
        for case in cases:
            tell(command, case, w)
        if command == "init":  # from here on there is no other way to the database
            through(bouncer, replace(bare_home, profile=load_profile("whole")))
    run("ledger verify")
    run("key verify")
    assert f"port={bouncer.port}" in load_profile("whole").dsn


def test_everybody_is_erased_and_stays_so_after_a_restore(
    home: Home, server: TestServer, database: str, bouncer: Pooler, tmp_path: Path
) -> None:
    through(bouncer, home)
    run(SMILE)
    run("crm customer import -", *T, stdin=PEOPLE)
    run("crm interaction import -", *T, stdin=VISITS)
    run("ledger integrate")
    stage = Stage(server, database, home.path, tmp_path / "aside")
    stage.save()
    try:
        erased = json.loads(run("erasure run --all --instruction letter --yes -o json", *T).out)["data"]
        assert erased["people"] == 3
        stage.restore()
        refused = luactl("crm", "customer", "list", *T)
        assert (refused.code, "restore check" in refused.err) == (Exit.REFUSED, True), refused.err
        run("restore check --yes")
    finally:
        stage.forget()
    assert json.loads(run("crm customer list -o json", *T).out)["data"] == []
    run("key verify")
    run("ledger verify")
