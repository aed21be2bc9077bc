"""Staff: people and jobs that work for Lua CRM, which logins are theirs, and what they signed.

Owns `lua.person`, `lua.person_team`, `lua.person_login`, `lua.undertaking` and `lua.undertaking_basis`
(docs/design/people.md). Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .dossier import SOON, Dossier, Standing, gather, standings
    from .offboarding import Offboarding, offboard, plan_offboarding, prepare_leaving
    from .part import Leaving, Step
    from .person import KINDS, Login, Person, find, list_, logins, me
    from .registering import NewPerson, StaffChange, add, change
    from .undertaking import (
        BASES,
        Basis,
        BasisChange,
        NewUndertaking,
        Undertaking,
        advice,
        bases,
        find_undertaking,
        prepare,
        record,
        require,
        undertakings,
        withdraw,
    )

__all__ = [
    "BASES",
    "KINDS",
    "SOON",
    "Basis",
    "BasisChange",
    "Dossier",
    "Leaving",
    "Login",
    "NewPerson",
    "NewUndertaking",
    "Offboarding",
    "Person",
    "StaffChange",
    "Standing",
    "Step",
    "Undertaking",
    "add",
    "advice",
    "bases",
    "change",
    "find",
    "find_undertaking",
    "gather",
    "list_",
    "logins",
    "me",
    "offboard",
    "plan_offboarding",
    "prepare",
    "prepare_leaving",
    "record",
    "require",
    "standings",
    "undertakings",
    "withdraw",
]

__getattr__ = attributes(
    __name__,
    {
        "dossier": "SOON Dossier Standing gather standings",
        "offboarding": "Offboarding offboard plan_offboarding prepare_leaving",
        "part": "Leaving Step",
        "person": "KINDS Login Person find list_ logins me",
        "registering": "NewPerson StaffChange add change",
        "undertaking": "BASES Basis BasisChange NewUndertaking Undertaking advice bases find_undertaking"
        " prepare record require undertakings withdraw",
    },
)
