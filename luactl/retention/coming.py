"""What is due and what will be next, over all tenants: by the periods that still have a key. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..db import Session, queries
from .rule import CLASSES, Rule, due_at


@dataclass(frozen=True)
class Coming:
    """One period of one class, at all tenants that keep it equally long."""

    retention_class: str
    """interaction or invoice."""
    period: int
    """yyyymm for interactions, yyyy for invoices."""
    due_at: datetime
    """The instant from which everything in it is due."""
    tenants: int
    """How many tenants hold it."""
    slugs: tuple[str, ...]
    """The first 20 of them by name."""


def outlook(session: Session) -> tuple[Coming, ...]:
    """Return every period that has a key and an end, soonest first; the past ones are due."""
    held = queries("retention").periods_held(
        session.conn, classes=[int(one) for one in CLASSES.values()], names=list(CLASSES)
    )
    found = [one for row in held if (one := _coming(*row)) is not None]
    return tuple(sorted(found, key=lambda one: (one.due_at, one.retention_class, one.slugs)))


def _coming(
    name: str, starting_point: Any, months: int, number: int, tenants: int, slugs: list[str]
) -> Coming | None:
    """Reckon when a period is due; None for one that never is."""
    rule = Rule(name, starting_point, months, 0, "", datetime.min.replace(tzinfo=UTC))
    instant = due_at(rule, number)
    return None if instant is None else Coming(name, number, instant, tenants, tuple(slugs))
