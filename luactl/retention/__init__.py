"""Retention: how long each class of data is kept, what is due, and its purge.

Names are loaded at first use: who only lists does not pay for cryptography.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .coming import Coming, outlook
    from .log import LogPlan, LogPurged, log_rule, plan_log, purge_log, set_log_rule
    from .planning import DuePeriod, PurgePlan, TenantPurge, plan
    from .purging import PurgeResult, purge
    from .register import RuleChange, rules, set_rule
    from .rule import Rule, due, due_at, first_kept

__all__ = [
    "Coming",
    "DuePeriod",
    "LogPlan",
    "LogPurged",
    "PurgePlan",
    "PurgeResult",
    "Rule",
    "RuleChange",
    "TenantPurge",
    "due",
    "due_at",
    "first_kept",
    "log_rule",
    "outlook",
    "plan",
    "plan_log",
    "purge",
    "purge_log",
    "rules",
    "set_log_rule",
    "set_rule",
]

__getattr__ = attributes(
    __name__,
    {
        "coming": "Coming outlook",
        "log": "LogPlan LogPurged log_rule plan_log purge_log set_log_rule",
        "planning": "DuePeriod PurgePlan TenantPurge plan",
        "purging": "PurgeResult purge",
        "register": "RuleChange rules set_rule",
        "rule": "Rule due due_at first_kept",
    },
)
