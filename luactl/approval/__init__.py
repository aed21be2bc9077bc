"""Approvals: one noun for everything that needs a second pair of eyes.

A command that needs one calls `demand` with its plan and `use` in the transaction of its change. Names are
loaded at first use: who only lists does not pay for cryptography.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .answering import answer, export, import_, read_request, sign_file
    from .demanding import ApprovalNeededError, Granted, Want, demand, digest, needed, use
    from .document import Bound, DocumentError, Request, differences, open_answer, parse, sign, split
    from .key import ApproverKey, NewKey, keys, load, make, register, revoke
    from .record import Answer, Approval, find, list_, mine, of_plans
    from .rule import ROLES, Rule, RuleChange, rule_of, rules, set_rule

__all__ = [
    "ROLES",
    "Answer",
    "Approval",
    "ApprovalNeededError",
    "ApproverKey",
    "Bound",
    "DocumentError",
    "Granted",
    "NewKey",
    "Request",
    "Rule",
    "RuleChange",
    "Want",
    "answer",
    "demand",
    "differences",
    "digest",
    "export",
    "find",
    "import_",
    "keys",
    "list_",
    "load",
    "make",
    "mine",
    "needed",
    "of_plans",
    "open_answer",
    "parse",
    "read_request",
    "register",
    "revoke",
    "rule_of",
    "rules",
    "set_rule",
    "sign",
    "sign_file",
    "split",
    "use",
]

__getattr__ = attributes(
    __name__,
    {
        "answering": "answer export import_ read_request sign_file",
        "demanding": "ApprovalNeededError Granted Want demand digest needed use",
        "document": "Bound DocumentError Request differences open_answer parse sign split",
        "key": "ApproverKey NewKey keys load make register revoke",
        "record": "Answer Approval find list_ mine of_plans",
        "rule": "ROLES Rule RuleChange rule_of rules set_rule",
    },
)
