"""Retention: how long each class of data is kept, what is due, and its purge."""

from .plan import DuePeriod, PurgePlan, TenantPurge, plan
from .purge import PurgeResult, purge
from .rule import Rule, due, due_at, first_kept
from .rules import RuleChange, rules, set_rule

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
