"""Promises: what the Data Protection page says, clause by clause, and what trying to break each came to.

Names are loaded at first use: who only lists does not pay for the probes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .look import Look, State
    from .page import Clause, Page, load
    from .proving import Proof, Verdict, prove
    from .waiver import Waiver, unwaive, waive

__all__ = [
    "Clause",
    "Look",
    "Page",
    "Proof",
    "State",
    "Verdict",
    "Waiver",
    "load",
    "prove",
    "unwaive",
    "waive",
]

__getattr__ = attributes(
    __name__,
    {
        "look": "Look State",
        "page": "Clause Page load",
        "proving": "Proof Verdict prove",
        "waiver": "Waiver unwaive waive",
    },
)
