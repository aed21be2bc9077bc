"""What `[tui]` in config.toml says about the terminal UI: keys, copying, theme."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from luactl.config import find_paths
from luactl.errors import UsageError

THEMES = ("ansi-dark", "ansi-light")


@dataclass(frozen=True)
class Settings:
    """How this person wants the terminal UI."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys by the id of a command: `{"search": "ctrl+s"}`; several with commas."""
    copy_file: Path | None = None
    """Where `y` writes to; None: the terminal's clipboard (OSC 52)."""
    theme: str = THEMES[0]
    """One of THEMES; both use the 16 colours of the terminal."""


def read(file: Path | None = None) -> Settings:
    """Read the settings of the person's config.toml. Raises UsageError for what makes no sense."""
    place = file or find_paths().config_file
    try:
        table = tomllib.loads(place.read_text(encoding="utf-8")).get("tui", {})
    except FileNotFoundError:
        table = {}
    return _checked(table, place)


def _checked(table: Any, place: Path) -> Settings:
    hint = f"correct [tui] in {place}"
    if not isinstance(table, dict) or table.keys() - {"keys", "copy_file", "theme"}:
        raise UsageError("[tui] takes keys, copy_file and theme", hint=hint)
    keys, copy_file, theme = table.get("keys", {}), table.get("copy_file"), table.get("theme", THEMES[0])
    if not isinstance(keys, dict) or not all(isinstance(one, str) and one for one in keys.values()):
        raise UsageError("[tui.keys] takes keys by the name of a command", hint=hint)
    if copy_file is not None and not (isinstance(copy_file, str) and Path(copy_file).is_absolute()):
        raise UsageError("copy_file must be an absolute path", hint=hint)
    if theme not in THEMES:
        raise UsageError(f"theme must be one of {', '.join(THEMES)}", hint=hint)
    return Settings(keys, Path(copy_file) if copy_file else None, theme)
