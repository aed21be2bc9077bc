"""The committed command reference is what the program would write."""

from __future__ import annotations

from pathlib import Path

from luactl.commands.reference import reference

FILE = Path(__file__).parent.parent / "docs" / "reference" / "commands.md"


def test_reference_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run `make docs`"
