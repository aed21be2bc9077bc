"""Erasure of a person (Art. 17 GDPR): keys and rows go, what a duty binds stays hidden.

Names are loaded at first use: who only lists does not pay for cryptography.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .checking import Check, Verification, verify
    from .planning import ErasurePlan, Going, Staying, plan
    from .record import Erasure, Unfinished, find, list_, unfinished
    from .running import ErasureResult, run

__all__ = [
    "Check",
    "Erasure",
    "ErasurePlan",
    "ErasureResult",
    "Going",
    "Staying",
    "Unfinished",
    "Verification",
    "find",
    "list_",
    "plan",
    "run",
    "unfinished",
    "verify",
]

__getattr__ = attributes(
    __name__,
    {
        "checking": "Check Verification verify",
        "planning": "ErasurePlan Going Staying plan",
        "record": "Erasure Unfinished find list_ unfinished",
        "running": "ErasureResult run",
    },
)
