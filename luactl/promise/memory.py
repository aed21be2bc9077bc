"""Probe of the ledger: change what was written, as everybody, and look whether anything was changed.

And whether somebody would notice: an event is planted, looked for by search and by a rule, and taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

from psycopg.sql import SQL, Composable

from .. import ledger as log
from ..db import Session
from ..ledger.entry import READ_BATCH
from .look import Look, attempt, roles, statements, undone
from .page import Page

WATCHING = "bulk-read"
"""The rule that must notice."""
SPAN = timedelta(minutes=1)


def ledger(session: Session, page: Page, look: Look) -> None:
    """Update, delete and truncate every table of the ledger as each role, then check it; plant an event."""
    others = roles(session, look, all_of_them=False)
    with undone(session) as conn:
        tables = list(statements("memory").tables(conn))
        for role in [None, *others]:
            for verb, statement in _changes(tables):
                look.tried()
                if not attempt(conn, statement, role).no_right:
                    look.breaks(f"{role or 'this login'} may {verb}")
    found = log.verify(session)
    changes = look.attempts
    look.tried()
    _notice(session, look)
    if not found.size:
        look.misses("no entry stands under a checkpoint yet, so a change would not be found")
    for finding in found.findings:
        where = "" if finding.index is None else f"entry {finding.index:,}: "
        look.breaks(where + finding.problem)
    look.findings += found.found - len(found.findings)
    look.evidence |= {"entries": found.size, "pending": found.pending, "anchors": list(found.anchors)}
    look.saw = (
        f"{changes:,} attempts to change it refused; {found.size:,} entries are as they were signed; "
        "a planted event is found by search and by a rule"
    )


def _notice(session: Session, look: Look) -> None:
    """Plant a look at many people, and see whether search and the rule about that find it."""
    from ..log import detect, parse, search

    chosen = detect.settings_of(session.profile)
    watching = detect.find_rule(detect.every_rule(chosen.rules, chosen.off), WATCHING)
    if watching.off_because is not None:
        look.misses(f"the rule {WATCHING} is off: {watching.off_because}")
        return
    now = session.clock.now()
    with undone(session):
        planted = _plant(session)
        found = search(session, parse(f"id:{planted}", now)).lines
        seen = detect.ask(session, watching.rule, now - SPAN, now + SPAN)
    look.tried(2)
    if [one.id for one in found] != [planted]:
        look.breaks("a planted event is not found by search")
    if not any(one.group["actor"] == session.actor and one.count >= READ_BATCH for one in seen):
        look.breaks(f"a planted event is not found by the rule {WATCHING}")
    look.evidence["rule"] = WATCHING


def _plant(session: Session) -> UUID:
    """Say that this login looked at as many people as are in one entry; nobody is meant."""
    people = [str(uuid4()) for _ in range(READ_BATCH)]
    detail = {"command": session.command, "count": len(people), "part": 1, "parts": 1, "references": people}
    return log.append(
        session, log.Entry("read", object="probe:planted", purpose="promise 3.6", detail=detail)
    )


def _changes(tables: list[tuple[str, str]]) -> Iterator[tuple[str, Composable]]:
    for table, column in tables:
        place, name = SQL(table), SQL(column)
        yield f"update {table}", SQL("UPDATE {t} SET {c} = {c} WHERE false").format(t=place, c=name)
        yield f"remove rows of {table}", SQL("DELETE FROM {} WHERE false").format(place)
        yield f"truncate {table}", SQL("TRUNCATE {}").format(place)
