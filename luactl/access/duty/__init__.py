"""Separation of duties: rules about what nobody may have both, who breaks them, and for whom one is waived.

Owns `lua.duty_rule` and `lua.duty_waiver`. The database refuses a new duty that breaks a rule
(`lua.check_duties`); `check` finds what came about otherwise. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import attributes

if TYPE_CHECKING:
    from .finding import Finding, check, open_
    from .rule import DUTIES, Rule, RuleChange, add, end, find, list_
    from .waiver import Waiver, waive, waivers

__all__ = [
    "DUTIES", "Finding", "Rule", "RuleChange", "Waiver", "add", "check", "end", "find", "list_", "open_",
    "waive", "waivers",
]  # fmt: skip

__getattr__ = attributes(
    __name__,
    {
        "finding": "Finding check open_",
        "rule": "DUTIES Rule RuleChange add end find list_",
        "waiver": "Waiver waive waivers",
    },
)
