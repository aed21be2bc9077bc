"""Reviews of access: who holds what, frozen; somebody independent decides; the catalog is read back.

docs/design/review.md tells why. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import attributes

if TYPE_CHECKING:
    from .closing import Closed, close
    from .deciding import DECISIONS, Decided, decide, numbers, show_mine, shown
    from .opening import Ask, Opened, again, open_
    from .record import Item, Review, find, items, list_, my_person
    from .undoing import Lifted, undo

__all__ = [
    "DECISIONS",
    "Ask",
    "Closed",
    "Decided",
    "Item",
    "Lifted",
    "Opened",
    "Review",
    "again",
    "close",
    "decide",
    "find",
    "items",
    "list_",
    "my_person",
    "numbers",
    "open_",
    "show_mine",
    "shown",
    "undo",
]

__getattr__ = attributes(
    __name__,
    {
        "closing": "Closed close",
        "deciding": "DECISIONS Decided decide numbers show_mine shown",
        "opening": "Ask Opened again open_",
        "record": "Item Review find items list_ my_person",
        "undoing": "Lifted undo",
    },
)
