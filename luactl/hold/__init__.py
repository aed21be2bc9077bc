"""Legal holds: what may not be erased or purged while a matter is pending (ISO/IEC 27555, 7.4.4).

The database holds them: rows and keys leave through functions that ask for holds themselves. Names are loaded
at first use: who only lists does not pay for cryptography.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .filter import Filter, parse
    from .moving import Moved, move, released
    from .placing import GROUND, place, prepare
    from .record import Hold, NewHold, find, held, in_force, list_, of_case
    from .releasing import Freed, Release, release

__all__ = [
    "GROUND",
    "Filter",
    "Freed",
    "Hold",
    "Moved",
    "NewHold",
    "Release",
    "find",
    "held",
    "in_force",
    "list_",
    "move",
    "of_case",
    "parse",
    "place",
    "prepare",
    "release",
    "released",
]

__getattr__ = attributes(
    __name__,
    {
        "filter": "Filter parse",
        "moving": "Moved move released",
        "placing": "GROUND place prepare",
        "record": "Hold NewHold find held in_force list_ of_case",
        "releasing": "Freed Release release",
    },
)
