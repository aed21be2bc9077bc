"""What access should be, beside what it is: found where it drifts apart, and reconciled.

Owns the desired state (`default.toml` and a file of the house) and `lua.stray_grants` (docs/design/state.md).
Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import attributes

if TYPE_CHECKING:
    from .finding import Finding
    from .looking import drift
    from .undoing import Reconciled, reconcile
    from .wanted import State, load_state

__all__ = ["Finding", "Reconciled", "State", "drift", "load_state", "reconcile"]

__getattr__ = attributes(
    __name__,
    {
        "looking": "drift",
        "finding": "Finding",
        "undoing": "Reconciled reconcile",
        "wanted": "State load_state",
    },
)
