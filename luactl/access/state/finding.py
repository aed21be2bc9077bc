"""One thing that is not as it should be, and what would undo it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "unmapped", "unrecorded", "ended", "attribute", "limit", "validity", "membership", "admin option",
    "foreign grantor", "not bound", "not allowed", "missing", "group role", "direct grant", "default",
    "ownership", "setting", "right", "policy",
]  # fmt: skip
By = Literal["luactl", "superuser", "administrator"]


@dataclass(frozen=True)
class Finding:
    """Something in the catalog that the desired state does not have, or lacks."""

    kind: Kind
    """What is wrong: docs/how-to/drift.md explains each."""
    login: str
    """The role that has it, lacks it, or is it; PUBLIC: everybody."""
    person: str | None
    """The handle of whose login it is; None: nobody's."""
    object: str
    """What it is about: a role, an object, an attribute."""
    what: str
    """The finding in words."""
    grantor: str | None
    """Who granted it; None: it was not granted."""
    undo: str
    """The statement that undoes it; a command of luactl where no statement alone does."""
    by: By
    """Who can: luactl (`access reconcile`), a superuser; of one's own another administrator, by luactl."""
    act: tuple[str, ...] = field(default=(), repr=False)
    """How `access reconcile` does it: the function, and what it is told."""
    person_id: str | None = None
    """What the ledger calls whose login it is."""
