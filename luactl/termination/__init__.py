"""The end of a tenant: announced, a time of grace, then everything processed for it goes.

Art. 28(3)(g) GDPR.
Its verbs are those of `luactl tenant`. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .planning import Kept, Rows, TerminationPlan, plan
    from .record import Termination, current
    from .running import TerminationResult, run
    from .standing import announce, withdraw

__all__ = [
    "Kept",
    "Rows",
    "Termination",
    "TerminationPlan",
    "TerminationResult",
    "announce",
    "current",
    "plan",
    "run",
    "withdraw",
]

__getattr__ = attributes(
    __name__,
    {
        "planning": "Kept Rows TerminationPlan plan",
        "record": "Termination current",
        "running": "TerminationResult run",
        "standing": "announce withdraw",
    },
)
