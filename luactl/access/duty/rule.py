"""The rules of separation, as the database has them."""

from __future__ import annotations

from dataclasses import dataclass

from ...db import Session, queries
from ...errors import NotFoundError


@dataclass(frozen=True)
class Rule:
    """What nobody may have both."""

    rule: str
    """Its name, which refusals tell."""
    one: tuple[str, ...]
    """Duties of one side: group roles, `approver` (has a key to approve with) or `keys` (holds keys)."""
    other: tuple[str, ...]
    """Duties of the other side."""
    why: str
    """Why they are kept apart."""
    waived: int
    """For how many people it is waived now."""


def list_(session: Session) -> tuple[Rule, ...]:
    """Return all rules by name."""
    rows = queries("access_duty").rules(session.conn, at=session.clock.now())
    return tuple(Rule(rule, tuple(one), tuple(other), why, waived) for rule, one, other, why, waived in rows)


def find(session: Session, name: str) -> Rule:
    """Return a rule. Raises NotFoundError."""
    for one in list_(session):
        if one.rule == name:
            return one
    raise NotFoundError(f"there is no duty rule {name[:80]!r}", hint="`luactl access duty list` shows them")
