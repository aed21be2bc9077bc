"""Evidence: what a question found, raw and normalised, in a folder that anybody can check offline.

A lockbox (docs/reference/formats-lockbox.md) is a certificate whose data are lines of the log. Who had it in
hand stands in its custody log. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import attributes

if TYPE_CHECKING:
    from .collecting import collect
    from .custody import ACTIONS, Step, Taken, add_step, read_steps, record_step
    from .facts import Lockbox, Missing, Share
    from .opening import Raw, raw
    from .ordering import Order, order
    from .sealing import Sealed, seal

__all__ = [
    "ACTIONS",
    "Lockbox",
    "Missing",
    "Order",
    "Raw",
    "Sealed",
    "Share",
    "Step",
    "Taken",
    "add_step",
    "collect",
    "order",
    "raw",
    "read_steps",
    "record_step",
    "seal",
]

__getattr__ = attributes(
    __name__,
    {
        "collecting": "collect",
        "custody": "ACTIONS Step Taken add_step read_steps record_step",
        "facts": "Lockbox Missing Share",
        "ordering": "Order order",
        "opening": "Raw raw",
        "sealing": "Sealed seal",
    },
)
