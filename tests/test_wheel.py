"""The wheel: what is in it, and that it runs where the checkout is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"luactl": "luactl", "commands": "luactl/commands", "tui": "luactl/tui", "sql": "luactl/sql"}


def must(command: list[str], cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout without any network."""
    source = tmp_path_factory.mktemp("source")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, source)
    must([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"], source)
    (built,) = (source / "dist").glob("*.whl")
    return built


def on_disk(pattern: str) -> set[str]:
    return {
        f"{inside}/{file.relative_to(ROOT / folder).as_posix()}"
        for folder, inside in FOLDERS.items()
        for file in (ROOT / folder).rglob(pattern)
    }


def test_wheel_has_one_top_level_package(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"luactl"}
    assert len(tops) == 2


def test_wheel_has_every_module_and_data_file(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}
    expected = {file for file in on_disk("*.*") if "__pycache__" not in file}
    assert {"luactl/py.typed", "luactl/sql/migrations/0001_roles.sql"} <= expected
    assert inside >= expected, f"add to [tool.setuptools] packages or package-data: {expected - inside}"
    assert not {name for name in inside if "test" in name}


def test_every_subpackage_is_listed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {Path(name).parent.as_posix().replace("/", ".") for name in on_disk("__init__.py")}
    assert set(settings["packages"]) == found


def test_wheel_runs_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=False)
    python = str(fresh / "bin" / "python")
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    must([sys.executable, "-m", "pip", "--python", python, *install], tmp_path)
    (site,) = (fresh / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = must([python, "-c", "import luactl.commands.main as m; print(m.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(site)
    assert must([str(fresh / "bin" / "luactl"), "--version"], tmp_path).startswith("luactl ")
    assert "Commands:" in must([str(fresh / "bin" / "luactl"), "--help"], tmp_path)
