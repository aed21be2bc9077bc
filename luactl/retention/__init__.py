"""Retention: how long each class of data is kept, what is due, and its purge.

Names are loaded at first use: who only lists does not pay for cryptography.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .coming import Coming, outlook
    from .planning import DuePeriod, PurgePlan, TenantPurge, plan
    from .purging import PurgeResult, purge
    from .register import RuleChange, rules, set_rule
    from .rule import Rule, due, due_at, first_kept

__all__ = [
    "Coming",
    "DuePeriod",
    "PurgePlan",
    "PurgeResult",
    "Rule",
    "RuleChange",
    "TenantPurge",
    "due",
    "due_at",
    "first_kept",
    "outlook",
    "plan",
    "purge",
    "rules",
    "set_rule",
]

__getattr__ = attributes(
    __name__,
    {
        "coming": "Coming outlook",
        "planning": "DuePeriod PurgePlan TenantPurge plan",
        "purging": "PurgeResult purge",
        "register": "RuleChange rules set_rule",
        "rule": "Rule due due_at first_kept",
    },
)
