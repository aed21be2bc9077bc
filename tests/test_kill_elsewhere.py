"""Killed at any step: what works on files of this account, on an embedded server, or on the schema itself."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Connection, Home, TestServer
from support_failures import met
from support_strike import Striker, start, stop
from support_whole import luactl

from luactl import schema

NEW = ("profile", "add", "other", "--dsn", "service=other", "--yes")
SCHEMAS = "DROP SCHEMA IF EXISTS lua, crm, vault, ledger CASCADE"


@pytest.fixture
def striker(tmp_path: Path) -> Iterator[Striker]:
    started = start(tmp_path / "striker")
    yield started
    stop(started)


def files(folder: Path) -> dict[str, str]:
    return {str(one.relative_to(folder)): one.read_text() for one in folder.rglob("*") if one.is_file()}


def strike_all(striker: Striker, args: tuple[str, ...], reset: Callable[[], None]) -> Iterator[int]:
    """Run a command to its end, then anew for each of its steps, at which it is killed; yield after each."""
    reset()
    done, steps = striker.run(*args)
    assert done.code == 0, done.err
    assert steps
    yield 0
    for at in range(1, len(steps) + 1):
        reset()
        met(striker.run(*args, at=at)[0], "killed (-9)")
        yield at


@pytest.mark.parametrize(
    ("args", "before"),
    [
        (NEW, ()),
        (("profile", "use", "other", "--yes"), (NEW,)),
        (("profile", "remove", "other", "--yes"), (NEW,)),
    ],
    ids=lambda one: one[1] if one and isinstance(one[0], str) else "",
)
def test_profiles(
    bare_home: Home,
    striker: Striker,
    tmp_path: Path,
    args: tuple[str, ...],
    before: tuple[tuple[str, ...], ...],
) -> None:
    """The file is the old one or the new one, and whoever comes next sweeps up what is left beside it."""
    for one in before:
        assert luactl(*one).code == 0
    config, aside = bare_home.paths.config, tmp_path / "aside"
    shutil.copytree(config, aside)
    old = (config / "config.toml").read_text()

    def reset() -> None:
        shutil.rmtree(config)
        shutil.copytree(aside, config)

    strikes = strike_all(striker, args, reset)
    next(strikes)
    wanted = files(config)
    for _at in strikes:
        assert (config / "config.toml").read_text() in (old, wanted["config.toml"])
        assert luactl("profile", "list").code == 0
        again = luactl(*args)
        assert again.code in (0, 1, 2, 5), again.err
        assert (config / "config.toml").read_text() == wanted["config.toml"]
        # A change that is there already is not made again, and sweeps nothing: any other does.
        assert luactl("profile", "add", "third", "--dsn", "service=third", "--yes").code == 0
        assert files(config).keys() == wanted.keys()


def migrated(admin: Connection) -> list[tuple[int, str]]:
    return admin.execute("SELECT version, name FROM lua.migration ORDER BY version").fetchall()  # type: ignore[return-value]


def recorded(admin: Connection) -> Counter[str]:
    rows = admin.execute("SELECT body FROM ledger.entry WHERE action = 'db.migrate'").fetchall()
    return Counter(name for (body,) in rows for name in json.loads(body)["detail"]["migrations"])


@pytest.mark.exhaustive
def test_migrations(
    bare_home: Home, server: TestServer, database: str, admin: Connection, striker: Striker
) -> None:
    """Each migration is there whole, with its entry, or not at all; the next run does the rest."""
    args = ("db", "migrate", "--yes", "--dsn", server.admin_dsn(database))
    names = [str(one) for one in schema.migrations()]

    def reset() -> None:
        admin.execute(SCHEMAS)

    for _at in strike_all(striker, args, reset):
        there = admin.execute("SELECT to_regclass('ledger.entry') IS NOT NULL").fetchone() == (True,)
        if there and admin.execute("SELECT count(*) FROM ledger.entry").fetchone() != (0,):
            assert set(recorded(admin)) == {f"{version:04}_{name}" for version, name in migrated(admin)}
        done = luactl(*args)
        assert done.code == 0, done.err
        assert [f"{version:04}_{name}" for version, name in migrated(admin)] == names
        assert recorded(admin) == Counter(names)


@pytest.mark.long
def test_the_embedded_server(running_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in running_home.environ.items():
        monkeypatch.setenv(key, value)
    striker = start(tmp_path / "striker")
    try:
        for args, first in (
            (("embedded", "start", "--yes"), ("embedded", "stop", "--yes")),
            (("embedded", "stop", "--yes"), ("embedded", "start", "--yes")),
        ):

            def reset(first: tuple[str, ...] = first) -> None:
                assert luactl(*first).code == 0

            for _at in strike_all(striker, args, reset):
                done = luactl(*args)
                assert done.code == 0, done.err
                assert luactl("tenant", "list").code == 0
    finally:
        stop(striker)
