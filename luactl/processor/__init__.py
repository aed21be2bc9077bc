"""Processors: companies that process for Lua CRM's tenants in its place, and what each is told.

Art. 28(2) and (4) GDPR (who they are), Art. 28(3)(g) and Art. 19 (that data must go). Owns `lua.processor`,
`lua.processor_tenant` and `lua.processor_notice`. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .letter import Letter, compose
    from .notice import Due, Notice, about, due, find_notice, notices, notify
    from .register import (
        SERVICES,
        Processor,
        ProcessorChange,
        add,
        change,
        checked_processor,
        end,
        find,
        list_,
    )
    from .sending import Sending, by_others, confirm, sent_by_hand, tell, waiting

__all__ = [
    "SERVICES",
    "Due",
    "Letter",
    "Notice",
    "Processor",
    "ProcessorChange",
    "Sending",
    "about",
    "add",
    "by_others",
    "change",
    "checked_processor",
    "compose",
    "confirm",
    "due",
    "end",
    "find",
    "find_notice",
    "list_",
    "notices",
    "notify",
    "sent_by_hand",
    "tell",
    "waiting",
]

__getattr__ = attributes(
    __name__,
    {
        "letter": "Letter compose",
        "notice": "Due Notice about due find_notice notices notify",
        "register": "SERVICES Processor ProcessorChange add change checked_processor end find list_",
        "sending": "Sending by_others confirm sent_by_hand tell waiting",
    },
)
