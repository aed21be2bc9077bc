"""Where luactl keeps its things, and the profiles of the config files (docs/reference/profiles.md).

A profile says which database is meant and where its keys are. It never holds a secret: passwords stand
in libpq's own password files, keys in the folders that the profile names. The system's file and the person's
own define profiles; a project's file only chooses one, since it may come from anywhere.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from .disk import replace_file
from .errors import NoConnectionError, RefusedError, UsageError

INIT_HINT = "run `luactl init` to make an embedded database, or `luactl init --dsn …` to name one"
PROFILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
SYSTEM_FILE = Path("/etc/luactl/config.toml")
PROJECT_FILES = ("luactl.toml", ".luactl/config.toml")
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

    @property
    def certificates(self) -> Path:
        """Where the certificates of erasures go unless somebody names another folder."""
        return self.data / "certificates"

    @property
    def approver_key(self) -> Path:
        """The secret key with which a person answers requests for approval, unless they name another."""
        return self.keys / "approver.key"

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
    server: str | None = None
    """Name of the profile whose embedded server this one uses; None: one of its own name."""
    cosigners: tuple[str, ...] = ()
    """Verifier keys of those who cosign checkpoints of the ledger."""
    cosigners_needed: int = 0
    """How many of them must have cosigned."""
    backup_days: int | None = None
    """For how many days backups and archived log are kept, as whoever runs them states; None: not stated."""
    detect: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The table `detect`, as it stands: `luactl.log.detect.settings` reads it."""

    @property
    def server_name(self) -> str:
        """The name under which the embedded server lies in the data folder."""
        return self.server or self.name

    def __post_init__(self) -> None:
        """Hold the rules that no profile may break."""
        if self.clock_shift and not (self.throwaway and self.embedded):
            raise UsageError(
                f"profile {self.name!r} moves the clock, which only a throw-away embedded database may",
                hint="remove clock_shift from the profile",
            )
        if self.backup_days is not None and self.backup_days < 0:
            raise UsageError(
                f"profile {self.name!r} keeps backups for {self.backup_days} days",
                hint="set backup_days to 0 or more",
            )
        if self.server is not None and not (self.embedded and PROFILE_NAME.fullmatch(self.server)):
            raise UsageError(
                f"profile {self.name!r} names a server, which only an embedded database has",
                hint="set embedded = true, and server to the name of the profile that made it",
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
    "anchors": list, "signing_key": str, "passfile": str, "clock_shift": int, "server": str,
    "backup_days": int, "cosigners": list, "cosigners_needed": int, "detect": dict,
}  # fmt: skip


def _check_table(name: str, table: Any, source: Path) -> None:
    """Refuse what one file may not say about a profile. Raises UsageError naming what is wrong where."""
    hint = f"correct [profile.{name}] in {source}"
    if not isinstance(table, dict):
        raise UsageError(f"profile {name!r} is not a table", hint=hint)
    for key, value in table.items():
        shape = _SHAPES.get(key)
        if shape is None:
            raise UsageError(f"profile {name!r} has an unknown setting {key!r}", hint=hint)
        texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if type(value) is not shape or (shape is list and not texts):
            wanted = {"list": "a list of strings", "dict": "a table"}.get(shape.__name__, shape.__name__)
            raise UsageError(f"setting {key!r} of profile {name!r} must be {wanted}", hint=hint)
    check_dsn(table.get("dsn", ""))


def _profile(name: str, table: Mapping[str, Any], source: Path) -> Profile:
    """Build a profile from what the files say together. Raises UsageError for what all of them lack."""
    for key in ("dsn", "signing_key"):
        if key not in table:
            raise UsageError(
                f"profile {name!r} lacks the setting {key!r}", hint=f"correct [profile.{name}] in {source}"
            )
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
        server=table.get("server"),
        backup_days=table.get("backup_days"),
        cosigners=tuple(table.get("cosigners", ())),
        cosigners_needed=table.get("cosigners_needed", 0),
        detect=table.get("detect", {}),
    )


def read_toml(file: Path) -> dict[str, Any]:
    """Read a config file; a missing one is empty. Raises UsageError, NoConnectionError."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not valid TOML: {error}", hint="correct the file by hand") from None
    except OSError as error:
        raise NoConnectionError(
            f"cannot read {file}: {error.strerror}", hint="run luactl as the person whose profile this is"
        ) from None


def demand_trusted(file: Path) -> None:
    """Refuse a file that somebody else could have written: only root's or our own is believed.

    Raises RefusedError; a missing file is nobody's.
    """
    try:
        found = file.stat()
    except OSError:
        return
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
        raise RefusedError(
            f"{file} belongs to somebody else, or others may write to it: it is not believed",
            hint="own it and `chmod go-w` it, or name the profile yourself: --profile NAME",
        )


@dataclass(frozen=True)
class Layer:
    """One file that defines profiles; later layers win, setting by setting."""

    kind: str
    """system or user."""
    file: Path
    content: Mapping[str, Any]

    @property
    def tables(self) -> Mapping[str, Any]:
        """What the file says of each profile."""
        found = self.content.get("profile", {})
        if not isinstance(found, dict):
            raise UsageError(f"`profile` in {self.file} is not a table", hint="write [profile.NAME]")
        return found

    @property
    def default(self) -> str | None:
        """The profile that the file names as the default."""
        named = self.content.get("default_profile")
        if named is not None and not isinstance(named, str):
            raise UsageError(f"`default_profile` in {self.file} is no name", hint="write it in quotes")
        return named


def layers(paths: Paths, environ: Mapping[str, str] = os.environ) -> tuple[Layer, ...]:
    """Return the files that define profiles: the system's, then the person's own.

    LUACTL_SYSTEM_CONFIG names another system file, empty: none. Raises UsageError, NoConnectionError, and
    RefusedError for a system file that others may write to.
    """
    system = Path(environ.get("LUACTL_SYSTEM_CONFIG", SYSTEM_FILE))
    found = [Layer("user", paths.config_file, read_toml(paths.config_file))]
    if environ.get("LUACTL_SYSTEM_CONFIG") != "" and system.exists():
        demand_trusted(system)
        found.insert(0, Layer("system", system, read_toml(system)))
    return tuple(found)


def project_file(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the nearest project file, from the working folder upward to the home folder or the root.

    LUACTL_PROJECT_CONFIG names one instead, empty: none.
    """
    named = environ.get("LUACTL_PROJECT_CONFIG")
    if named is not None:
        return Path(named) if named else None
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return None
    for folder in (here, *here.parents):
        for name in PROJECT_FILES:
            if (folder / name).is_file():
                return folder / name
        if str(folder) == environ.get("HOME"):
            break
    return None


def _project_default(environ: Mapping[str, str]) -> tuple[str, Path] | None:
    """Return the profile that a project file chooses, which is all that it may do."""
    file = project_file(environ)
    if file is None:
        return None
    demand_trusted(file)
    content = read_toml(file)
    if content.keys() - {"default_profile"}:
        raise UsageError(
            f"{file} sets {', '.join(sorted(content.keys() - {'default_profile'}))}",
            hint="a project's file may only name a default_profile; profiles are defined in your own config",
        )
    named = Layer("project", file, content).default
    return (named, file) if named else None


@dataclass(frozen=True)
class Choice:
    """Which profile is meant, and who says so."""

    name: str
    origin: str
    """--profile, LUACTL_PROFILE, or the file whose default_profile it is."""


def choose(found: Sequence[Layer], name: str | None, environ: Mapping[str, str]) -> Choice | None:
    """Return the profile asked for: by name, LUACTL_PROFILE, the project, the person, the system."""
    if name:
        return Choice(name, "--profile")
    if environ.get("LUACTL_PROFILE"):
        return Choice(environ["LUACTL_PROFILE"], "LUACTL_PROFILE")
    project = _project_default(environ)
    if project:
        return Choice(project[0], f"project file {project[1]}")
    for layer in reversed(found):
        if layer.default:
            return Choice(layer.default, f"{layer.kind} file {layer.file}")
    return None


def merged(found: Sequence[Layer], name: str) -> dict[str, tuple[Any, Layer]]:
    """Return each setting of a profile and the file it comes from; empty when no file knows the profile.

    Once a file says `production = true`, no other takes it back. Raises UsageError.
    """
    settings: dict[str, tuple[Any, Layer]] = {}
    for layer in found:
        if name in layer.tables:
            _check_table(name, layer.tables[name], layer.file)
            for key, value in layer.tables[name].items():
                if key != "production" or value or key not in settings:
                    settings[key] = (value, layer)
    return settings


def _load(found: Sequence[Layer], name: str) -> Profile:
    settings = merged(found, name)
    source = next(layer.file for layer in reversed(found) if name in layer.tables)
    return _profile(name, {key: value for key, (value, _layer) in settings.items()}, source)


def known_names(found: Sequence[Layer]) -> list[str]:
    """Return the names of all profiles, in the order of the files."""
    return list(dict.fromkeys(name for layer in found for name in layer.tables))


def load_profiles(paths: Paths, environ: Mapping[str, str] = os.environ) -> dict[str, Profile]:
    """Return every profile by name. Raises UsageError when one is malformed."""
    found = layers(paths, environ)
    return {name: _load(found, name) for name in known_names(found)}


def load_profile(name: str | None = None, environ: Mapping[str, str] = os.environ) -> Profile:
    """Return the profile of that name, of LUACTL_PROFILE, or the default one, in this order.

    Raises NoConnectionError (exit 3) when there is none: nothing is ever created on the way.
    """
    paths = find_paths(environ)
    found = layers(paths, environ)
    names = known_names(found)
    if not names:
        raise NoConnectionError(f"no profile in {paths.config_file}", hint=INIT_HINT)
    choice = choose(found, name, environ)
    if choice is None:
        raise NoConnectionError(
            f"{paths.config_file} names no default_profile",
            hint=f"say --profile, one of: {', '.join(names)}; or `luactl profile use NAME`",
        )
    if choice.name not in names:
        raise NoConnectionError(
            f"there is no profile {choice.name!r} in {paths.config_file}",
            hint=f"known profiles: {', '.join(names)}; `luactl --profile NAME init` makes another",
        )
    return _load(found, choice.name)


def profile_to_make(paths: Paths, name: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Return which profile `luactl init` works on: the one that other commands would use, else `local`."""
    choice = choose(layers(paths, environ), name, environ)
    return choice.name if choice else "local"


def save_profile(paths: Paths, profile: Profile) -> None:
    """Write a profile into config.toml, keeping what a person wrote there; the first becomes the default.

    The file is replaced as a whole, so that no reader ever sees half of it. Raises OSError, UsageError.
    """
    import tomlkit

    read_toml(paths.config_file)
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
    if profile.server:
        settings["server"] = profile.server
    if profile.backup_days is not None:
        settings["backup_days"] = profile.backup_days
    if profile.cosigners:
        settings["cosigners"] = list(profile.cosigners)
        settings["cosigners_needed"] = profile.cosigners_needed
    if profile.detect:
        settings["detect"] = dict(profile.detect)
    if profile.clock_shift:
        settings["clock_shift"] = int(profile.clock_shift.total_seconds())
    return settings


def write_private(path: Path, text: str) -> None:
    """Replace a file of our own (mode 0600) in one step, durably. Raises OSError."""
    if not path.parent.is_dir():
        private_folder(path.parent)
    replace_file(path, text.encode())
