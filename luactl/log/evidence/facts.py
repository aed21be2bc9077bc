"""What a lockbox says of itself: its parts, what is missing, and certificate.json.

Facts hold texts, integers, true, false, null, and lists and mappings of these: they have one canonical form.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ...certificate.system import system
from ...db import Session, queries
from ..ingest.source import Source
from ..search import Gap
from .ordering import Order

KIND = "lockbox"
FORMAT = "luactl/lockbox/1"
LINES, PROOFS, GAPS, CHECKPOINT = "lines.jsonl", "proofs.jsonl", "gaps.jsonl", "checkpoint.txt"
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Missing:
    """Lines whose bytes are not in the lockbox, and why."""

    source: str
    since: datetime
    """Time of the first of them."""
    until: datetime
    """Time of the last of them."""
    lines: int
    reason: str


@dataclass(frozen=True)
class Share:
    """What comes from one source, or from the ledger."""

    source: str | None
    """None: the ledger."""
    lines: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class File:
    """One file of data."""

    name: str
    rows: int
    bytes: int
    sha256: str
    """In hex."""

    def stated(self) -> dict[str, Any]:
        """Return what certificate.json says of it."""
        return {"name": self.name, "rows": self.rows, "bytes": self.bytes, "sha256": self.sha256}


@dataclass(frozen=True)
class Lockbox:
    """What was collected, or what would be."""

    lockbox_id: UUID | None
    """None as long as it is planned."""
    case: str
    lockbox: str
    """The folder."""
    purpose: str
    query: str
    """As it was understood, with absolute times."""
    since: datetime | None
    """None: from the first line on."""
    until: datetime
    entries: int
    """Of the ledger."""
    unproved: int
    """Of these, how many no checkpoint covers yet, or are not what one signs."""
    lines: int
    """Of servers and services."""
    raw: int
    """Of these, how many are there as they were written; planned: at most."""
    shares: tuple[Share, ...]
    missing: tuple[Missing, ...]
    gaps: tuple[Gap, ...]
    """Spans within which a source may have said what is not here."""
    files: tuple[File, ...]
    custody: str | None
    """SHA-256 of the last entry of the custody log, to be written down elsewhere; None while planned."""
    pending: str | None
    """Why signature or proof are missing; None when it is complete."""


def text(at: datetime) -> str:
    """Return an instant as the log shows it: RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def maybe(at: datetime | None) -> str | None:
    """Return an instant likewise, or null."""
    return None if at is None else text(at)


def milliseconds(span: timedelta) -> int:
    """Return a span in whole milliseconds."""
    return round(span / MILLISECOND)


def server_clock(session: Session) -> dict[str, int]:
    """Return how far the server's clock is ahead of this host's, and how exactly that is known."""
    before = session.clock.now()
    there = queries("log_evidence").server_time(session.conn)
    after = session.clock.now()
    half = (after - before) / 2
    return {"ahead_ms": milliseconds(there - before - half), "within_ms": milliseconds(half) + 1}


def stated_source(source: Source, lines: int, raw: str | None) -> dict[str, Any]:
    """Return what certificate.json says of a source."""
    return {
        "source_id": str(source.source_id),
        "name": source.name,
        "format": source.format,
        "host": source.host,
        "path": source.path,
        "time_zone": source.time_zone,
        "line_prefix": source.line_prefix,
        "clock_ahead_ms": None if source.clock_at is None else milliseconds(source.clock_offset),
        "clock_compared_at": maybe(source.clock_at),
        "created_at": text(source.created_at),
        "ended_at": maybe(source.ended_at),
        "newest_at": maybe(source.last_at),
        "lines": lines,
        "raw": raw,
    }


def stated_missing(missing: Iterable[Missing]) -> list[dict[str, Any]]:
    """Return what certificate.json says of bytes that are not there."""
    return [
        {
            "source": one.source,
            "since": text(one.since),
            "until": text(one.until),
            "lines": one.lines,
            "reason": one.reason,
        }
        for one in missing
    ]


def certificate(
    session: Session, lockbox_id: UUID, order: Order, found: Mapping[str, Any], files: Sequence[File]
) -> dict[str, Any]:
    """Return certificate.json as a mapping; `found` is what was counted while it was written."""
    from importlib.metadata import version

    from ...schema import newest_version

    return {
        "v": 1,
        "kind": KIND,
        "id": str(lockbox_id),
        "format": FORMAT,
        "case": order.case,
        "purpose": order.purpose,
        "made_by": session.actor,
        "made_at": text(session.clock.now()),
        "host": socket.gethostname(),
        "luactl": version("luactl"),
        "schema": newest_version(),
        "system": system(session).stated(),
        "server_clock": server_clock(session),
        "query": {
            "typed": order.typed,
            "resolved": order.resolved,
            "since": maybe(order.query.since),
            "until": text(order.until),
        },
        **found,
        "files": [file.stated() for file in files],
    }
