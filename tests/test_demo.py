"""The demo: it tells a true story, and says so when a step did not hold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from luactl import demo
from luactl.commands import main
from luactl.demo import drill, story
from luactl.demo.world import Told, World


def run_demo(tmp: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    tmp.chmod(0o711)
    return subprocess.run(
        [sys.executable, "-m", "luactl.commands.main", "-o", "json", "demo", *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp), "TMPDIR": str(tmp)},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


@pytest.mark.exhaustive  # `make demo` ends with 1 where a step does not hold
def test_every_step_holds_and_nothing_is_left(tmp_path: Path) -> None:
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)["data"]
    assert [step["held"] for step in steps] == ["yes"] * len(story.STEPS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_every_step_of_the_drill_holds_and_nothing_is_left(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--erasure")
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)["data"]
    assert [step["held"] for step in steps] == ["yes"] * len(drill.STEPS)
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_does_not_hold_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(_world: World) -> Iterator[Told]:
        yield Told("Everything is fine", ("luactl init",), True, "3 of 3")
        yield Told("This is not", ("luactl key verify",), False, "2 of 3")

    monkeypatch.setattr(demo, "tell", tell)
    assert main.run(["demo"]) == 1
    shown = capsys.readouterr()
    assert "NO" in shown.out
    assert "✗ 2 of 3" in shown.err


def test_a_command_that_fails_ends_the_demo_and_clears_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[World] = []

    def tell(world: World) -> Iterator[Told]:
        made.append(world)
        world.run("tenant", "list")
        yield Told("never reached", (), True, "")

    monkeypatch.setattr(demo, "tell", tell)
    assert main.run(["demo"]) == 1
    assert not made[0].home.exists()
