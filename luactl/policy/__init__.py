"""Internal policies and procedures: their versions, and who knows them (Art. 24(2), 32(4) GDPR).

Owns `lua.policy` and `lua.policy_acknowledgement` (docs/design/people.md). Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .acknowledging import Acknowledgement, Open, acknowledge, acknowledgements, open_
    from .register import NewVersion, Policy, PolicyText, add, find, list_, prepare, publish, retire, text

__all__ = [
    "Acknowledgement",
    "NewVersion",
    "Open",
    "Policy",
    "PolicyText",
    "acknowledge",
    "acknowledgements",
    "add",
    "find",
    "list_",
    "open_",
    "prepare",
    "publish",
    "retire",
    "text",
]

__getattr__ = attributes(
    __name__,
    {
        "acknowledging": "Acknowledgement Open acknowledge acknowledgements open_",
        "register": "NewVersion Policy PolicyText add find list_ prepare publish retire text",
    },
)
