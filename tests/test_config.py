"""Folders, profiles, and what config.toml may not say."""

from __future__ import annotations

import dataclasses
import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luactl import config
from luactl.config import Paths, Profile
from luactl.errors import Exit, NoConnectionError, UsageError

SECRET = "hunter2-of-agata"


def paths_in(folder: Path) -> Paths:
    return config.find_paths({"LUACTL_HOME": str(folder)})


def profile(name: str = "local", **changes: object) -> Profile:
    made = Profile(
        name=name,
        dsn="host=db.example dbname=lua user=agata",
        embedded=False,
        production=True,
        throwaway=False,
        holders=("file:/keys/a", "file:/keys/b"),
        books=(Path("/books/a"),),
        anchors=("file:/anchors/a",),
        signing_key=Path("/keys/ledger.key"),
        passfile=Path("/config/local.pgpass"),
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def write(folder: Path, text: str) -> Paths:
    paths = paths_in(folder)
    paths.make()
    paths.config_file.write_text(text, encoding="utf-8")
    return paths


def test_luactl_home_holds_three_separate_folders(tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "home")
    paths.make()
    assert {paths.config, paths.data, paths.keys} == {
        tmp_path / "home" / n for n in ("config", "data", "keys")
    }
    assert {folder.stat().st_mode & 0o777 for folder in (paths.config, paths.data, paths.keys)} == {0o700}


def test_a_folder_of_ours_that_stood_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o755)
    paths_in(tmp_path).make()
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_without_luactl_home_xdg_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    plain = config.find_paths({})
    assert plain == Paths(
        tmp_path / ".config/luactl", tmp_path / ".local/share/luactl", tmp_path / ".local/share/luactl-keys"
    )
    moved = config.find_paths({"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "relative", "LUACTL_HOME": ""})
    assert moved == Paths(Path("/c/luactl"), plain.data, plain.keys)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    mine, demo = profile(), profile("demo", embedded=True, throwaway=True, clock_shift=timedelta(days=400))
    config.save_profile(paths, mine)
    config.save_profile(paths, demo)
    assert config.load_profiles(paths) == {"local": mine, "demo": demo}
    assert paths.config_file.stat().st_mode & 0o777 == 0o600
    assert (
        config.load_profile(None, {"LUACTL_HOME": str(tmp_path)}) == mine
    )  # the first one stays the default


def test_saving_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    paths = write(tmp_path, '# ask Tomasz first\ndefault_profile = "other"\n')
    config.save_profile(paths, profile())
    text = paths.config_file.read_text()
    assert text.startswith('# ask Tomasz first\ndefault_profile = "other"\n')
    assert list(config.load_profiles(paths)) == ["local"]


def test_which_profile_is_meant(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    for name in ("first", "second", "third"):
        config.save_profile(paths, profile(name))
    home = {"LUACTL_HOME": str(tmp_path)}
    assert config.load_profile(None, home).name == "first"
    assert config.load_profile(None, {**home, "LUACTL_PROFILE": "second"}).name == "second"
    assert config.load_profile("third", {**home, "LUACTL_PROFILE": "second"}).name == "third"


def test_no_profile_is_no_connection_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NoConnectionError, match="no profile") as caught:
        config.load_profile(None, {"LUACTL_HOME": str(tmp_path / "home")})
    assert caught.value.exit == Exit.NO_CONNECTION
    assert "luactl init" in str(caught.value.hint)
    assert not (tmp_path / "home").exists()


def test_an_unknown_profile_lists_the_known_ones(tmp_path: Path) -> None:
    config.save_profile(paths_in(tmp_path), profile())
    with pytest.raises(NoConnectionError, match="no profile 'prod'") as caught:
        config.load_profile("prod", {"LUACTL_HOME": str(tmp_path)})
    assert "local" in str(caught.value.hint)


@pytest.mark.parametrize(
    "dsn",
    [
        f"host=db user=agata password={SECRET}",
        f"postgresql://agata:{SECRET}@db/lua",
        f"postgresql://agata@db/lua?password={SECRET}",
        f"host=db sslpassword={SECRET}",
    ],
)
def test_a_password_in_a_dsn_is_refused_and_not_repeated(dsn: str) -> None:
    with pytest.raises(UsageError) as caught:
        config.check_dsn(dsn)
    assert "PGPASSFILE" in str(caught.value.hint)
    assert SECRET not in f"{caught.value.what}{caught.value.hint}{caught.value.__cause__}"


@pytest.mark.parametrize("dsn", [f"host=db {SECRET}", f"postgresql://[{SECRET}", "nonsense=1", "host=a\0b"])
def test_a_malformed_dsn_is_refused_and_not_repeated(dsn: str) -> None:
    with pytest.raises(UsageError, match="not a libpq connection string") as caught:
        config.check_dsn(dsn)
    assert SECRET not in f"{caught.value.what}{caught.value.hint}"


@given(st.text(max_size=40))
def test_any_text_is_a_dsn_or_a_usage_error(text: str) -> None:
    try:
        options = config.check_dsn(text)
    except UsageError:
        return
    assert "password" not in options


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("default_profile = \n", "not valid TOML"),
        ("[profile]\nlocal = 3\n", "not a table"),
        ("profile = 3\n", "not a table"),
        ('[profile.local]\nsigning_key = "/k"\n', "lacks the setting 'dsn'"),
        ('[profile.local]\ndsn = "host=a"\n', "lacks the setting 'signing_key'"),
        ('[profile.local]\ndsn = "host=a"\nsigning_key = "/k"\nproductoin = true\n', "unknown setting"),
        ('[profile.local]\ndsn = "host=a"\nsigning_key = "/k"\nproduction = "no"\n', "must be bool"),
        ('[profile.local]\ndsn = "host=a"\nsigning_key = "/k"\nholders = [1]\n', "list of strings"),
        ('[profile.local]\ndsn = "host=a"\nsigning_key = "/k"\nclock_shift = true\n', "must be int"),
        (f'[profile.local]\ndsn = "password={SECRET}"\nsigning_key = "/k"\n', "contains a password"),
    ],
)
def test_a_wrong_config_says_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        config.load_profiles(write(tmp_path, text))
    assert SECRET not in f"{caught.value.what}{caught.value.hint}"


@pytest.mark.parametrize(("embedded", "throwaway"), [(True, False), (False, True), (False, False)])
def test_only_a_throwaway_embedded_database_moves_the_clock(embedded: bool, throwaway: bool) -> None:
    with pytest.raises(UsageError, match="moves the clock"):
        profile(embedded=embedded, throwaway=throwaway, clock_shift=timedelta(days=1))


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    config.write_private(file, "old")
    with pytest.raises(UnicodeEncodeError):
        config.write_private(file, "new \ud800")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_name_of_a_replaced_file_reaches_the_disk_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fsync, synced = tmp_path / "config.toml", os.fsync, list[tuple[str, str]]()

    def watched(descriptor: int) -> None:
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink()).removeprefix(str(tmp_path))
        synced.append((name, file.read_text() if file.exists() else ""))
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", watched)
    config.write_private(file, "new")
    assert synced == [(f"/.config.toml.{os.getpid()}.new", ""), ("", "new")]
