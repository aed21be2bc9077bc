"""What a profile says about detection: `[profile.NAME.detect]` (docs/reference/profiles.md)."""

from __future__ import annotations

import re
import shlex
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...config import Profile
from ...errors import UsageError
from ...line import checked
from .rule import LEVELS

KEYS = ("rules", "off", "time_zone", "alerts", "alert_from", "mail")
MAIL, COMMAND = "mail:", "command:"
PORTS = {"smtp": 587, "smtps": 465}
LOCAL = ("localhost", "127.0.0.1", "::1")
_ADDRESS = re.compile(r"[^\s@<>\",;:]+@[^\s@<>\",;:]+")
_KEYS_OF_MAIL = ("server", "sender", "login", "passfile")
Problem = Callable[[str, str], UsageError]


@dataclass(frozen=True)
class Mail:
    """How mail leaves the house."""

    host: str
    port: int
    is_wrapped: bool
    """smtps: TLS from the first byte. smtp: STARTTLS, unless the server is this host."""
    sender: str
    login: str | None
    passfile: str | None

    @property
    def is_local(self) -> bool:
        """Whether nothing goes over a network."""
        return self.host in LOCAL


@dataclass(frozen=True)
class Settings:
    """How this house detects."""

    rules: Path | None = None
    """Folder of the house's own rules."""
    off: Mapping[str, str] = field(default_factory=dict)
    """Why a rule is switched off, by its name or id."""
    time_zone: str = "UTC"
    """In which hours and days of rules are meant."""
    alerts: tuple[str, ...] = ()
    """Who is told: `mail:ADDRESS`, `command:/program ARGUMENT …`."""
    alert_from: str = "medium"
    """The lowest level that is told."""
    mail: Mail | None = None


def settings_of(profile: Profile) -> Settings:
    """Return the settings of a profile. Raises UsageError, which names what is wrong."""
    said = profile.detect

    def problem(what: str, hint: str) -> UsageError:
        return UsageError(f"[profile.{profile.name}.detect]: {what}", hint=hint)

    for key in said:
        if key not in KEYS:
            raise problem(f"unknown setting {key!r}", f"known: {', '.join(KEYS)}")
    folder, zone = said.get("rules"), said.get("time_zone", "UTC")
    if folder is not None and not (isinstance(folder, str) and folder.startswith("/")):
        raise problem("rules is no absolute path of a folder", 'such as rules = "/etc/luactl/rules"')
    if not isinstance(zone, str) or not _is_zone(zone):
        raise problem(f"there is no time zone {str(zone)[:40]!r}", 'such as time_zone = "Europe/Berlin"')
    lowest = said.get("alert_from", "medium")
    if lowest not in LEVELS:
        raise problem(f"alert_from cannot be {str(lowest)[:40]!r}", f"one of {', '.join(LEVELS)}")
    return Settings(
        None if folder is None else Path(folder), _off(said.get("off", {}), problem), zone,
        _alerts(said.get("alerts", []), problem), lowest,
        _mail(said["mail"], problem) if "mail" in said else None,
    )  # fmt: skip


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _alerts(said: Any, problem: Problem) -> tuple[str, ...]:
    if not isinstance(said, list) or not all(isinstance(one, str) and len(one) <= 300 for one in said):
        raise problem("alerts is a list of texts", 'such as alerts = ["mail:soc@example.org"]')
    for one in said:
        is_mail = one.startswith(MAIL) and _ADDRESS.fullmatch(one.removeprefix(MAIL))
        if not is_mail and not (one.startswith(f"{COMMAND}/") and _is_command(one.removeprefix(COMMAND))):
            raise problem(f"alerts cannot go to {one[:60]!r}", "mail:ADDRESS, or command:/program ARGUMENT …")
    return tuple(dict.fromkeys(said))


def _is_command(words: str) -> bool:
    try:
        return bool(shlex.split(words))
    except ValueError:
        return False


def _mail(said: Any, problem: Problem) -> Mail:
    hint = 'such as mail = { server = "smtps://mail.example.org", sender = "luactl@example.org" }'
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise problem("mail is a table of texts", hint)
    for key in said:
        if key not in _KEYS_OF_MAIL:
            raise problem(f"mail: unknown setting {key!r}", f"known: {', '.join(_KEYS_OF_MAIL)}")
    try:
        server = urlsplit(said.get("server", ""))
        host, port = server.hostname, server.port
    except ValueError:
        host, port = None, None
    if not host or server.scheme not in PORTS or server.username or server.path not in ("", "/"):
        raise problem("mail: server is no smtp://HOST or smtps://HOST", hint)
    if not _ADDRESS.fullmatch(said.get("sender", "")):
        raise problem("mail: sender is no address", hint)
    if ("login" in said) != ("passfile" in said):
        raise problem("mail: login and passfile belong together", "the password stands in a file, mode 0600")
    return Mail(
        host, port or PORTS[server.scheme], server.scheme == "smtps", said["sender"], said.get("login"),
        said.get("passfile"),
    )  # fmt: skip


def _off(said: Any, problem: Problem) -> Mapping[str, str]:
    if not isinstance(said, dict) or not all(isinstance(why, str) for why in said.values()):
        raise problem("off names rules, each with a reason", 'such as off = { night-access = "on call" }')
    return {name: checked(f"reason why {name!r} is off", why) for name, why in said.items()}
