"""`luactl erasure residue` on the command line: values by standard input alone, a plan that is what runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import fast_folder, isolated
from support_residue import Plain, delete, gone, marker, plain_server, plant
from support_whole import luactl

from luactl.config import find_paths, save_profile

pytestmark = pytest.mark.postgres
VALUES = "\n".join(gone("name")).encode()
RESIDUE = ("erasure", "residue", "--table", "public.person")


@pytest.fixture(scope="module")
def plain() -> Iterator[Plain]:
    base = Path(tempfile.mkdtemp(prefix="luactl-plain-", dir=fast_folder()))
    try:
        with plain_server(base, os.environ.get("LUACTL_TEST_PG", "17")) as running:
            yield running
    finally:
        shutil.rmtree(base)


@pytest.fixture
def admin_home(plain: Plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile whose login is the administrator's."""
    environ = isolated(tmp_path / "home")
    for key, value in environ.items():
        monkeypatch.setenv(key, value)
    paths = find_paths(environ)
    paths.make()
    with plain.connect() as conn:
        save_profile(paths, replace(plain.session(conn).profile, backup_days=30))
        plant(conn)
        delete(conn)


@pytest.mark.long
@pytest.mark.usefixtures("admin_home")
def test_look_plan_clean_look_again() -> None:
    found = luactl(*RESIDUE, "--marker", "-", "-o", "json", stdin=VALUES)
    assert found.code == 6, found.err
    assert found.data["markers"] == 20
    assert {one["place"] for one in found.data["findings"] if one["state"] == "found"} >= {
        "heap",
        "statistics",
    }
    assert not [value for value in gone("name") if value in found.out + found.err]

    plan = luactl(*RESIDUE, "--clean", "--dry-run", "-o", "json")
    assert plan.code == 0, plan.err
    assert plan.data["steps"][0]["statement"] == 'VACUUM (FULL) "public"."person"'
    assert luactl(*RESIDUE, "--marker", "-", stdin=VALUES).code == 6, "a plan takes nothing away"
    assert "--yes required" in luactl(*RESIDUE, "--clean").err

    clean = ("--clean", "--marker", "-", "--yes", "--sealed-since", "2026-11-20", "-o", "json")
    done = luactl(*RESIDUE, *clean, stdin=VALUES)
    assert done.code == 0, done.err
    assert done.data["steps"] == plan.data["steps"]
    assert done.data["cleaned_at"]
    states = {one["state"] for one in done.data["remains"]}
    assert "found" not in states


@pytest.mark.usefixtures("admin_home")
def test_without_markers_statistics_are_asked() -> None:
    done = luactl(*RESIDUE)
    assert done.code == 0
    assert "a GIN index never forgets a key" in done.out
    assert "suspect" in done.out


@pytest.mark.usefixtures("admin_home")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--marker", marker("name", 1)), "do not belong in process lists"),
        (("--tenant", "smile"), "go together"),
        (("--sealed-since", "2026-11-20"), "goes with --clean"),
        (("--sealed-since", "soon", "--clean"), "is no date"),
        (("--table", "public.nobody"), "there is no table"),
        (("--marker", "-"), "between 1 and"),
        (("--dsn", "host=x password=geheim"), "contains a password"),
    ],
)
def test_what_makes_no_sense(words: tuple[str, ...], told: str) -> None:
    done = luactl(*RESIDUE, *words, stdin=b"")
    assert (done.code, told in done.err) == (2, True), done.err
    assert marker("name", 1) not in done.err


@pytest.mark.usefixtures("admin_home")
def test_who_holds_old_rows_back_is_named(plain: Plain) -> None:
    with plain.connect() as other, other.transaction():
        other.execute("SELECT pg_current_xact_id()")
        plan = luactl(*RESIDUE, "--clean", "--dry-run")
        assert "waits for session" in plan.err
        done = luactl(*RESIDUE, "--clean", "--yes", "--lock-timeout", "1")
        assert (done.code, "old rows are held back" in done.err) == (5, True), done.err
