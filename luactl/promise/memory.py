"""Probe of the ledger: change what was written, as everybody, and look whether anything was changed."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg.sql import SQL, Composable

from .. import ledger as log
from ..db import Session
from .look import Look, attempt, roles, statements, undone
from .page import Page


def ledger(session: Session, page: Page, look: Look) -> None:
    """Update, delete and truncate every table of the ledger as each role, then check all of it."""
    others = roles(session, look, all_of_them=False)
    with undone(session) as conn:
        tables = list(statements("memory").tables(conn))
        for role in [None, *others]:
            for verb, statement in _changes(tables):
                look.tried()
                if not attempt(conn, statement, role).no_right:
                    look.breaks(f"{role or 'this login'} may {verb}")
    found = log.verify(session)
    look.tried()
    if not found.size:
        look.misses("no entry stands under a checkpoint yet, so a change would not be found")
    for finding in found.findings:
        where = "" if finding.index is None else f"entry {finding.index:,}: "
        look.breaks(where + finding.problem)
    look.findings += found.found - len(found.findings)
    look.evidence |= {"entries": found.size, "pending": found.pending, "anchors": list(found.anchors)}
    look.saw = (
        f"{look.attempts - 1:,} attempts to change it refused; {found.size:,} entries are as they were signed"
    )


def _changes(tables: list[tuple[str, str]]) -> Iterator[tuple[str, Composable]]:
    for table, column in tables:
        place, name = SQL(table), SQL(column)
        yield f"update {table}", SQL("UPDATE {t} SET {c} = {c} WHERE false").format(t=place, c=name)
        yield f"remove rows of {table}", SQL("DELETE FROM {} WHERE false").format(place)
        yield f"truncate {table}", SQL("TRUNCATE {}").format(place)
