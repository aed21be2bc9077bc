"""Where luactl keeps its things, and the profiles of config.toml.

A profile says which database is meant and where its keys are. It never holds a secret: passwords stand
in libpq's own password files, keys in the folders that the profile names.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from .errors import NoConnectionError, UsageError

INIT_HINT = "run `luactl init` to make an embedded database, or `luactl init --dsn …` to name one"
SECRET_OPTIONS = frozenset(
    {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
)


@dataclass(frozen=True)
class Paths:
    """The three folders of one home, each 0700 and apart from the others."""

    config: Path
    """config.toml and the password files."""
    data: Path
    """The embedded server; the folder that a backup copies."""
    keys: Path
    """Root secrets, key book and signing key: never in one backup with the data."""

    @property
    def config_file(self) -> Path:
        """The one file that a person may edit."""
        return self.config / "config.toml"

    def server(self, profile: str) -> Path:
        """Where the embedded server of a profile lives."""
        return self.data / "embedded" / profile

    def passfile(self, profile: str) -> Path:
        """Where libpq finds the password of a profile's login."""
        return self.config / f"{profile}.pgpass"

    def make(self) -> None:
        """Create the folders, readable by nobody else. Raises OSError."""
        for folder in (self.config, self.data, self.keys):
            private_folder(folder)


def private_folder(path: Path) -> Path:
    """Create a folder of our own with mode 0700 and return it; folders above keep their modes."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)
    return path


def _xdg(environ: Mapping[str, str], name: str, *fallback: str) -> Path:
    """Return an XDG base folder; a relative one is ignored, as the specification demands."""
    named = environ.get(name, "")
    return Path(named) if named.startswith("/") else Path.home().joinpath(*fallback)


def find_paths(environ: Mapping[str, str] = os.environ) -> Paths:
    """Return the folders: below LUACTL_HOME if it is set, else where XDG puts them.

    Raises NoConnectionError when there is no home directory to look in.
    """
    if environ.get("LUACTL_HOME"):
        home = Path(environ["LUACTL_HOME"]).absolute()
        return Paths(home / "config", home / "data", home / "keys")
    try:
        data = _xdg(environ, "XDG_DATA_HOME", ".local", "share")
        return Paths(
            _xdg(environ, "XDG_CONFIG_HOME", ".config") / "luactl", data / "luactl", data / "luactl-keys"
        )
    except RuntimeError:
        raise NoConnectionError(
            "there is no home directory to look for a profile in", hint="set LUACTL_HOME, or HOME"
        ) from None


@dataclass(frozen=True)
class Profile:
    """One database, how to reach it, and where its keys and its log's anchors are."""

    name: str
    dsn: str
    """libpq conninfo without any secret; for an embedded server without the port, which its start chooses."""
    embedded: bool
    production: bool
    throwaway: bool
    """Made by the demo or a test; may be deleted, and may have its clock moved."""
    holders: tuple[str, ...]
    """Who holds the root secret: `file:/folder`."""
    books: tuple[Path, ...]
    """Folders of the key book."""
    anchors: tuple[str, ...]
    """Where signed checkpoints go: `file:/path`."""
    signing_key: Path
    """Ed25519 key of the ledger's checkpoints."""
    passfile: Path | None = None
    """libpq password file of our own; None: libpq's usual one."""
    clock_shift: timedelta = timedelta(0)
    """How far this home's clock is ahead; in the file `clock_shift`, in seconds."""

    def __post_init__(self) -> None:
        """Hold the rules that no profile may break."""
        if self.clock_shift and not (self.throwaway and self.embedded):
            raise UsageError(
                f"profile {self.name!r} moves the clock, which only a throw-away embedded database may",
                hint="remove clock_shift from the profile",
            )


def check_dsn(dsn: str) -> dict[str, str]:
    """Parse a libpq connection string or URI. Raises UsageError when malformed or when it holds a secret."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        if "\0" in dsn:
            raise ValueError("libpq would not see what comes after NUL")
        options = conninfo_to_dict(dsn)
    except (psycopg.ProgrammingError, UnicodeEncodeError, ValueError):
        raise UsageError(
            "the DSN is not a libpq connection string",
            hint='write it as postgresql://USER@HOST/DATABASE or "host=HOST dbname=DATABASE user=USER"',
        ) from None
    if SECRET_OPTIONS & options.keys():
        raise UsageError(
            "the DSN contains a password, which would stand in a file, in `ps` and in the shell's history",
            hint="leave it out; put it into ~/.pgpass or the file that PGPASSFILE names (mode 0600)",
        )
    return {name: str(value) for name, value in options.items() if value is not None}


_SHAPES: dict[str, type] = {
    "dsn": str, "embedded": bool, "production": bool, "throwaway": bool, "holders": list, "books": list,
    "anchors": list, "signing_key": str, "passfile": str, "clock_shift": int,
}  # fmt: skip


def _profile(name: str, table: Any, source: Path) -> Profile:
    """Build a profile from its table in config.toml. Raises UsageError naming what is wrong where."""
    hint = f"correct [profile.{name}] in {source}"
    if not isinstance(table, dict):
        raise UsageError(f"profile {name!r} is not a table", hint=hint)
    for key, value in table.items():
        shape = _SHAPES.get(key)
        if shape is None:
            raise UsageError(f"profile {name!r} has an unknown setting {key!r}", hint=hint)
        texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if type(value) is not shape or (shape is list and not texts):
            wanted = "a list of strings" if shape is list else shape.__name__
            raise UsageError(f"setting {key!r} of profile {name!r} must be {wanted}", hint=hint)
    for key in ("dsn", "signing_key"):
        if key not in table:
            raise UsageError(f"profile {name!r} lacks the setting {key!r}", hint=hint)
    check_dsn(table["dsn"])
    return Profile(
        name=name,
        dsn=table["dsn"],
        embedded=table.get("embedded", False),
        production=table.get("production", False),
        throwaway=table.get("throwaway", False),
        holders=tuple(table.get("holders", ())),
        books=tuple(Path(book) for book in table.get("books", ())),
        anchors=tuple(table.get("anchors", ())),
        signing_key=Path(table["signing_key"]),
        passfile=Path(table["passfile"]) if "passfile" in table else None,
        clock_shift=timedelta(seconds=table.get("clock_shift", 0)),
    )


def _read(file: Path) -> dict[str, Any]:
    """Read config.toml; a missing one is empty. Raises UsageError, NoConnectionError."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not valid TOML: {error}", hint="correct the file by hand") from None
    except OSError as error:
        raise NoConnectionError(
            f"cannot read {file}: {error.strerror}", hint="run luactl as the person whose profile this is"
        ) from None


def load_profiles(paths: Paths) -> dict[str, Profile]:
    """Return every profile of config.toml by name. Raises UsageError when one is malformed."""
    tables = _read(paths.config_file).get("profile", {})
    if not isinstance(tables, dict):
        raise UsageError(f"`profile` in {paths.config_file} is not a table", hint="write [profile.NAME]")
    return {name: _profile(name, table, paths.config_file) for name, table in tables.items()}


def load_profile(name: str | None = None, environ: Mapping[str, str] = os.environ) -> Profile:
    """Return the profile of that name, of LUACTL_PROFILE, or the default one, in this order.

    Raises NoConnectionError (exit 3) when there is none: nothing is ever created on the way.
    """
    paths = find_paths(environ)
    config = _read(paths.config_file)
    tables = config.get("profile")
    if not isinstance(tables, dict) or not tables:
        raise NoConnectionError(f"no profile in {paths.config_file}", hint=INIT_HINT)
    wanted = name or environ.get("LUACTL_PROFILE") or config.get("default_profile")
    if not wanted:
        raise NoConnectionError(
            f"{paths.config_file} names no default_profile",
            hint=f"say --profile, one of: {', '.join(tables)}",
        )
    if wanted not in tables:
        raise NoConnectionError(
            f"there is no profile {wanted!r} in {paths.config_file}",
            hint=f"known profiles: {', '.join(tables)}; `luactl --profile {wanted} init` can make this one",
        )
    return _profile(wanted, tables[wanted], paths.config_file)


def profile_to_make(paths: Paths, name: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Return which profile `luactl init` works on: the named one, LUACTL_PROFILE, the default, `local`."""
    return str(
        name or environ.get("LUACTL_PROFILE") or _read(paths.config_file).get("default_profile") or "local"
    )


def save_profile(paths: Paths, profile: Profile) -> None:
    """Write a profile into config.toml, keeping what a person wrote there; the first becomes the default.

    The file is replaced as a whole, so that no reader ever sees half of it. Raises OSError, UsageError.
    """
    import tomlkit

    _read(paths.config_file)
    text = paths.config_file.read_text(encoding="utf-8") if paths.config_file.exists() else ""
    document = tomlkit.parse(text)
    document.setdefault("default_profile", profile.name)
    if "profile" not in document:
        document["profile"] = tomlkit.table(is_super_table=True)
    tables: Any = document["profile"]
    table = tables.setdefault(profile.name, tomlkit.table())
    for key, value in _settings(profile).items():
        if table.get(key) != value:
            table[key] = value
    write_private(paths.config_file, tomlkit.dumps(document))


def _settings(profile: Profile) -> dict[str, Any]:
    """Return what config.toml says about a profile."""
    settings: dict[str, Any] = {
        "dsn": profile.dsn,
        "embedded": profile.embedded,
        "production": profile.production,
        "throwaway": profile.throwaway,
        "holders": list(profile.holders),
        "books": [str(book) for book in profile.books],
        "anchors": list(profile.anchors),
        "signing_key": str(profile.signing_key),
    }
    if profile.passfile:
        settings["passfile"] = str(profile.passfile)
    if profile.clock_shift:
        settings["clock_shift"] = int(profile.clock_shift.total_seconds())
    return settings


def write_private(path: Path, text: str) -> None:
    """Replace a file of our own (mode 0600) in one step, durably. Raises OSError."""
    if not path.parent.is_dir():
        private_folder(path.parent)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
