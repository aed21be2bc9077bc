"""Side doors of the server: its log, statements it remembers, statistics, and those who hold or copy data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..db import queries
from .finding import Finding
from .marker import Markers, Tally
from .reaching import Progress, Reach
from .relation import relations
from .relation import survey as survey_files
from .scope import catalog_table
from .wal import told

STATEMENTS = ("pg_stat_tmp/pgss_query_texts.stat", "pg_stat/pg_stat_statements.stat")
FRESH = "ANALYZE anew, and rewrite pg_statistic (--clean does)"
EXPIRE = "rotate the log and delete the old files"


def statistics(reach: Reach, oids: Sequence[int], markers: Markers, progress: Progress) -> Iterator[Finding]:
    """Yield what ANALYZE copied: as SQL shows it, and as old rows of the catalog keep it."""
    seen: dict[str, Tally] = {}
    for table, column, copied in queries("residue").column_statistics(reach.conn, oids=list(oids)):
        seen.setdefault(f"{table}.{column}", Tally(markers)).look((copied or "").encode(reach.encoding))
    for name, copied in queries("residue").extended_statistics(reach.conn, oids=list(oids)):
        seen.setdefault(name, Tally(markers)).look(str(copied).encode(reach.encoding))
    found = {name: tally for name, tally in seen.items() if tally.hits}
    for name, tally in found.items():
        yield told("statistics", name, tally, "in most common values or histogram bounds", FRESH)
    if not found:
        yield Finding("statistics", "pg_stats", "clear", f"none of the markers in {len(seen)} columns")
    for finding in survey_files(reach, relations(reach, _catalog(reach)), markers, progress):
        yield replace(finding, place="statistics", remedy=FRESH if finding.hits else "")


def _catalog(reach: Reach) -> list[int]:
    return [catalog_table(reach, name) for name in ("pg_statistic", "pg_statistic_ext_data")]


def statements(reach: Reach, markers: Markers) -> Iterator[Finding]:
    """Yield what is remembered of statements: by pg_stat_statements, and by sessions of this database."""
    if reach.blind:
        yield Finding("pg_stat_statements", "query texts", "not observable", reach.blind)
    else:
        tally = Tally(markers)
        for path in STATEMENTS:
            for _at, data in reach.blocks(path, markers.longest):
                tally.look(data)
        yield told(
            "pg_stat_statements",
            "query texts",
            tally,
            "in remembered statements",
            "pg_stat_statements_reset()",
        )
    tally, sessions = Tally(markers), 0
    for _pid, _user, query in queries("residue").sessions(reach.conn):
        sessions += tally.look(query.encode(reach.encoding, "replace"))
    yield told(
        "sessions",
        "pg_stat_activity",
        tally,
        f"last statement of {sessions} sessions",
        "their next statement",
    )


def logs(reach: Reach, markers: Markers, progress: Progress) -> Iterator[Finding]:
    """Yield what lies in the server's log files."""
    if reach.settings["logging_collector"] != "on":
        why = "the server keeps no log files of its own (logging_collector is off): look where they go"
        yield Finding("server log", reach.settings["log_destination"], "not observable", why, EXPIRE)
        return
    if reach.blind:
        yield Finding("server log", "log files", "not observable", reach.blind, EXPIRE)
        return
    for destination in set(reach.settings["log_destination"].split(",")) & {"syslog", "eventlog"}:
        yield Finding("server log", destination, "not observable", "another program keeps it", EXPIRE)
    folder, tally, files = reach.settings["log_directory"], Tally(markers), 0
    for name, _size in list(queries("residue").list_logs(reach.conn)):
        before = tally.hits
        for _at, data in reach.blocks(f"{folder}/{name}", markers.longest - 1):
            progress(len(data))
            tally.look(data)
        files += tally.hits > before
    yield told("server log", folder, tally, f"in {files} files", EXPIRE)


def slots(reach: Reach, markers: Markers) -> Iterator[Finding]:
    """Yield what logical decoding has spilled to disk."""
    if reach.blind:
        return
    tally = Tally(markers)
    for slot in reach.names("pg_replslot"):
        for name in reach.names(f"pg_replslot/{slot}"):
            if name.endswith(".spill"):
                for _at, data in reach.blocks(f"pg_replslot/{slot}/{name}", markers.longest - 1):
                    tally.look(data)
    if tally.hits:
        yield told(
            "replication slot", "spill files", tally, "in spilled changes", "let the subscriber catch up"
        )


def others(reach: Reach) -> Iterator[Finding]:
    """Name who holds old rows back, and who gets copies: each needs its own check."""
    for holder, who, since in queries("residue").holders(reach.conn, before=None):
        what = f"{who}, since {since:%Y-%m-%d %H:%M:%S}" if since else who
        yield Finding(
            "horizon", holder, "named", f"VACUUM cannot take what ended after it began: {what}", "end it"
        )
    for name, kind in queries("residue").receivers(reach.conn):
        remedy = "drop it, or let its reader catch up" if kind == "slot" else "look there as well"
        what = (
            "keeps the log for somebody who is away" if kind == "slot" else "has a copy, and a log of its own"
        )
        yield Finding(kind, name, "named", what, remedy)
