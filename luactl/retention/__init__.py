"""Retention: how long each class of data is kept, what is due, and its purge.

Names are loaded at first use: who only lists does not pay for cryptography.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .planning import DuePeriod, PurgePlan, TenantPurge, plan
    from .purging import PurgeResult, purge
    from .register import RuleChange, rules, set_rule
    from .rule import Rule, due, due_at, first_kept

__all__ = [
    "DuePeriod",
    "PurgePlan",
    "PurgeResult",
    "Rule",
    "RuleChange",
    "TenantPurge",
    "due",
    "due_at",
    "first_kept",
    "plan",
    "purge",
    "rules",
    "set_rule",
]

_ROOMS = {
    "planning": "DuePeriod PurgePlan TenantPurge plan",
    "purging": "PurgeResult purge",
    "register": "RuleChange rules set_rule",
    "rule": "Rule due due_at first_kept",
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{room}", __name__), name)
