"""What is to be collected: a question with a span, for a case, with a purpose."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from ...db import Session, queries
from ...errors import RefusedError, UsageError
from ..query import Every, Node, Not, Query, Some, Text

_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
LONGEST_PURPOSE = 500
MASKED = "‹…›"


@dataclass(frozen=True)
class Order:
    """What somebody wants to have collected."""

    case: str
    """Of the incident, as the team numbers it; names nobody."""
    purpose: str
    typed: str
    """The question as it was typed, saved ones and options included."""
    query: Query
    """The same with absolute times: `until` always has one, `since` unless all was wanted."""

    @property
    def until(self) -> datetime:
        """Before which time."""
        assert self.query.until is not None
        return self.query.until

    @property
    def resolved(self) -> str:
        """The question with absolute times, as the query language writes it."""
        return str(self.query)

    @property
    def outline(self) -> str:
        """The same without the words that somebody looked for: they may name a person."""
        return str(Query(_masked(self.query.where), self.query.since, self.query.until))


def order(
    session: Session, case: str, purpose: str, typed: str, query: Query, *, everything: bool = False
) -> Order:
    """Return what is to be collected, its times resolved: up to now at most.

    Raises UsageError for a case or purpose that is none, and for a question without a beginning unless
    `everything` was asked for; RefusedError for a login that does not read all of the log.
    """
    if not _CASE.fullmatch(case):
        raise UsageError(
            "a case has at most 64 letters, digits and `.`, `_`, `-`, `/`",
            hint="such as INC-2026-017; it stands in the ledger, so it names nobody",
        )
    said = purpose.strip()
    if not said or len(said) > LONGEST_PURPOSE or not said.isprintable():
        raise UsageError(
            f"a purpose is one line of at most {LONGEST_PURPOSE} characters", hint="why these lines are read"
        )
    now = session.clock.now()
    until = min(query.until or now, now)
    if query.since is None and not everything:
        raise UsageError(
            "evidence says which span it covers, and this question has no beginning",
            hint="add since:-2h or --since 2026-03-01; --all takes everything there is",
        )
    if query.since is not None and query.since >= until:
        raise UsageError("the end lies before the beginning", hint="such as --since -2d --until -1d")
    if not queries("log_evidence").may_collect(session.conn):
        raise RefusedError(
            f"{session.actor} does not read all lines and their bytes, so what it collected had holes",
            hint="run it as a login that has lua_responder, lua_auditor or lua_dpo",
        )
    return Order(case, said, typed, replace(query, until=until))


def _masked(node: Node) -> Node:
    match node:
        case Text():
            return Text(MASKED, node.is_prefix)
        case Not():
            return Not(_masked(node.node))
        case Every():
            return Every(tuple(map(_masked, node.nodes)))
        case Some():
            return Some(tuple(map(_masked, node.nodes)))
        case _:
            return node
