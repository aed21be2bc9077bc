"""Findings that are kept: one for what goes on as one, however many runs see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ...db import Session, queries
from ...errors import NotFoundError
from .rule import LEVELS


@dataclass(frozen=True)
class Finding:
    """What a rule found, as it was last seen."""

    finding_id: UUID
    rule_id: UUID
    rule: str
    """Name; coverage: what a run could not have seen."""
    title: str
    level: str
    """informational, low, medium, high or critical."""
    group: dict[str, str | None]
    """What it is about: values by field."""
    first_at: datetime
    last_at: datetime
    count: int
    """What the rule counts: events, different values, or the rules that are blinded."""
    events: int
    evidence: tuple[UUID, ...]
    """Ids of entries and lines, oldest first, the first hundred: `log search 'id:ID,ID'` shows them."""
    found_at: datetime
    """When a run last saw something new of it."""
    run_id: UUID
    """Of that run."""
    about: str
    """Values by field, in one line."""


def described(group: dict[str, str | None]) -> str:
    """Return values by field in one line; what has no value is left out."""
    return ", ".join(f"{name} {value}" for name, value in group.items() if value is not None)


def findings(
    session: Session, *, rule_ids: Sequence[UUID] | None = None, since: datetime | None = None, limit: int = 0
) -> tuple[Finding, ...]:
    """Return findings, those that went on last first; of these rules, and last seen since a time (0: all)."""
    return _read(session, rule_ids=rule_ids, since=since, limit=limit or None)


def worst_first(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings by level, the highest first; of one level those that went on last."""
    return tuple(sorted(found, key=lambda one: (LEVELS.index(one.level), one.last_at), reverse=True))


def last_run(session: Session) -> datetime | None:
    """Return up to when every rule was asked last; None: never."""
    row = queries("log_detect").last_run(session.conn)
    return None if row is None else row[0].astimezone(UTC)


def find_finding(session: Session, finding_id: UUID) -> Finding:
    """Return one finding. Raises NotFoundError."""
    for found in _read(session, finding_id=finding_id):
        return found
    raise NotFoundError(f"there is no finding {finding_id}", hint="`luactl log finding list` shows their ids")


def _read(session: Session, **asked: Any) -> tuple[Finding, ...]:
    given = {"rule_ids": None, "finding_id": None, "since": None, "limit": None} | asked
    return tuple(read_finding(row) for row in queries("log_detect").findings(session.conn, **given))


def read_finding(row: tuple[Any, ...]) -> Finding:
    """Return the finding of a row of `findings` or `untold`."""
    id_, rule_id, rule, title, level, group, first, last, count, events, evidence, found, run_id = row
    return Finding(
        id_, rule_id, rule, title, level, group, first.astimezone(UTC), last.astimezone(UTC), count, events,
        tuple(evidence), found.astimezone(UTC), run_id, described(group),
    )  # fmt: skip
