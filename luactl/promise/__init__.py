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
    from .standing import Standing, standings
    from .waiver import Waiver, in_force, unwaive, waive

__all__ = [
    "Clause",
    "Look",
    "Page",
    "Proof",
    "Standing",
    "State",
    "Verdict",
    "Waiver",
    "in_force",
    "load",
    "prove",
    "standings",
    "unwaive",
    "waive",
]

__getattr__ = attributes(
    __name__,
    {
        "look": "Look State",
        "page": "Clause Page load",
        "proving": "Proof Verdict prove",
        "standing": "Standing standings",
        "waiver": "Waiver in_force unwaive waive",
    },
)
