"""Elevation: a role on one tenant, for a time that the database ends by itself, and what was done with it.

docs/design/elevation.md tells how. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import attributes

if TYPE_CHECKING:
    from .alarming import alarm
    from .beginning import Begun, elevate
    from .ending import Ending, end, sweep
    from .limiting import RoleRuleChange, limit, limit_of
    from .order import Order, minutes_of, order_of, prepare
    from .record import Elevation, Fault, RoleRule, faults, find, list_, rules
    from .reviewing import Act, Review, Reviewed, review, sign_off

__all__ = [
    "Act",
    "Begun",
    "Elevation",
    "Ending",
    "Fault",
    "Order",
    "Review",
    "Reviewed",
    "RoleRule",
    "RoleRuleChange",
    "alarm",
    "elevate",
    "end",
    "faults",
    "find",
    "limit",
    "limit_of",
    "list_",
    "minutes_of",
    "order_of",
    "prepare",
    "review",
    "rules",
    "sign_off",
    "sweep",
]

__getattr__ = attributes(
    __name__,
    {
        "alarming": "alarm",
        "beginning": "Begun elevate",
        "ending": "Ending end sweep",
        "limiting": "RoleRuleChange limit limit_of",
        "order": "Order minutes_of order_of prepare",
        "record": "Elevation Fault RoleRule faults find list_ rules",
        "reviewing": "Act Review Reviewed review sign_off",
    },
)
