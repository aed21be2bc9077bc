"""The direction of imports: the contracts of pyproject.toml hold, and would notice a breach."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def lint(layout: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--config", str(ROOT / "pyproject.toml"), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=layout, capture_output=True, text=True, check=False)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A copy of the packages as the wheel lays them out."""
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "luactl", tmp_path / "luactl", ignore=skip)
    for folder in ("commands", "tui", "sql"):
        shutil.copytree(ROOT / folder, tmp_path / "luactl" / folder, ignore=skip)
    return tmp_path


def test_floors_hold(layout: Path) -> None:
    done = lint(layout)
    assert done.returncode == 0, done.stdout
    assert "3 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("clock.py", "import typer"),
        ("errors.py", "from luactl.commands import output"),
        ("errors.py", "from luactl import db"),
        ("tui/retention.py", "from .tenant import OneTenant\nfrom .retention_purge import Purge"),
        ("newcomer.py", '"""A module that no floor knows."""'),
    ],
)
def test_a_breach_is_noticed(layout: Path, module: str, line: str) -> None:
    with (layout / "luactl" / module).open("a") as file:
        file.write(f"\n{line}\n")
    done = lint(layout)
    assert done.returncode == 1, done.stdout
