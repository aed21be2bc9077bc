"""What libpq makes of a DSN: each option, its value without secrets, and where that comes from.

libpq's own order: the DSN, the service file, PG… variables, what it was built with. Reads files and the
environment; connects to nothing.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..config import Profile, check_dsn

HIDDEN = "(set)"
DEFAULT = "libpq default"
CERTIFICATES = {"sslcert": "postgresql.crt", "sslkey": "postgresql.key", "sslrootcert": "root.crt"}
"""Files in ~/.postgresql that libpq uses when they are there."""


@dataclass(frozen=True)
class Setting:
    """One effective setting."""

    setting: str
    value: str
    """As text; `(set)` for a secret."""
    origin: str
    """The file, the variable or the default that it comes from."""


def effective(
    profile: Profile, environ: Mapping[str, str] = os.environ, dsn_origin: str = "dsn"
) -> list[Setting]:
    """Return every libpq option that has a value for a profile, in libpq's order, and the password's place.

    `dsn_origin` is what is said of options that the profile's DSN names. Raises UsageError for a bad DSN.
    """
    from psycopg import pq

    given = check_dsn(profile.dsn)
    service, file = _service(given, environ)
    found: dict[str, Setting] = {}
    for option in pq.Conninfo.get_defaults():
        name, variable = option.keyword.decode(), (option.envvar or b"").decode()
        compiled = (option.compiled or b"").decode()
        if name in given:
            value, origin = given[name], dsn_origin
        elif name == "passfile" and profile.passfile:
            value, origin = str(profile.passfile), "profile"
        elif name in service:
            value, origin = service[name], f"service file {file}"
        elif environ.get(variable):
            value, origin = environ[variable], variable
        else:
            value, origin = compiled or _special(name, found, environ), DEFAULT
        if value and not (option.dispchar == b"D" and origin == DEFAULT):
            shown = HIDDEN if option.dispchar == b"*" else value
            found[name] = Setting(name, shown, origin)
    if "password" not in found:
        found["password"] = _password(found)
    return list(found.values())


def same_database(profile: Profile, dsn: str) -> bool:
    """Whether a DSN reaches the profile's database, whatever both leave to service files and variables.

    Raises UsageError for a bad DSN.
    """
    ours, theirs = (
        {each.setting: each.value for each in effective(side)}
        for side in (profile, replace(profile, dsn=dsn))
    )
    both_addresses = "hostaddr" in ours and "hostaddr" in theirs
    names = ("hostaddr" if both_addresses else "host", "port", "dbname")
    return all(ours.get(name) == theirs.get(name) for name in names)


def _special(name: str, found: Mapping[str, Setting], environ: Mapping[str, str]) -> str:
    """Return what libpq works out when nobody says anything."""
    if name == "user":
        return environ.get("USER") or getpass.getuser()
    if name == "dbname" and "user" in found:
        return found["user"].value
    home = Path(environ.get("HOME", "/"))
    if name == "passfile":
        return str(home / ".pgpass")
    usual = home / ".postgresql" / CERTIFICATES[name] if name in CERTIFICATES else None
    return str(usual) if usual and usual.exists() else ""


def _service(given: Mapping[str, str], environ: Mapping[str, str]) -> tuple[dict[str, str], Path | None]:
    """Return the options of the service that is asked for, and the file that has it."""
    wanted = given.get("service") or environ.get("PGSERVICE")
    if not wanted:
        return {}, None
    own = Path(environ.get("PGSERVICEFILE") or Path(environ.get("HOME", "/")) / ".pg_service.conf")
    shared = Path(environ.get("PGSYSCONFDIR") or "/etc/postgresql-common") / "pg_service.conf"
    for file in (own, shared):
        section = dict(_section(file, wanted)) if file.is_file() else {}
        if section:
            return section, file
    return {}, None


def _section(file: Path, wanted: str) -> Iterator[tuple[str, str]]:
    """Yield the options of one section; the first setting of an option counts, as in libpq."""
    inside, seen = False, set()
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        text = line.strip()
        if text.startswith("["):
            inside = text == f"[{wanted}]"
        elif inside and "=" in text and not text.startswith("#"):
            name, _, value = text.partition("=")
            if name not in seen:
                seen.add(name)
                yield name, value


def _password(found: Mapping[str, Setting]) -> Setting:
    """Tell whether the password file has a line for this connection."""
    file = found["passfile"]
    path = Path(file.value)
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Setting("password", "(none)", f"no readable file {path}")
    if mode & 0o077:
        return Setting("password", "(none)", f"{path} is ignored by libpq: others may read it (chmod 600)")
    wanted = [_value(found, "host", "localhost"), _value(found, "port", "5432")]
    wanted += [_value(found, "dbname", ""), _value(found, "user", "")]
    if wanted[0].startswith(("/", "@")):
        wanted[0] = "localhost"
    for number, line in enumerate(text.splitlines(), 1):
        fields = _fields(line)
        pairs = zip(fields, wanted, strict=False)
        if len(fields) >= 5 and not line.startswith("#") and all(f in ("*", w) for f, w in pairs):
            return Setting("password", HIDDEN, f"{path}, line {number}")
    return Setting("password", "(none)", f"{path} has no line for it")


def _value(found: Mapping[str, Setting], name: str, default: str) -> str:
    return found[name].value if name in found else default


def _fields(line: str) -> list[str]:
    """Split a line of a password file at colons; a backslash takes the next character as it is."""
    fields, current, at = [], "", 0
    while at < len(line):
        char = line[at]
        if char == "\\" and at + 1 < len(line):
            at += 1
            current += line[at]
        elif char == ":":
            fields.append(current)
            current = ""
        else:
            current += char
        at += 1
    return [*fields, current]
