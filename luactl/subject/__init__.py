"""People whose data a tenant keeps: find one, show where the data lie, correct them.

Names are loaded at first use: who only looks does not pay for cryptography.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .finding import (
        Found,
        Holding,
        Kind,
        Wanted,
        Whereabouts,
        display_name,
        find,
        indexes,
        lock,
        show,
        wanted,
    )
    from .rectifying import Rectification, plan_rectification, rectify, reindex_contact
    from .rekeying import Rekeyed, plan_rekey, rekey
    from .widening import Reindexing, Widening, plan_reindex, reindex

__all__ = [
    "Found",
    "Holding",
    "Kind",
    "Rectification",
    "Reindexing",
    "Rekeyed",
    "Wanted",
    "Whereabouts",
    "Widening",
    "display_name",
    "find",
    "indexes",
    "lock",
    "plan_rectification",
    "plan_reindex",
    "plan_rekey",
    "rectify",
    "reindex",
    "reindex_contact",
    "rekey",
    "show",
    "wanted",
]

__getattr__ = attributes(
    __name__,
    {
        "finding": "Found Holding Kind Wanted Whereabouts display_name find indexes lock show wanted",
        "rectifying": "Rectification plan_rectification rectify reindex_contact",
        "rekeying": "Rekeyed plan_rekey rekey",
        "widening": "Reindexing Widening plan_reindex reindex",
    },
)
