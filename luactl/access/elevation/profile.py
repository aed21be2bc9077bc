"""The way in on this machine: a password file and a profile for an elevated login, and their end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...config import Profile, find_paths, load_profiles, save_profile, write_private
from ...errors import LuactlError
from ...passfile import password_in, with_password

LONGEST = 31


def profile_name(base: Profile) -> str:
    """Return what the profile of an elevation is called, beside that of its person."""
    name = f"{base.name}-elevated"
    return name if len(name) <= LONGEST else "elevated"


def passfile_of(base: Profile) -> Path:
    """Return the password file of that profile; it is luactl's own."""
    return find_paths().passfile(profile_name(base))


def has_password(base: Profile, login: str) -> bool:
    """Tell whether this machine knows the password of an elevated login."""
    file = passfile_of(base)
    return file.exists() and password_in(file.read_text(encoding="utf-8"), login) is not None


def write_password(base: Profile, login: str, password: str) -> None:
    """Put the password alone into the file: an earlier one is worth nothing. Raises LuactlError."""
    file = passfile_of(base)
    try:
        write_private(file, with_password("", login, password))
    except OSError as error:
        raise LuactlError(
            f"cannot write {file}: {error.strerror}",
            hint="make room, or mend its folder; nothing was changed",
        ) from error


def write_profile(base: Profile, login: str) -> None:
    """Write the profile by which the elevated login enters; keys and anchors are those of its person."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    given = conninfo_to_dict(base.dsn)
    kept = {name: value for name, value in given.items() if name not in ("user", "passfile")}
    made = replace(
        base,
        name=profile_name(base),
        dsn=make_conninfo("", **kept, user=login),
        passfile=passfile_of(base),
        server=base.server_name if base.embedded else None,
    )
    save_profile(find_paths(), made)


def tidy(ended: str) -> tuple[str, ...]:
    """Take away profiles and password files of a login that has ended; returns the profiles' names."""
    from psycopg.conninfo import conninfo_to_dict

    from ...profile import remove

    gone, paths = [], find_paths()
    for one in load_profiles(paths).values():
        if one.name.endswith("elevated") and conninfo_to_dict(one.dsn).get("user") == ended:
            paths.passfile(one.name).unlink(missing_ok=True)
            remove(paths, one.name)
            gone.append(one.name)
    return tuple(gone)
