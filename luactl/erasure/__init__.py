"""Erasure of a person (Art. 17 GDPR): keys and rows go, what a duty binds stays hidden.

Names are loaded at first use: who only lists does not pay for cryptography.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checking import Check, Verification, verify
    from .planning import ErasurePlan, Going, Staying, plan
    from .record import Erasure, Unfinished, find, list_, unfinished
    from .running import ErasureResult, run

__all__ = [
    "Check",
    "Erasure",
    "ErasurePlan",
    "ErasureResult",
    "Going",
    "Staying",
    "Unfinished",
    "Verification",
    "find",
    "list_",
    "plan",
    "run",
    "unfinished",
    "verify",
]

_ROOMS = {
    "checking": "Check Verification verify",
    "planning": "ErasurePlan Going Staying plan",
    "record": "Erasure Unfinished find list_ unfinished",
    "running": "ErasureResult run",
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{room}", __name__), name)
