"""Residue: where values that were deleted still lie readable, and what takes them away.

For tables that are not sealed or once were not. Owns `lua.sealed_since`. Works on the connection of a
database administrator, since it reads the server's files. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .cleaning import Cleaned, CleanPlan, Step, clean, plan_clean
    from .connecting import administrator
    from .finding import Finding, Residue
    from .looking import survey
    from .marker import Markers, subject_markers, text_markers
    from .reaching import Reach, reach
    from .scope import Table, named_tables, subject_tables, unsealed_tables
    from .since import SealedSince, sealed_since

__all__ = [
    "CleanPlan",
    "Cleaned",
    "Finding",
    "Markers",
    "Reach",
    "Residue",
    "SealedSince",
    "Step",
    "Table",
    "administrator",
    "clean",
    "named_tables",
    "plan_clean",
    "reach",
    "sealed_since",
    "subject_markers",
    "subject_tables",
    "survey",
    "text_markers",
    "unsealed_tables",
]

__getattr__ = attributes(
    __name__,
    {
        "connecting": "administrator",
        "cleaning": "CleanPlan Cleaned Step clean plan_clean",
        "finding": "Finding Residue",
        "marker": "Markers subject_markers text_markers",
        "reaching": "Reach reach",
        "scope": "Table named_tables subject_tables unsealed_tables",
        "since": "SealedSince sealed_since",
        "looking": "survey",
    },
)
