"""Requests of data subjects (Art. 12 and 15–22 GDPR): a register with the clock that each of them starts.

Names are loaded at first use: who only lists does not pay for cryptography.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .changing import NewRequest, add, close, extend, identify, prepare
    from .note import opened
    from .record import CHANNELS, CLOSED, RIGHTS, Line, Request, find, list_, of_erasure, open_
    from .term import calendar_note, over_at

__all__ = [
    "CHANNELS",
    "CLOSED",
    "RIGHTS",
    "Line",
    "NewRequest",
    "Request",
    "add",
    "calendar_note",
    "close",
    "extend",
    "find",
    "identify",
    "list_",
    "of_erasure",
    "open_",
    "opened",
    "over_at",
    "prepare",
]

__getattr__ = attributes(
    __name__,
    {
        "changing": "NewRequest add close extend identify prepare",
        "note": "opened",
        "record": "CHANNELS CLOSED RIGHTS Line Request find list_ of_erasure open_",
        "term": "calendar_note over_at",
    },
)
