"""A run: every rule asked about a span of time, what it finds told apart from what is known, and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
from psycopg.types.json import Json, Jsonb

from ...clock import instant
from ...db import Session, queries, transaction
from ...errors import NotFoundError, RefusedError, UsageError
from ...ledger import Entry, append, new_id, sees_all
from .coverage import COVERAGE, NAME, SILENT, Delivery, deliveries, unanswered, uncovered
from .episode import Asked, Episode, episodes
from .finding import Finding, described, findings
from .rule import Rule

FIRST_SPAN = timedelta(days=1)
"""How far back the first run looks."""
MOST_BACK = timedelta(days=31)
"""How far back a run goes by itself for lines that came in late."""
IN_FLIGHT = timedelta(minutes=15)
"""How old an entry may be that is not yet committed when a run looks: statements end after ten minutes."""
LATE = timedelta(minutes=1)
"""How far lines of a source may be out of order."""
LONGEST_EPISODE = timedelta(days=92)
"""From how long ago on something that still goes on is counted anew."""


@dataclass(frozen=True)
class Found:
    """Something that a run saw."""

    state: str
    """new, grown (since a run saw it before), or known."""
    level: str
    rule: str
    title: str
    about: str
    """Values by field, in one line."""
    count: int
    first_at: datetime
    last_at: datetime
    group: dict[str, str | None]
    events: int
    evidence: tuple[UUID, ...]
    """Ids of entries and lines, oldest first, the first hundred."""
    rule_id: UUID
    finding_id: UUID | None
    """None: it would be made."""


@dataclass(frozen=True)
class Run:
    """What a run asked and saw."""

    run_id: UUID | None
    """None: nothing was kept."""
    since: datetime
    until: datetime
    rules: int
    is_whole: bool
    """Whether the next run goes on from here."""
    findings: tuple[Found, ...]


@dataclass(frozen=True)
class _Seen:
    """An episode of a rule."""

    rule_id: UUID
    rule: str
    title: str
    level: str
    digest: str | None
    reach: timedelta
    episode: Episode


def span(
    session: Session, since: datetime | None, until: datetime | None
) -> tuple[datetime, datetime, list[str]]:
    """Return from when to when a run looks, and what is to be said of it.

    Without `since` it goes on where the last run ended, and further back for what came in late. Raises
    UsageError.
    """
    now = session.clock.now()
    end = now if until is None else until
    begin, notes = (since, []) if since is not None else _goes_on(session, end)
    if begin >= end or end > now:
        raise UsageError("a run ends after it begins, and not in the future", hint="such as --since -2d")
    return begin, end, notes


def _goes_on(session: Session, until: datetime) -> tuple[datetime, list[str]]:
    last = queries("log_detect").last_run(session.conn)
    if last is None:
        return until - FIRST_SPAN, ["the first run: it looks one day back; --since goes further"]
    ended, seen = last
    moved = [
        datetime.fromisoformat(seen[one.name]) if one.name in seen else one.first_at
        for one in deliveries(session)
        if one.last_at is not None and seen.get(one.name) != _text(one.last_at)
    ]
    wanted = min([min(ended, until) - IN_FLIGHT, *(at - LATE for at in moved if at is not None)])
    begin = max(wanted, until - MOST_BACK)
    if begin == wanted:
        return begin.astimezone(UTC), []
    return begin, [f"lines from {instant(wanted)} on came in late: --since {instant(wanted)} looks at them"]


def detect(
    session: Session, rules: Sequence[Rule], since: datetime, until: datetime, *, zone: str = "UTC",
    is_whole: bool = False, dry_run: bool = False, advance: Callable[[int], object] = lambda _n: None,
) -> Run:  # fmt: skip
    """Ask rules about a span of time, and keep what they find; `advance` gets 1 a rule.

    `is_whole`: they are all that there are, so the next run may go on from here. Raises RefusedError for a
    login that does not see the whole log.
    """
    if not sees_all(session):
        raise RefusedError(
            "this login does not see all of the log, and what it cannot see no rule finds",
            hint="run it as lua_responder, lua_admin or lua_dpo",
        )
    sources = deliveries(session)
    seen = _seen(session, rules, sources, since, until, zone, advance)
    if dry_run:
        return Run(None, since, until, len(rules), is_whole, tuple(_judged(session, seen)))
    return _keep(session, seen, rules, sources, Run(None, since, until, len(rules), is_whole, ()))


def _seen(
    session: Session, rules: Sequence[Rule], sources: Sequence[Delivery], since: datetime, until: datetime,
    zone: str, advance: Callable[[int], object],
) -> list[_Seen]:  # fmt: skip
    known = findings(session, rule_ids=[rule.id for rule in rules], since=since - MOST_BACK)
    formats = {one.name: one.format for one in sources}
    found: list[_Seen] = []
    blanks = uncovered(session, rules, sources, since, until)
    for rule in rules:
        asked = Asked(since, until, _begin(rule, known, since), zone, formats)
        try:
            with transaction(session, snapshot=True):
                found += [_of_rule(rule, one) for one in episodes(session, rule, asked)]
        except NotFoundError as error:
            blanks.append(unanswered(rule, error.what, since, until))
        except psycopg.errors.QueryCanceled:
            blanks.append(unanswered(rule, "it took longer than ten minutes", since, until))
        advance(1)
    return [*found, *(_of_coverage(level, one) for level, one in blanks)]


def _begin(rule: Rule, known: Iterable[Finding], since: datetime) -> datetime:
    """From where on rows are counted: the beginning of what still goes on, so that its count is whole."""
    going_on = [one.first_at for one in known if one.rule_id == rule.id and one.last_at >= since - rule.reach]
    return max(min([since, *going_on]) - rule.reach, since - LONGEST_EPISODE)


def _of_rule(rule: Rule, episode: Episode) -> _Seen:
    return _Seen(rule.id, rule.name, rule.title, rule.level, rule.digest, rule.reach, episode)


def _of_coverage(level: str, episode: Episode) -> _Seen:
    title = f"Not covered: {described({'': episode.group['why']}).strip()}"
    return _Seen(COVERAGE, NAME, title[:256], level, None, SILENT, episode)


def _judged(session: Session, seen: Sequence[_Seen]) -> list[Found]:
    """Tell what is new, grown or known."""
    if not seen:
        return []
    since = min(one.episode.first_at - one.reach for one in seen)
    known = findings(session, rule_ids=list({one.rule_id for one in seen}), since=since)
    return [_found(one, _twin(one, known)) for one in seen]


def _twin(one: _Seen, known: Iterable[Finding]) -> Finding | None:
    """The finding that an episode is part of: same rule and values, no further apart than rows may be."""
    twins = [
        other
        for other in known
        if (other.rule_id, other.group) == (one.rule_id, one.episode.group)
        and one.episode.first_at <= other.last_at + one.reach
        and other.first_at <= one.episode.last_at + one.reach
    ]  # fmt: skip
    return min(twins, key=lambda other: other.finding_id, default=None)


def _found(one: _Seen, twin: Finding | None) -> Found:
    episode, state = one.episode, "new"
    if twin is not None:
        has_grown = episode.count > twin.count or (episode.last_at > twin.last_at and one.rule_id != COVERAGE)
        state = "grown" if has_grown else "known"
        first, last = min(episode.first_at, twin.first_at), max(episode.last_at, twin.last_at)
        count, events = max(episode.count, twin.count), max(episode.events, twin.events)
        episode = Episode(episode.group, first, last, count, events, episode.evidence)
    return Found(
        state, one.level, one.rule, one.title, described(episode.group), episode.count, episode.first_at,
        episode.last_at, episode.group, episode.events, episode.evidence, one.rule_id,
        None if twin is None else twin.finding_id,
    )  # fmt: skip


def _keep(
    session: Session, seen: Sequence[_Seen], rules: Sequence[Rule], sources: Sequence[Delivery], run: Run
) -> Run:
    """Write down a run, what it found and its ledger entry in one transaction."""
    noun, now = queries("log_detect"), session.clock.now()
    run_id, kept = new_id(now), []
    with transaction(session) as conn:
        noun.one_at_a_time(conn)
        found = _judged(session, seen)
        detail = {
            "since": instant(run.since), "until": instant(run.until), "rules": run.rules,
            "whole": run.is_whole, "found": len(found), "new": sum(one.state == "new" for one in found),
        }  # fmt: skip
        entry_id = append(session, Entry("log.detect", object=f"log-run:{run_id}", detail=detail))
        noun.insert_run(
            conn, run_id=run_id, since=run.since, until=run.until, at=now, is_whole=run.is_whole,
            rules=Jsonb({str(rule.id): rule.digest for rule in rules}), entry_id=entry_id,
            seen=Jsonb({one.name: _text(one.last_at) for one in sources if one.last_at is not None}),
        )  # fmt: skip
        for one, of in zip(found, seen, strict=True):
            finding_id = one.finding_id or new_id(now)
            _keep_one(session, one, of, finding_id, run_id)
            kept.append(replace(one, finding_id=finding_id))
    return replace(run, run_id=run_id, findings=tuple(kept))


def _keep_one(session: Session, one: Found, of: _Seen, finding_id: UUID, run_id: UUID) -> None:
    noun, conn = queries("log_detect"), session.conn
    if one.state == "new":
        noun.insert_finding(
            conn, finding_id=finding_id, run_id=run_id, rule_id=one.rule_id, rule=one.rule, title=one.title,
            level=one.level, digest=of.digest, grouped=Json(one.group),
        )  # fmt: skip
    if one.state != "known":
        noun.insert_sighting(
            conn, finding_id=finding_id, run_id=run_id, first_at=one.first_at, last_at=one.last_at,
            count=one.count, events=one.events, evidence=list(one.evidence),
        )  # fmt: skip


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
