"""`luactl key` as people and jobs use it: plans, confirmation, exit codes, what stands in the ledger."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from conftest import Home
from support_staff import on_record

from luactl.config import load_profile
from luactl.db import Session
from luactl.key.holder import FileHolder

Cli = Callable[..., subprocess.CompletedProcess[str]]
Login = Callable[..., Session]


def data(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)["data"]


def test_rotate(cli: Cli, admin: psycopg.Connection) -> None:
    plan = data(cli("key", "rotate", "--dry-run", "-o", "json"))
    assert (plan["epoch"], plan["everything"], plan["change"]) == (1, True, None)
    refused = cli("key", "rotate")
    assert refused.returncode == 2
    assert "--yes required" in refused.stderr
    assert admin.execute("SELECT epoch FROM vault.tree").fetchone() == (1,)
    done = data(cli("key", "rotate", "--yes", "-o", "json"))
    assert (done["change"]["epoch_to"], done["change"]["nodes_rewritten"]) == (2, plan["nodes"])
    assert admin.execute("SELECT epoch FROM vault.tree").fetchone() == (2,)
    nothing = cli("key", "rotate", "--expired", "--yes")
    assert nothing.returncode == 0
    assert "nothing to do" in nothing.stderr
    assert admin.execute("SELECT epoch FROM vault.tree").fetchone() == (2,)


def test_holders_and_books(cli: Cli, home: Home) -> None:
    name, folder = f"file:{home.path / 'keys' / 'two'}", home.path / "keys" / "book-two"
    plan = data(cli("key", "holder", "add", name, "--dry-run", "-o", "json"))
    assert plan["steps"] == ["copy the root of epoch 1"]
    assert not (home.path / "keys" / "two").exists()
    assert cli("key", "holder", "add", name).returncode == 2
    assert data(cli("key", "holder", "add", name, "--yes", "-o", "json"))["name"] == name
    assert cli("key", "holder", "add", name, "--yes").returncode == 5
    assert [one["epochs"] for one in data(cli("key", "holder", "list", "-o", "json"))] == [[1], [1]]
    assert cli("key", "book", "add", str(folder), "--yes").returncode == 0
    assert [one["epoch"] for one in data(cli("key", "book", "list", "-o", "json"))] == [1, 1]
    assert cli("key", "verify").returncode == 0
    FileHolder(home.path / "keys" / "two").destroy(1)
    status = cli("key", "status")
    assert status.returncode == 6
    assert f"key holder {name} has no root of epoch 1: stale" in status.stderr
    assert cli("key", "holder", "list").returncode == 6
    assert cli("key", "rotate", "--yes").returncode == 5
    profile = load_profile(None, home.environ)
    assert (len(profile.holders), len(profile.books)) == (2, 2)


def test_a_program_as_a_holder(cli: Cli, home: Home, tmp_path: Path) -> None:
    import sys

    program, slots = tmp_path / "program", tmp_path / "slots"
    program.write_text(f"#!{sys.executable}\n{(Path(__file__).parent / 'holder_program.py').read_text()}")
    program.chmod(0o700)
    slots.mkdir()
    name = f"command:{program} {slots}"
    assert cli("key", "holder", "add", name, "--yes").returncode == 0
    assert (
        data(cli("key", "rotate", "--yes", "-o", "json"))["change"]["holders"][1]["file_system"]
        == "a folder of a test"
    )
    assert {slot.name for slot in slots.iterdir()} == {"0", "2"}
    (slots / "mode").write_text("busy list")
    assert cli("key", "rotate", "--yes").returncode == 5
    (slots / "mode").unlink()
    done = data(cli("key", "holder", "remove", name, "--yes", "-o", "json"))
    assert done["answers"][0]["state"] == "destroyed"
    assert list(slots.iterdir()) == []


def test_export_and_import(cli: Cli, home: Home, tmp_path: Path) -> None:
    file = tmp_path / "keys.luabook"
    assert data(cli("key", "export", str(file), "--dry-run", "-o", "json"))["epoch"] == 1
    assert not file.exists()
    assert data(cli("key", "export", str(file), "-o", "json"))["epoch"] == 1
    assert cli("key", "export", str(file)).returncode == 5
    (home.profile.books[0] / "keybook.sqlite").unlink()
    assert cli("key", "import", str(file)).returncode == 2
    assert data(cli("key", "import", str(file), "--yes", "-o", "json"))["books"] == [
        str(home.profile.books[0])
    ]
    assert cli("key", "verify").returncode == 0
    assert cli("key", "rotate", "--yes").returncode == 0
    old = cli("key", "import", str(file), "--yes")
    assert old.returncode == 5
    assert "before the database" in old.stderr


def test_release(cli: Cli, login: Login, admin: psycopg.Connection, tmp_path: Path) -> None:
    assert (
        cli("tenant", "create", "smile", "--name", "Smile", "--country", "DE", "--contact", "x").returncode
        == 0
    )
    assert cli("key", "person", "show").returncode == 2
    made = cli("key", "person", "init")
    assert made.returncode == 0, made.stderr
    assert cli("key", "person", "init").returncode == 5
    public = tmp_path / "nora.pub"
    public.write_text(cli("key", "person", "show", "-o", "json").stdout)
    assert "secret-1" not in public.read_text()
    nora = login("lua_operator").actor
    ask = ("key", "release", "add", "--tenant", "smile", "--to", nora, "--public-key", str(public))
    rest = ("--for", "8h", "--purpose", "ticket 4711")
    unknown = cli(*ask, *rest, "--yes")
    assert unknown.returncode == 5
    assert f"login {nora} belongs to nobody in force" in unknown.stderr
    assert f"hint: `luactl access adopt {nora} --person HANDLE`" in unknown.stderr
    on_record(admin, nora)
    plan = data(cli(*ask, *rest, "--class", "accounting", "--dry-run", "-o", "json"))
    assert plan["opens"] == ["accounting", "medical-record"]
    assert data(cli("key", "release", "list", "-o", "json")) == []
    assert cli(*ask, *rest).returncode == 2
    assert cli(*ask, "--for", "soon", "--purpose", "x", "--yes").returncode == 2
    assert cli(*ask, *rest, "--class", "nonsense", "--yes").returncode == 2
    given = data(cli(*ask, *rest, "--yes", "-o", "json"))
    assert [
        one["state"] for one in data(cli("key", "release", "list", "--tenant", "smile", "-o", "json"))
    ] == ["running"]
    assert cli("key", "release", "revoke", given["release_id"]).returncode == 2
    done = data(cli("key", "release", "revoke", given["release_id"], "--yes", "-o", "json"))
    assert (done["state"], done["end_reason"]) == ("ended", "revoked")
    assert cli("key", "release", "revoke", given["release_id"], "--yes").returncode == 5
