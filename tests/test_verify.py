"""`luactl verify` as somebody runs it who has the folder and nothing else: no profile, no database."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from conftest import isolated, run_program
from test_certificate import OTHER, SIGNER, make

from luactl.verify import verify_folder


def verify(home: Path, *arguments: str) -> CompletedProcess[str]:
    return run_program(isolated(home), "verify", *arguments, "-o", "json")


def data(done: CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)["data"]


def test_it_needs_no_profile_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder, home = make(tmp_path / "c"), tmp_path / "home"
    done = verify(home, str(folder))
    assert (done.returncode, data(done)["ok"], data(done)["pinned"]) == (0, True, False)
    assert "--key pins one" in done.stderr
    assert not home.exists()


def test_a_pinned_key_is_said_to_be_one(tmp_path: Path) -> None:
    folder = make(tmp_path / "c")
    (tmp_path / "log.vkey").write_text(f"{SIGNER.verifier}\n")
    done = verify(tmp_path / "home", str(folder), "--key", str(tmp_path / "log.vkey"))
    assert (done.returncode, data(done)["pinned"]) == (0, True)
    assert "--key pins one" not in done.stderr
    assert verify(tmp_path / "home", str(folder), "--key", str(OTHER.verifier)).returncode == 6


def test_findings_are_exit_6_and_named(tmp_path: Path) -> None:
    folder = make(tmp_path / "c")
    (folder / "certificate.md").write_text("nothing happened")
    done = verify(tmp_path / "home", str(folder))
    assert (done.returncode, data(done)["ok"]) == (6, False)
    assert data(done)["findings"] == [
        {"file": "certificate.md", "what": "was changed: its SHA-256 is not the manifest's"}
    ]


@pytest.mark.parametrize("arguments", [("nowhere",), ("c", "--key", "nonsense"), ()])
def test_what_makes_no_sense_is_exit_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    make(tmp_path / "c")
    given = [str(tmp_path / arguments[0]), *arguments[1:]] if arguments else []
    assert verify(tmp_path / "home", *given).returncode == 2


def test_an_empty_folder_has_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = verify(tmp_path / "home", str(tmp_path / "empty"))
    assert done.returncode == 6
    assert data(done)["findings"] == [{"file": "manifest.json", "what": "is missing"}]


@pytest.mark.parametrize(("files", "size"), [(20, 4 << 20), (5_000, 1)])
def test_a_folder_too_large_to_be_one_fills_no_memory(tmp_path: Path, files: int, size: int) -> None:
    folder = make(tmp_path / "c")
    for number in range(files):
        with (folder / f"part-{number}.bin").open("wb") as file:
            file.truncate(size)
    tracemalloc.start()
    try:
        found = verify_folder(folder)
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
    finally:
        tracemalloc.stop()
    assert not found.ok
    assert any("was not read: more than 64 files" in one.what for one in found.findings)
    assert len(found.findings) < 200
