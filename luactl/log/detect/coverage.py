"""What a run could not have seen: a finding like any other, since "nothing found" would say too much."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ...db import Session, queries
from .episode import Episode
from .origin import SERVICES, TROUBLE
from .rule import LEVELS, Rule

COVERAGE = UUID("5c2b9d3e-6a0f-4b5e-9b6c-1f0b8d6f4a11")
"""Stands for the rule of findings about coverage."""
NAME = "coverage"
SILENT = timedelta(days=1)
"""For how long a source may say nothing: a quiet server writes no line for hours."""


@dataclass(frozen=True)
class Delivery:
    """A source, and from when to when lines came in from it."""

    source_id: UUID
    name: str
    format: str
    ended_at: datetime | None
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True)
class Blank:
    """A time of which a log says nothing."""

    source: str
    why: str
    since: datetime
    until: datetime
    services: frozenset[str]
    """Whose rules it blinds."""


def deliveries(session: Session) -> tuple[Delivery, ...]:
    """Return all sources by name."""
    return tuple(Delivery(*row) for row in queries("log_detect").deliveries(session.conn))


def uncovered(
    session: Session, rules: Sequence[Rule], sources: Sequence[Delivery], since: datetime, until: datetime
) -> list[tuple[str, Episode]]:
    """Return what the logs that these rules ask do not cover: (level, what is missing), one each."""
    asked = {service for rule in rules for service in rule.services}
    found = []
    for blank in _blanks(session, asked, sources, since, until):
        blinded = [rule for rule in rules if blank.services & set(rule.services)]
        level = max((rule.level for rule in blinded), key=LEVELS.index)
        found.append((level, _episode(blank, len(blinded))))
    return found


def unanswered(rule: Rule, why: str, since: datetime, until: datetime) -> tuple[str, Episode]:
    """Return the finding that a rule could not be asked."""
    return rule.level, _episode(Blank(f"rule {rule.name}", why, since, until, frozenset()), 1)


def _episode(blank: Blank, rules: int) -> Episode:
    return Episode({"source": blank.source, "why": blank.why}, blank.since, blank.until, rules, 0, ())


def _blanks(
    session: Session, asked: set[str], sources: Sequence[Delivery], since: datetime, until: datetime
) -> Iterator[Blank]:
    if "ledger" in asked:
        oldest = queries("log_detect").pruned_to(session.conn)
        if oldest is not None and oldest > since:
            yield Blank(
                "ledger", "older entries were pruned", since, min(oldest, until), frozenset(["ledger"])
            )
    for needs, services in _needs(asked).items():
        here = [
            one for one in sources if one.format in needs and (one.ended_at is None or one.ended_at > since)
        ]
        if not here:
            yield Blank(", ".join(needs), "no source of such lines is registered", since, until, services)
        for one in here:
            yield from _silences(session, one, services, since, until)
    yield from _gaps(session, asked, sources, since, until)
    if "audit" in asked and not queries("log_detect").has_audit(
        session.conn, since=min(since, until - SILENT), until=until
    ):
        yield Blank(
            "pgaudit", "no line of pgaudit came in: is it loaded?", since, until, frozenset(["audit"])
        )


def _needs(asked: Iterable[str]) -> dict[tuple[str, ...], frozenset[str]]:
    """Return the formats that are needed, and by which of the logs."""
    found: dict[tuple[str, ...], frozenset[str]] = {}
    for service in asked:
        needs = SERVICES[service].needs
        if needs:
            found[needs] = found.get(needs, frozenset()) | {service}
    return found


def _silences(
    session: Session, one: Delivery, services: frozenset[str], since: datetime, until: datetime
) -> Iterator[Blank]:
    end = until if one.ended_at is None else min(until, one.ended_at)
    if one.first_at is None or one.last_at is None or one.first_at >= end:
        yield Blank(one.name, "nothing came in", since, end, services)
    elif one.last_at < end - SILENT:
        yield Blank(one.name, "nothing came in any more", max(since, one.last_at), end, services)
    elif not queries("log_detect").has_line(
        session.conn, source_id=one.source_id, since=min(since, end - SILENT), until=end
    ):
        yield Blank(one.name, "nothing came in", since, end, services)
    elif one.first_at > since + SILENT:
        yield Blank(one.name, "nothing came in before", since, one.first_at, services)


def _gaps(
    session: Session, asked: set[str], sources: Sequence[Delivery], since: datetime, until: datetime
) -> Iterator[Blank]:
    formats = {one.name: one.format for one in sources}
    for name, begin, end, reason in queries("log").gaps(session.conn, since=since, until=until):
        blinded = frozenset(one for one in asked if one != TROUBLE and formats[name] in SERVICES[one].reads)
        if blinded:
            yield Blank(name, reason, begin, end, blinded)
