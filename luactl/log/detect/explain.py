"""Rules in words: one line each, or all that one asks."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from .catalog import Listed
from .origin import SERVICES
from .rule import Count, Rule, Sequence


@dataclass(frozen=True)
class Brief:
    """A rule in one line."""

    name: str
    id: UUID
    level: str
    title: str
    logs: tuple[str, ...]
    """Which logs it asks."""
    file: str
    is_ours: bool
    """Whether it came with luactl."""
    off_because: str | None
    """Why the profile switches it off; None: it does not."""
    digest: str
    """SHA-256 of the file, hex."""


@dataclass(frozen=True)
class Explained:
    """All that a rule asks."""

    name: str
    id: UUID
    level: str
    title: str
    description: str
    falsepositives: tuple[str, ...]
    tags: tuple[str, ...]
    finds: str
    """What must be, in words and in the query language of the log."""
    group_by: tuple[str, ...]
    needs: tuple[str, ...]
    """What must be brought in for it."""
    file: str
    is_ours: bool
    off_because: str | None
    digest: str


def brief(one: Listed) -> Brief:
    """Return a rule in one line."""
    rule = one.rule
    return Brief(
        rule.name, rule.id, rule.level, rule.title, rule.services, rule.file, one.is_ours, one.off_because,
        rule.digest,
    )  # fmt: skip


def explained(one: Listed) -> Explained:
    """Return all that a rule asks."""
    rule = one.rule
    return Explained(
        rule.name, rule.id, rule.level, rule.title, rule.description, rule.falsepositives, rule.tags,
        _said(rule), rule.group_by, _needs(rule), rule.file, one.is_ours, one.off_because, rule.digest,
    )  # fmt: skip


def _said(rule: Rule) -> str:
    detects = rule.detects
    if isinstance(detects, Sequence):
        return f"{_counted(detects.first)}; then, within {detects.timespan}, {_events(detects.then)}"
    return _counted(detects)


def _counted(count: Count) -> str:
    what = "rows" if count.field is None else f"different {count.field}s"
    new = f" that were not seen in the {count.lookback} before" if count.lookback else ""
    return f"at least {count.least} {what}{new} within {count.timespan} of {_events(count)}"


def _events(count: Count) -> str:
    return " or ".join(f"{events.service} {events.where}" for events in count.events)


def _needs(rule: Rule) -> tuple[str, ...]:
    found = []
    for name in rule.services:
        service = SERVICES[name]
        formats = f" from a source of format {', '.join(service.needs)}" if service.needs else ""
        found.append(f"{service.about}{formats}")
    return tuple(found)
