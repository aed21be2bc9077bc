"""Cleaning up: statements in the one order in which they help, and what stays until another day.

First nobody may hold old rows back: else the rewrite would copy them. Then files are rewritten, statistics
taken anew, remembered statements dropped; the log, which has seen all of that, comes last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.sql import SQL, Composable, Identifier, Literal

from ..db import queries, transaction
from ..errors import RefusedError
from .finding import Finding
from .looking import elsewhere
from .reaching import Reach
from .scope import Table, with_ancestors
from .server import others

CATALOG = ("pg_statistic", "pg_statistic_ext_data")
END_SEGMENT = "SELECT pg_switch_wal(), for each segment under a name of the future"
MOST_SEGMENTS = 10_000


@dataclass(frozen=True)
class Step:
    """One statement."""

    statement: str
    """As it is run."""
    why: str
    """What it takes away."""


@dataclass(frozen=True)
class CleanPlan:
    """What a clean-up does."""

    tables: tuple[str, ...]
    """What is rewritten."""
    steps: tuple[Step, ...]
    """In this order."""
    holders: tuple[str, ...]
    """Who holds old rows back at present: while they do, nothing is run."""


@dataclass(frozen=True)
class Cleaned:
    """What a clean-up did."""

    tables: tuple[str, ...]
    """What was rewritten."""
    steps: tuple[Step, ...]
    """What was run."""
    segments: int
    """Segments of the log that were overwritten."""
    kept: tuple[str, ...]
    """Segments from before that something still keeps; while there are any, nothing counts as clean."""
    cleaned_at: datetime | None
    """When all of it was done, as lua.sealed_since has it."""
    remains: tuple[Finding, ...]
    """What no clean-up reaches, and when it ends."""


def plan_clean(reach: Reach, tables: Sequence[Table]) -> CleanPlan:
    """Return what a clean-up would run.

    Raises RefusedError for who may not, and where nothing would record it.
    """
    if not reach.superuser or reach.standby:
        raise RefusedError(
            "a standby is cleaned by its primary"
            if reach.standby
            else f"{reach.session.actor!r} is no superuser",
            hint="give the DSN of a database administrator on the primary: --dsn",
        )
    if not queries("residue").has_ledger(reach.conn):
        raise RefusedError(
            "this database has no ledger that could record a clean-up",
            hint="name the database of the profile; in others run the statements by hand",
        )
    steps = tuple(Step(statement.as_string(reach.conn), why) for statement, why in _statements(reach, tables))
    return CleanPlan(tuple(t.qualified for t in tables), steps, tuple(_holders(reach, None)))


def _holders(reach: Reach, before: str | None) -> list[str]:
    rows = queries("residue").holders(reach.conn, before=before)
    return [f"{holder} ({who})" for holder, who, _since in rows]


def _statements(reach: Reach, tables: Sequence[Table]) -> Iterator[tuple[Composable, str]]:
    for table in tables:
        name = Identifier(table.schema, table.name)
        yield (
            SQL("VACUUM (FULL) {}").format(name),
            "deleted rows, TOAST, free space, dropped columns, every index",
        )
    for table in with_ancestors(reach, tables):
        name, oid = Identifier(table.schema, table.name), Literal(table.oid)
        # ANALYZE alone leaves what it finds no row for: an empty table keeps its old values for ever.
        yield SQL("DELETE FROM pg_catalog.pg_statistic WHERE starelid = {}").format(oid), "statistics"
        yield _extended(oid), "extended statistics"
        yield SQL("ANALYZE {}").format(name), "statistics anew, of what is there"
    for catalog in CATALOG:
        statement = SQL("VACUUM (FULL) {}").format(Identifier("pg_catalog", catalog))
        yield statement, "the statistics' own old rows"
    schema = queries("residue").statements_schema(reach.conn)
    if schema is not None:
        reset = SQL("SELECT {}()").format(Identifier(schema, "pg_stat_statements_reset"))
        yield reset, "remembered statements, of all databases"
    yield SQL("SELECT pg_switch_wal()"), "ends the segment of the log that has seen all this"
    yield SQL("CHECKPOINT"), "lets old segments and cut files go"
    yield SQL(END_SEGMENT), "overwrites recycled segments; an archive gets them, nearly empty"
    yield SQL("CHECKPOINT"), "lets the last of them go"


def _extended(oid: Literal) -> Composable:
    which = SQL("SELECT oid FROM pg_catalog.pg_statistic_ext WHERE stxrelid = {}").format(oid)
    return SQL("DELETE FROM pg_catalog.pg_statistic_ext_data WHERE stxoid IN ({})").format(which)


def clean(
    reach: Reach,
    plan: CleanPlan,
    *,
    patience: float,
    since: datetime | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Cleaned:
    """Run a plan; every step may be repeated, so an interrupted clean-up is finished by another.

    Waits at most `patience` seconds for those who hold old rows back, then raises RefusedError with their
    names. `since` is somebody's word that the tables are sealed from then on. Raises psycopg's errors: a lock
    that did not come in time is one.
    """
    _await_horizon(reach, patience)
    _record(reach, plan, "intent")
    segments, kept = 0, list[str]()
    for step in plan.steps:
        say(step.statement)
        if step.statement == END_SEGMENT:
            segments, kept = _overwrite(reach)
        else:
            reach.conn.execute(step.statement.encode())
        reach.session.step("cleaned a place")
    at = None if kept else reach.session.clock.now()
    _record(reach, plan, "done", at, since, kept)
    remains = (*others(reach), *elsewhere(reach))
    return Cleaned(plan.tables, plan.steps, segments, tuple(kept), at, remains)


def _await_horizon(reach: Reach, patience: float) -> None:
    """Return when nobody who began before now can see old rows any more."""
    mark, deadline = queries("residue").current_transaction(reach.conn), time.monotonic() + patience
    while holders := _holders(reach, mark):
        if time.monotonic() >= deadline:
            raise RefusedError(
                f"old rows are held back, and a rewrite would copy them: {'; '.join(holders)}",
                hint="end these (a prepared transaction: ROLLBACK PREPARED or COMMIT PREPARED); run it again",
            )
        list(queries("residue").wait(reach.conn))


def _overwrite(reach: Reach) -> tuple[int, list[str]]:
    """Fill every recycled segment with nothing; return how many, and what from before is still kept."""
    ask = queries("residue")
    first = ask.insert_position(reach.conn)
    listed = [(name, recycled) for name, _size, recycled in ask.list_wal(reach.conn)]
    kept = [name for name, recycled in listed if not recycled and name < first]
    last = max((name for name, recycled in listed if recycled), default=first)
    done = 0
    while ask.insert_position(reach.conn) <= last and done < MOST_SEGMENTS:
        list(ask.end_segment(reach.conn))
        done += 1
    return done, kept


def _record(
    reach: Reach,
    plan: CleanPlan,
    outcome: str,
    at: datetime | None = None,
    since: datetime | None = None,
    kept: Sequence[str] = (),
) -> None:
    from ..ledger import Entry, append

    days = reach.session.profile.backup_days
    until = at + timedelta(days=days) if at is not None and days is not None else None
    detail: dict[str, object] = {"tables": list(plan.tables), "steps": len(plan.steps)}
    if outcome == "done":
        detail |= {"kept_segments": len(kept), "clean": at is not None}
    with transaction(reach.session) as conn:
        append(reach.session, Entry("erasure.clean", outcome=outcome, detail=detail))  # type: ignore[arg-type]
        if at is not None:
            queries("residue").note_clean(conn, tables=list(plan.tables), since=since, at=at, until=until)
