"""Profiles as a person handles them: list, show, choose, add, remove. Changes the person's own file only.

It reads and writes config files and connects to nothing; what the files mean is `luactl.config`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..config import (
    PROFILE_NAME,
    Choice,
    Layer,
    Paths,
    Profile,
    check_dsn,
    choose,
    find_paths,
    known_names,
    layers,
    load_profile,
    load_profiles,
    merged,
    save_profile,
    write_private,
)
from ..errors import NotFoundError, RefusedError, UsageError
from .libpq import Setting, effective
from .place import check as check_holder

__all__ = [
    "Change",
    "Listed",
    "NewProfile",
    "Shown",
    "add",
    "demand_own",
    "list_",
    "remove",
    "set_places",
    "show",
    "use",
]


@dataclass(frozen=True)
class Listed:
    """One profile of the list."""

    name: str
    chosen: bool
    """Whether a command without --profile uses it, here and now."""
    production: bool
    server: str
    """`embedded`, or the host, service or socket of the DSN."""
    database: str
    user: str
    file: str
    """The file that has the last word on it."""


@dataclass(frozen=True)
class Shown:
    """One profile with each setting and where it comes from."""

    name: str
    chosen_by: str
    """What makes it the profile of this command."""
    production: bool
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class Change:
    """What a command does, or would do, to the person's file."""

    action: str
    profile: str
    file: str
    changed: bool
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class NewProfile:
    """A profile to add: a DSN, or the embedded server of another profile with a login of its own."""

    name: str
    dsn: str | None = None
    server: str | None = None
    user: str | None = None
    production: bool = False
    holders: tuple[str, ...] = ()
    books: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    signing_key: str | None = None
    passfile: str | None = None


def list_(paths: Paths, name: str | None, environ: Mapping[str, str] = os.environ) -> list[Listed]:
    """Return all profiles; `name` is what --profile says. Raises UsageError for a malformed one."""
    found = layers(paths, environ)
    choice = choose(found, name, environ)
    return [_listed(one, found, choice) for one in load_profiles(paths, environ).values()]


def _listed(profile: Profile, found: tuple[Layer, ...], choice: Choice | None) -> Listed:
    given = check_dsn(profile.dsn)
    place = given.get("service") or given.get("host") or given.get("hostaddr") or "libpq default"
    server = f"embedded ({profile.server_name})" if profile.embedded else place
    file = next(layer.file for layer in reversed(found) if profile.name in layer.tables)
    return Listed(
        name=profile.name,
        chosen=choice is not None and choice.name == profile.name,
        production=profile.production,
        server=server,
        database=given.get("dbname", ""),
        user=given.get("user", ""),
        file=str(file),
    )


def show(paths: Paths, name: str | None, environ: Mapping[str, str] = os.environ) -> Shown:
    """Return a profile's settings and what libpq makes of its DSN. Raises NoConnectionError for none."""
    profile = load_profile(name, environ)
    found = layers(paths, environ)
    choice = choose(found, name, environ)
    ours = merged(found, profile.name)
    dsn_origin = f"dsn in {ours['dsn'][1].file}"
    settings = [
        Setting(key, _text(getattr(profile, key)), _origin(ours, key))
        for key in ("embedded", "server", "production", "throwaway", "holders", "books", "anchors",
                    "signing_key", "clock_shift")
        if getattr(profile, key) is not None
    ]  # fmt: skip
    options = effective(profile, environ, dsn_origin)
    options = [
        replace(one, origin=_origin(ours, "passfile")) if one.origin == "profile" else one for one in options
    ]
    return Shown(profile.name, choice.origin if choice else "", profile.production, (*settings, *options))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _origin(ours: Mapping[str, tuple[Any, Layer]], key: str) -> str:
    return f"{ours[key][1].kind} file {ours[key][1].file}" if key in ours else "luactl default"


def use(paths: Paths, name: str, *, dry_run: bool = False, environ: Mapping[str, str] = os.environ) -> Change:
    """Make a profile the default of the person's own file. Raises NotFoundError."""
    found = layers(paths, environ)
    _demand_known(found, name)
    changed = found[-1].default != name
    if changed and not dry_run:
        document = _document(paths)
        document["default_profile"] = name
        _write(paths, document)
    return Change("use", name, str(paths.config_file), changed)


def add(
    paths: Paths, new: NewProfile, *, dry_run: bool = False, environ: Mapping[str, str] = os.environ
) -> Change:
    """Add a profile to the person's own file. Raises UsageError, RefusedError for a taken name."""
    found = layers(paths, environ)
    if new.name in known_names(found):
        raise RefusedError(
            f"there is a profile {new.name!r} already",
            hint="choose another name, or edit its file; `luactl profile show --origin` names it",
        )
    profile = _made(paths, new, environ)
    settings = tuple(
        Setting(key, _text(getattr(profile, key)), "new")
        for key in (
            "dsn",
            "embedded",
            "server",
            "production",
            "holders",
            "books",
            "anchors",
            "signing_key",
            "passfile",
        )
        if getattr(profile, key) not in (None, False, ())
    )
    if not dry_run:
        paths.make()
        save_profile(paths, profile)
    return Change("add", new.name, str(paths.config_file), True, settings)


def _made(paths: Paths, new: NewProfile, environ: Mapping[str, str]) -> Profile:
    if not PROFILE_NAME.fullmatch(new.name):
        raise UsageError(f"{new.name!r} is no name for a profile", hint="up to 31 of a-z, 0-9, - and _")
    if (new.dsn is None) == (new.server is None):
        raise UsageError(
            "exactly one of --dsn and --server is needed",
            hint="--dsn names a server of your own, --server the profile whose embedded server is to be used",
        )
    for holder in new.holders:
        check_holder(holder)
    named = (new.signing_key, new.passfile, *new.books)
    for place in named:
        if place is not None and not Path(place).is_absolute():
            raise UsageError(f"{place!r} is no absolute path", hint="write it from the root on")
    dsn, base = new.dsn, None
    if new.server is not None:
        base = load_profiles(paths, environ).get(new.server)
        dsn = _shared_dsn(base, new)
    check_dsn(dsn or "")
    return Profile(
        name=new.name,
        dsn=dsn or "",
        embedded=base is not None,
        production=new.production,
        throwaway=base is not None and base.throwaway,
        holders=new.holders or (base.holders if base else ()),
        books=tuple(map(Path, new.books)) or (base.books if base else ()),
        anchors=new.anchors or (base.anchors if base else ()),
        signing_key=Path(new.signing_key) if new.signing_key else _usual_key(paths, new.name, base),
        passfile=_passfile(paths, new),
        server=base.server_name if base else None,
    )


def _passfile(paths: Paths, new: NewProfile) -> Path | None:
    """Return the password file: the named one; of our own server's logins, one of ours; else libpq's."""
    if new.passfile:
        return Path(new.passfile)
    return paths.passfile(new.name) if new.server else None


def _usual_key(paths: Paths, name: str, base: Profile | None) -> Path:
    return base.signing_key if base else paths.keys / name / "ledger.key"


def _shared_dsn(base: Profile | None, new: NewProfile) -> str:
    """Return the DSN by which another login reaches the embedded server of `base`."""
    from psycopg.conninfo import make_conninfo

    if base is None or not base.embedded:
        raise UsageError(
            f"profile {new.server!r} has no embedded server",
            hint="`luactl profile list` shows which have one",
        )
    if not new.user:
        raise UsageError("--server needs --user: who logs in there", hint="a role that exists on that server")
    kept = {key: value for key, value in check_dsn(base.dsn).items() if key not in ("user", "passfile")}
    return make_conninfo("", **kept, user=new.user)


def remove(
    paths: Paths, name: str, *, dry_run: bool = False, environ: Mapping[str, str] = os.environ
) -> Change:
    """Take a profile out of the person's own file; server, keys and data stay where they are.

    Raises NotFoundError, and RefusedError when it is defined elsewhere or another one uses its server.
    """
    found = layers(paths, environ)
    _demand_known(found, name)
    own = found[-1]
    if name not in own.tables:
        raise RefusedError(
            f"profile {name!r} is not defined in {own.file}",
            hint="it is the system's: its administrator removes it",
        )
    users = [one.name for one in load_profiles(paths, environ).values() if one.server == name]
    if users:
        raise RefusedError(
            f"the embedded server of profile {name!r} is used by {', '.join(users)}",
            hint="remove those profiles first",
        )
    if not dry_run:
        document = _document(paths)
        del document["profile"][name]
        if document.get("default_profile") == name:
            del document["default_profile"]
        _write(paths, document)
    return Change("remove", name, str(paths.config_file), True)


def demand_own(name: str, environ: Mapping[str, str] = os.environ) -> None:
    """Refuse what would change a profile that the person's own file does not define. Raises RefusedError."""
    own = layers(find_paths(environ), environ)[-1]
    if name not in own.tables:
        raise RefusedError(
            f"profile {name!r} is not defined in {own.file}",
            hint="it is the system's: its administrator runs this",
        )


def set_places(before: Profile, after: Profile, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Write other holders and books into the person's own file; returns the profiles that were changed.

    Every profile there that named the very same places follows: they are logins to the same database.
    """
    settings = {"holders": list(after.holders), "books": [str(book) for book in after.books]}
    return _set(
        before, settings, lambda one: (one.holders, one.books) == (before.holders, before.books), environ
    )


def set_anchors(
    before: Profile, anchors: Sequence[str], environ: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """Write other anchors into the person's own file; returns the profiles that were changed.

    Every profile there with the same signing key and the same anchors follows: it is of the same log.
    """
    same = (before.signing_key, before.anchors)
    return _set(
        before, {"anchors": list(anchors)}, lambda one: (one.signing_key, one.anchors) == same, environ
    )


def _set(
    before: Profile,
    settings: Mapping[str, list[str]],
    follows: Callable[[Profile], bool],
    environ: Mapping[str, str],
) -> tuple[str, ...]:
    paths = find_paths(environ)
    document = _document(paths)
    profiles, changed = load_profiles(paths, environ), []
    for name, table in document.get("profile", {}).items():
        if name == before.name or follows(profiles[name]):
            table.update(settings)
            changed.append(name)
    _write(paths, document)
    return tuple(changed)


def _demand_known(found: tuple[Layer, ...], name: str) -> None:
    names = known_names(found)
    if name not in names:
        raise NotFoundError(
            f"there is no profile {name!r}", hint=f"known profiles: {', '.join(names) or 'none'}"
        )


def _document(paths: Paths) -> Any:
    import tomlkit

    text = paths.config_file.read_text(encoding="utf-8") if paths.config_file.exists() else ""
    return tomlkit.parse(text)


def _write(paths: Paths, document: Any) -> None:
    import tomlkit

    write_private(paths.config_file, tomlkit.dumps(document))
