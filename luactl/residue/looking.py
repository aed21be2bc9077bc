"""The whole look: every place in which a deleted value can still lie, each with one finding or more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from ..db import queries
from . import relation, server, wal
from .finding import Finding, Residue
from .marker import Markers
from .reaching import Progress, Reach
from .scope import Table, with_ancestors


def _quiet(_bytes: int) -> None:
    """Show no progress."""


def survey(
    reach: Reach,
    tables: Sequence[Table],
    markers: Markers | None,
    *,
    archives: Sequence[Path] = (),
    progress: Progress = _quiet,
) -> Residue:
    """Look for markers in every place, or ask statistics alone when there are none. Changes nothing.

    Data files are read after a checkpoint, so that they hold what the server had in memory.
    """
    if markers is None:
        findings = [*suspects(reach, tables), *server.others(reach), *elsewhere(reach)]
    else:
        findings = list(_look(reach, tables, markers, archives, progress))
    return Residue(markers.count if markers else 0, tuple(t.qualified for t in tables), tuple(findings))


def _look(
    reach: Reach, tables: Sequence[Table], markers: Markers, archives: Sequence[Path], progress: Progress
) -> Iterator[Finding]:
    oids = [table.oid for table in tables]
    if reach.superuser and not reach.standby:
        queries("residue").checkpoint(reach.conn)
    yield from relation.survey(reach, relation.relations(reach, oids), markers, progress)
    every = [table.oid for table in with_ancestors(reach, tables)]
    yield from server.statistics(reach, every, markers, progress)
    yield from wal.survey(reach, markers, progress)
    for folder in archives:
        yield from wal.archive(folder, markers, int(reach.settings["wal_block_size"]), progress)
    yield from server.logs(reach, markers, progress)
    yield from server.statements(reach, markers)
    yield from server.slots(reach, markers)
    yield from server.others(reach)
    yield from elsewhere(reach)


def suspects(reach: Reach, tables: Sequence[Table]) -> Iterator[Finding]:
    """Say by statistics alone where something may lie."""
    oids = [table.oid for table in tables]
    ended = {}
    for name, count, dead, vacuumed, dropped, size in queries("residue").activity(reach.conn, oids=oids):
        ended[name] = count
        if count or dead:
            when = f"last vacuumed {vacuumed:%Y-%m-%d %H:%M}" if vacuumed else "never vacuumed"
            what = (
                f"{count:,} rows deleted or changed, {dead:,} of them dead in place; {when}; {size:,} bytes"
            )
            yield Finding("heap", name, "suspect", what, relation.REWRITE)
        if dropped:
            what = f"{dropped} dropped columns, whose values stay until the rows are rewritten"
            yield Finding("heap", name, "suspect", what, relation.REWRITE)
    for one in relation.relations(reach, oids):
        if one.kind == "gin" and one.size:
            yield Finding("gin", one.name, "suspect", "a GIN index never forgets a key", "REINDEX")
        elif one.kind in ("btree", "brin") and any(ended.values()):
            what = "high keys and pivots outlive their rows" if one.kind == "btree" else "bounds never shrink"
            yield Finding(one.kind, one.name, "suspect", what, "REINDEX")
    every = [table.oid for table in with_ancestors(reach, tables)]
    for table, column, copied in queries("residue").column_statistics(reach.conn, oids=every):
        if copied:
            yield Finding(
                "statistics",
                f"{table}.{column}",
                "suspect",
                f"{len(copied):,} characters of values",
                server.FRESH,
            )


def elsewhere(reach: Reach) -> Iterator[Finding]:
    """Name what no look from here reaches, and when it ends."""
    yield Finding("base backups", "wherever they lie", "named", *backups(reach))
    yield Finding(
        "free blocks",
        "the file system",
        "named",
        "files that were cut or deleted leave their blocks",
        "fstrim",
    )


def backups(reach: Reach) -> tuple[str, str]:
    """Return what backups hold, and until when by the retention that the profile states."""
    days = reach.session.profile.backup_days
    what = "those taken before a clean-up hold what lay there then"
    if days is None:
        return what, "state how long they live: backup_days in the profile"
    return what, f"gone on {reach.session.clock.now() + timedelta(days=days):%Y-%m-%d} if you clean up now"
