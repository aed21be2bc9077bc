"""Reviews of access: who holds what, frozen; somebody independent decides; the catalog is read back.

docs/design/review.md tells why. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import attributes

if TYPE_CHECKING:
    from .checking import Check, again_held, verify
    from .closing import Closed, Sessions, close
    from .deciding import DECISIONS, Decided, decide, numbers, show_mine, shown, write_down
    from .exchange import Exported, Imported, export, import_
    from .opening import Ask, Opened, again, open_
    from .record import Item, Review, find, items, list_, my_person, waiting
    from .reminding import Moved, Reminder, escalate, remind
    from .reporting import Report, report
    from .undoing import Lifted, undo

__all__ = [
    "DECISIONS",
    "Ask",
    "Check",
    "Closed",
    "Decided",
    "Exported",
    "Imported",
    "Item",
    "Lifted",
    "Moved",
    "Opened",
    "Reminder",
    "Report",
    "Review",
    "Sessions",
    "again",
    "again_held",
    "close",
    "decide",
    "escalate",
    "export",
    "find",
    "import_",
    "items",
    "list_",
    "my_person",
    "numbers",
    "open_",
    "remind",
    "report",
    "show_mine",
    "shown",
    "undo",
    "verify",
    "waiting",
    "write_down",
]

__getattr__ = attributes(
    __name__,
    {
        "checking": "Check again_held verify",
        "closing": "Closed Sessions close",
        "deciding": "DECISIONS Decided decide numbers show_mine shown write_down",
        "exchange": "Exported Imported export import_",
        "opening": "Ask Opened again open_",
        "record": "Item Review find items list_ my_person waiting",
        "reminding": "Moved Reminder escalate remind",
        "reporting": "Report report",
        "undoing": "Lifted undo",
    },
)
