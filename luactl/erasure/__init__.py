"""Erasure of a person (Art.

17 GDPR): keys and rows go, what a duty binds stays hidden, a certificate says so.
"""

from .plan import ErasurePlan, Going, Staying, plan
from .record import Erasure, find, list_
from .run import ErasureResult, run
from .verify import Check, Verification, verify

__all__ = [
    "Check",
    "Erasure",
    "ErasurePlan",
    "ErasureResult",
    "Going",
    "Staying",
    "Verification",
    "find",
    "list_",
    "plan",
    "run",
    "verify",
]
