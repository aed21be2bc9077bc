"""Telling people of findings: by mail, or by a program of the house; what was told is written down for each.

An attempt is in the ledger before anything leaves the house, its outcome after it. Cut short in between it is
told again, under the same ids. An alert names logins, tenants, ids and counts alone: it travels further than
the log.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ...clock import instant
from ...db import Session, queries, transaction
from ...errors import LuactlError
from ...ledger import Entry, append, new_id
from ...program import plain, run, trouble
from .finding import Finding, described, read_finding
from .rule import LEVELS
from .settings import COMMAND, MAIL, Settings

VERSION = 1
OLDEST = timedelta(days=7)
"""What was found longer ago is no news, whatever channel was added since."""
MOST = 100
"""Findings of one message."""
SECONDS = 30.0
LONGEST_PROBLEM = 300
SAID = ("actor", "tenant", "subject", "action", "kind", "outcome", "severity", "code", "source", "id", "why")
"""Fields whose values an alert carries. An address or whom the CRM acted for stays in the house."""


@dataclass(frozen=True)
class Alert:
    """One finding that is to be told on one channel."""

    channel: str
    """mail:ADDRESS or command:PROGRAM."""
    finding_id: UUID
    level: str
    rule: str
    title: str
    about: str
    """Values by field, in one line; those that leave the house."""
    count: int
    events: int
    first_at: datetime
    last_at: datetime
    rule_id: UUID
    run_id: UUID
    """Of the run that saw it last."""


@dataclass(frozen=True)
class Told:
    """What came of one message."""

    channel: str
    findings: int
    outcome: str
    """told, or not told."""
    problem: str | None
    """Why not."""


class NotToldError(LuactlError):
    """Nobody was reached."""


def waiting(session: Session, chosen: Settings) -> tuple[Alert, ...]:
    """Return what is to be told, by channel, worst first: what is new, or has doubled since it was told."""
    since = session.clock.now() - OLDEST
    levels = list(LEVELS[LEVELS.index(chosen.alert_from) :])
    found = []
    for channel in chosen.alerts:
        rows = queries("log_detect").untold(session.conn, channel=channel, since=since, levels=levels)
        alerts = [_alert(channel, read_finding(row)) for row in rows]
        found += sorted(alerts, key=lambda one: (-LEVELS.index(one.level), one.finding_id))
    return tuple(found)


def _alert(channel: str, one: Finding) -> Alert:
    about = described({name: value for name, value in one.group.items() if name in SAID})
    return Alert(
        channel, one.finding_id, one.level, one.rule, one.title, about, one.count, one.events, one.first_at,
        one.last_at, one.rule_id, one.run_id,
    )  # fmt: skip


def tell(
    session: Session,
    chosen: Settings,
    alerts: Sequence[Alert],
    advance: Callable[[int], object] = lambda _n: None,
) -> tuple[Told, ...]:
    """Tell what waits, in one message a channel and 100 findings; `advance` gets how many were tried.

    A channel that cannot be reached is no error: what it was not told waits, and says why.
    """
    done = []
    for channel in chosen.alerts:
        mine = [one for one in alerts if one.channel == channel]
        for begin in range(0, len(mine), MOST):
            batch = mine[begin : begin + MOST]
            done.append(_tell(session, chosen, channel, batch))
            advance(len(batch))
    return tuple(done)


def tell_now(session: Session, chosen: Settings, alerts: Sequence[Alert]) -> tuple[Told, ...]:
    """Tell of what no run has seen yet, by any login: the ledger has it, and no register of findings.

    A later run of the rules finds it by itself. A channel that cannot be reached is no error.
    """
    done = []
    for one in alerts:
        problem = _attempt(session, chosen, one.channel, [one])
        with transaction(session):
            append(session, _entry(one.channel, [one], "failed" if problem else "done"))
        done.append(Told(one.channel, 1, "not told" if problem else "told", problem))
    return tuple(done)


def _tell(session: Session, chosen: Settings, channel: str, batch: Sequence[Alert]) -> Told:
    problem = _attempt(session, chosen, channel, batch)
    _write_down(session, channel, batch, problem and problem[:LONGEST_PROBLEM])
    return Told(channel, len(batch), "not told" if problem else "told", problem)


def _attempt(session: Session, chosen: Settings, channel: str, batch: Sequence[Alert]) -> str | None:
    """Record that somebody is about to be told, and tell them; returns why nobody was."""
    with transaction(session):
        append(session, _entry(channel, batch, "intent"))
    try:
        if channel.startswith(MAIL):
            from .mail import send

            send(session, chosen, channel.removeprefix(MAIL), batch)
        else:
            hand(channel.removeprefix(COMMAND), map(message, batch))
    except LuactlError as error:
        return error.what
    return None


def _write_down(session: Session, channel: str, batch: Sequence[Alert], problem: str | None) -> None:
    now = session.clock.now()
    with transaction(session) as conn:
        append(session, _entry(channel, batch, "failed" if problem else "done"))
        for one in batch:
            queries("log_detect").insert_alert(
                conn, alert_id=new_id(now), finding_id=one.finding_id, run_id=one.run_id, channel=channel,
                at=now, problem=problem,
            )  # fmt: skip


def _entry(channel: str, batch: Sequence[Alert], outcome: Any) -> Entry:
    kind = channel.partition(":")[0]
    detail = {"findings": [str(one.finding_id) for one in batch]}
    return Entry("log.alert", object=f"log-alert:{kind}", outcome=outcome, detail=detail)


def message(one: Alert) -> dict[str, Any]:
    """Return what a program is told of one finding (docs/reference/detection.md)."""
    return {
        "luactl-alert": VERSION, "finding": str(one.finding_id), "run": str(one.run_id), "level": one.level,
        "rule": one.rule, "rule_id": str(one.rule_id), "title": one.title, "about": one.about,
        "count": one.count, "events": one.events, "first_at": instant(one.first_at),
        "last_at": instant(one.last_at),
    }  # fmt: skip


def hand(command: str, told: Iterable[Mapping[str, Any]]) -> None:
    """Give a program of the house a line of JSON for each thing that it is told.

    Raises NotToldError, RefusedError for a program that somebody else could have written.
    """
    words = shlex.split(command)
    sent = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in told).encode()
    try:
        answer = run(words, sent, SECONDS)
    except FileNotFoundError:
        raise NotToldError(f"there is no program {words[0]} on this host") from None
    except (OSError, ValueError) as problem:
        raise NotToldError(f"{words[0]} {trouble(problem, SECONDS)[0]}") from None
    if answer.code:
        because = f": {plain(answer.complaint)}" if answer.complaint else ""
        raise NotToldError(f"{words[0]} failed with {answer.code}{because}")
