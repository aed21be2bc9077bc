"""What a profile says about detection: `[profile.NAME.detect]` (docs/reference/profiles.md)."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...config import Profile
from ...errors import UsageError
from ...line import checked

KEYS = ("rules", "off", "time_zone")


@dataclass(frozen=True)
class Settings:
    """How this house detects."""

    rules: Path | None = None
    """Folder of the house's own rules."""
    off: Mapping[str, str] = field(default_factory=dict)
    """Why a rule is switched off, by its name or id."""
    time_zone: str = "UTC"
    """In which hours and days of rules are meant."""


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
    return Settings(None if folder is None else Path(folder), _off(said.get("off", {}), problem), zone)


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _off(said: Any, problem: Any) -> Mapping[str, str]:
    if not isinstance(said, dict) or not all(isinstance(why, str) for why in said.values()):
        raise problem("off names rules, each with a reason", 'such as off = { night-access = "on call" }')
    return {name: checked(f"reason why {name!r} is off", why) for name, why in said.items()}
