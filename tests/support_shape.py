"""What a verb's `-o json` looks like: its keys and the types of their values, pinned by a file a verb.

A shape may grow; a key that is gone, or has another type, breaks somebody's script.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

# Whose keys are data themselves: they differ with the action, the probe, the page or the release.
OPEN = {"detail", "evidence", "counts", "group", "packages"}
FOLDER = Path(__file__).parent / "golden" / "shape"
# Asked for now: a test's home hides what stands in the environment.
WRITE = bool(os.environ.get("LUACTL_WRITE_GOLDEN"))
TYPES = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string"}


def shape(value: Any) -> Any:
    """Return a value with each scalar replaced by its type, and each list by the one shape of its items."""
    if isinstance(value, dict):
        return {name: "open" if name in OPEN else shape(one) for name, one in value.items()}
    if isinstance(value, list):
        items: Any = None
        for one in value:
            items = shape(one) if items is None else merged(items, shape(one))
        return [] if items is None else [items]
    return TYPES[type(value)]


def merged(one: Any, other: Any) -> Any:
    """Return the shape of what is sometimes this and sometimes that; `?` marks a key that may be missing."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = dict.fromkeys(name.removesuffix("?") for name in (*one, *other))
        return dict(_merged_key(name, one, other) for name in names)
    if isinstance(one, list) and isinstance(other, list):
        return [merged(one[0], other[0])] if one and other else one or other
    if isinstance(one, str) and isinstance(other, str):
        return "|".join(sorted({*one.split("|"), *other.split("|")}))
    if "null" in (one, other):  # a structure that may be missing
        return other if one == "null" else one
    raise AssertionError(f"sometimes {one}, sometimes {other}")


def _merged_key(name: str, one: dict[str, Any], other: dict[str, Any]) -> tuple[str, Any]:
    always = name in one and name in other
    found = [side.get(name, side.get(f"{name}?")) for side in (one, other)]
    known = [each for each in found if each is not None]
    return name if always else f"{name}?", known[0] if len(known) == 1 else merged(*known)


def agrees(pinned: Any, told: Any) -> bool:
    """Tell whether two shapes are the same, as far as both saw a value: null and [] may be anything."""
    if "null" in (pinned, told):
        return True
    if isinstance(pinned, str) and isinstance(told, str):
        return bool({*pinned.split("|")} - {"null"} == {*told.split("|")} - {"null"})
    if isinstance(pinned, list) and isinstance(told, list):
        return not (pinned and told) or agrees(pinned[0], told[0])
    if isinstance(pinned, dict) and isinstance(told, dict):
        return pinned.keys() == told.keys() and all(agrees(pinned[name], told[name]) for name in pinned)
    return False


def check_shape(command: str, told: dict[str, Any]) -> None:
    """Compare the shapes of a verb's `data` (and of its `plan`) with its golden file."""
    file = FOLDER / f"{command.replace(' ', '-')}.json"
    pinned = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    if WRITE and not (pinned and agrees(pinned, told)):
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        pinned = told
    assert pinned, f"no shape of `luactl {command} -o json` yet: LUACTL_WRITE_GOLDEN=1 writes it"
    assert agrees(pinned, told), f"`luactl {command} -o json` was {pinned}, is {told}"
