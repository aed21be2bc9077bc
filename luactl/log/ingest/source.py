"""Sources of log lines: what there is to read, and how its lines are written."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import psycopg

from ...db import Session, queries, transaction
from ...errors import NotFoundError, RefusedError, UsageError
from ...ledger import Entry, append, new_id
from .form import FORMATS, Form
from .house import found_house
from .postgres import prefix_pattern

FARTHEST = timedelta(days=1)
_SECONDS = re.compile(r"[+-]?[0-9]{1,6}(\.[0-9]{1,6})?")


@dataclass(frozen=True)
class Source:
    """Where lines come from."""

    source_id: UUID
    name: str
    format: str
    path: str
    """A file or a pattern of files."""
    host: str
    time_zone: str
    line_prefix: str | None
    clock_offset: timedelta
    """How far its clock was ahead of UTC when last compared."""
    clock_at: datetime | None
    """When that was; None: never, and then nothing is known of its clock."""
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None
    files: int = 0
    lines: int = 0
    unreadable: int = 0
    """Lines that its format does not explain, kept as they are."""
    last_at: datetime | None = None
    """Time of the newest line."""

    @property
    def form(self) -> Form:
        """How it writes."""
        return Form(self.format, self.time_zone, self.line_prefix)


@dataclass(frozen=True)
class NewSource:
    """What to add."""

    name: str
    format: str
    path: str
    host: str
    time_zone: str = "UTC"
    line_prefix: str | None = None


def sources(session: Session) -> tuple[Source, ...]:
    """Return all sources by name."""
    return tuple(Source(*row) for row in queries("log").sources(session.conn))


def find_source(session: Session, name: str) -> Source:
    """Return a source. Raises NotFoundError."""
    return sources_named(session, [name], "")[0]


def sources_named(session: Session, names: Sequence[str], host: str) -> tuple[Source, ...]:
    """Return the sources of these names; without any, those of a host from which more may come.

    Raises NotFoundError.
    """
    known = {source.name: source for source in sources(session)}
    for name in names:
        if name not in known:
            raise NotFoundError(f"there is no source {name!r}", hint="`luactl log source list` shows them")
    here = (source.name for source in known.values() if source.ended_at is None and source.host == host)
    return tuple(known[name] for name in names or here)


def add_source(session: Session, new: NewSource, *, dry_run: bool = False) -> Source:
    """Register a source, and give the house keys to seal its lines with if this is a key host.

    Raises UsageError for what cannot be read, RefusedError when the name is taken.
    """
    _check(new)
    now = session.clock.now()
    made = Source(
        new_id(now), new.name, new.format, new.path, new.host, new.time_zone, new.line_prefix,
        timedelta(), None, now, session.actor,
    )  # fmt: skip
    if not dry_run:
        found_house(session)
    try:
        with transaction(session) as conn:
            queries("log").insert_source(
                conn, source_id=made.source_id, name=made.name, format=made.format, path=made.path,
                host=made.host, time_zone=made.time_zone, line_prefix=made.line_prefix,
                at=now,
            )  # fmt: skip
            append(session, Entry(
                "log.source.add", object=f"log-source:{made.name}", outcome="done",
                detail={"format": made.format, "path": made.path, "host": made.host},
            ))  # fmt: skip
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.UniqueViolation:
        raise RefusedError(f"there is a source {new.name!r} already", hint="take another name") from None
    except psycopg.errors.CheckViolation as error:
        raise UsageError(
            f"not a source: {error.diag.constraint_name}",
            hint="a name has small letters, digits, `.`, `_`, `-`",
        ) from None
    return made


def end_source(session: Session, name: str, *, dry_run: bool = False) -> Source:
    """Say that nothing more comes from a source; its lines stay. Raises RefusedError when it has ended."""
    found = find_source(session, name)
    now = session.clock.now()
    with transaction(session) as conn:
        if not queries("log").end_source(conn, source_id=found.source_id, at=now):
            raise RefusedError(
                f"source {name!r} has ended already", hint="`luactl log source list` shows when"
            )
        append(session, Entry("log.source.end", object=f"log-source:{name}", outcome="done"))
        if dry_run:
            raise psycopg.Rollback
    return found


def seconds(text: str) -> timedelta:
    """Read seconds as people type them: 0.35, -12. Raises UsageError."""
    if not _SECONDS.fullmatch(text):
        raise UsageError(f"no number of seconds: {text[:40]}", hint="such as 0.35 or -12")
    return timedelta(seconds=float(text))


def compare_clock(session: Session, name: str, ahead: timedelta, *, dry_run: bool = False) -> Source:
    """Keep how far a source's clock was ahead of UTC just now (behind: less than nothing).

    Times of its lines stay as they were written; who collects them says it beside. Raises NotFoundError,
    UsageError for more than a day.
    """
    if abs(ahead) > FARTHEST:
        raise UsageError("a clock that is off by more than a day needs its time zone mended first",
                         hint="see `luactl log source list`")  # fmt: skip
    found, now = find_source(session, name), session.clock.now()
    with transaction(session) as conn:
        queries("log_evidence").compare_clock(conn, source_id=found.source_id, ahead=ahead, at=now)
        append(session, Entry(
            "log.source.clock", object=f"log-source:{name}", outcome="done",
            detail={"ahead_ms": round(ahead / timedelta(milliseconds=1))},
        ))  # fmt: skip
        if dry_run:
            raise psycopg.Rollback
    return replace(found, clock_offset=ahead, clock_at=now)


def _check(new: NewSource) -> None:
    if new.format not in FORMATS:
        raise UsageError(f"there is no format {new.format!r}", hint=f"formats: {', '.join(FORMATS)}")
    if (new.format == "stderr") != (new.line_prefix is not None):
        raise UsageError(
            "a log_line_prefix belongs to format stderr, and to no other",
            hint="`SHOW log_line_prefix` says it",
        )
    if not new.path.startswith("/"):
        raise UsageError(f"not an absolute path: {new.path}", hint="such as /var/log/postgresql/*.csv")
    try:
        zoneinfo.ZoneInfo(new.time_zone)
        if new.line_prefix is not None:
            prefix_pattern(new.line_prefix)
    except (zoneinfo.ZoneInfoNotFoundError, OSError) as error:
        raise UsageError(f"there is no time zone {new.time_zone!r}", hint="such as Europe/Berlin") from error
    except (ValueError, re.error) as error:
        raise UsageError(str(error), hint="such as '%m [%p] %q%u@%d %c %l '") from error
