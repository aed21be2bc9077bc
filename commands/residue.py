"""`luactl erasure residue`: where deleted values still lie readable, and the clean-up."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import Exit, UsageError

from .diagnostics import ask_hidden, confirm, is_interactive, note, progress
from .options import AnyTenant, DryRun, Yes, identifier
from .output import show, show_plan
from .settings import is_json, settings

if TYPE_CHECKING:
    from luactl.residue import Cleaned, Markers, Reach, Table

FINDINGS = (
    ("place", "PLACE"),
    ("object", "OBJECT"),
    ("state", "STATE"),
    ("markers", "MARKERS"),
    ("hits", "HITS"),
    ("what", "WHAT"),
    ("remedy", "REMEDY"),
)
STEPS = (("statement", "STATEMENT"), ("why", "WHAT IT TAKES AWAY"))


Tables = Annotated[list[str], typer.Option("--table", metavar="NAME", help="A table; may be repeated.")]
Subject = Annotated[
    str | None, typer.Option("--subject", metavar="ID", help="Look for a person's id in the CRM's tables.")
]
Marker = Annotated[
    str | None,
    typer.Option("--marker", metavar="-", help="`-`: values to look for, one a line of standard input."),
]
Archive = Annotated[
    list[Path], typer.Option("--archive", metavar="DIR", help="A folder of archived log on this host.")
]
Dsn = Annotated[str | None, typer.Option("--dsn", metavar="DSN", help="A database administrator's login.")]
Clean = Annotated[bool, typer.Option("--clean", help="Rewrite and lock the tables.")]
SealedSince = Annotated[
    str | None,
    typer.Option("--sealed-since", metavar="DATE", help="With --clean: sealed since then, on your word."),
]
LockTimeout = Annotated[
    int, typer.Option("--lock-timeout", min=1, max=86_400, metavar="S", help="Seconds to wait for locks.")
]


def residue(
    table: Tables = [],  # noqa: B006
    tenant: AnyTenant = None,
    subject: Subject = None,
    marker: Marker = None,
    archive: Archive = [],  # noqa: B006
    dsn: Dsn = None,
    clean: Clean = False,
    sealed_since: SealedSince = None,
    lock_timeout: LockTimeout = 10,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Find where deleted values still lie readable: rows, TOAST, indexes, statistics, log, statements.

    For tables that are not sealed, or once were not; a database administrator's verb (--dsn). Without
    --marker it asks statistics alone. Exit code 6: a marker was found.

    Examples:
        luactl erasure residue --table legacy.person --dsn 'service=dba'
        luactl erasure residue --table legacy.person --marker - < values.txt
        luactl erasure residue --tenant smile --subject 01a214cb-6ec7-782d-a7a0-1a7560c18b9e
        luactl erasure residue --table legacy.person --clean --dry-run
    """
    from luactl import residue as engine
    from luactl.config import load_profile

    if marker not in (None, "-"):
        raise UsageError("values do not belong in process lists", hint="give them as `--marker -`")
    if (tenant is None) != (subject is None):
        raise UsageError("--tenant and --subject go together", hint="give both, or --table")
    since = _day(sealed_since, clean)
    profile = load_profile(settings().profile)
    settings().production = profile.production
    values = _values() if marker else None
    with engine.administrator(profile, dsn, lock_timeout, note) as reach:
        tables, wanted = _scope(reach, table, tenant, subject, values)
        if not clean:
            _survey(reach, tables, wanted, archive)
            return
        plan = engine.plan_clean(reach, tables)
        notes = [f"waits for {one}" for one in plan.holders]
        if dry_run:
            show_plan(plan if is_json() else plan.steps, STEPS, notes)
            return
        confirm(f"Rewrite {len(tables)} tables and the statistics, locking each?", yes=yes, name=profile.name)
        done = engine.clean(reach, plan, patience=float(lock_timeout), since=since, say=note)
        _cleaned(reach, tables, wanted, done)


def _day(text: str | None, clean: bool) -> datetime | None:
    if text is None:
        return None
    if not clean:
        raise UsageError("--sealed-since goes with --clean", hint="clean up what was in clear")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no date", hint="such as 2026-11-20") from None


def _values() -> list[str]:
    """Return the lines of standard input, or one value that is typed unseen."""
    if is_interactive():
        return [ask_hidden("value to look for:")]
    try:
        return [line.rstrip("\r\n") for line in sys.stdin] if sys.stdin else []
    except UnicodeDecodeError:
        raise UsageError("what came on standard input is no text in UTF-8") from None


def _scope(
    reach: Reach, table: list[str], tenant: str | None, subject: str | None, values: list[str] | None
) -> tuple[list[Table], Markers | None]:
    """Return which tables are meant, and what is looked for in them."""
    from luactl import residue as engine
    from luactl.tenant import find

    markers = engine.text_markers(values, reach.encoding) if values is not None else None
    if subject is not None and tenant is not None:
        who = identifier(subject)
        find(reach.session, tenant)
        return engine.subject_tables(reach), markers or engine.subject_markers(who)
    return engine.named_tables(reach, table) if table else engine.unsealed_tables(reach), markers


def _survey(reach: Reach, tables: list[Table], markers: Markers | None, archives: list[Path]) -> None:
    from luactl import residue as engine

    with progress("bytes") as advance:
        found = engine.survey(reach, tables, markers, archives=archives, progress=advance)
    notes = [f"looked for {found.markers:,} markers in {len(tables):,} tables and what surrounds them"]
    if markers is None:
        notes = [f"asked the statistics of {len(tables):,} tables; `--marker -` looks for values themselves"]
    outcome = Exit.FINDINGS if found.found else Exit.DONE
    if is_json():
        show(found, None, notes, outcome=outcome)
    else:
        show(found.findings, FINDINGS, notes, outcome=outcome)


def _cleaned(reach: Reach, tables: list[Table], markers: Markers | None, done: Cleaned) -> None:
    """Show what remains; with markers after another look."""
    from luactl import residue as engine

    notes = [f"{done.segments:,} recycled segments of the log were overwritten"]
    if done.kept:
        notes.append(f"not clean yet: {len(done.kept):,} older segments are kept (slot, standby, archiver)")
    left = list(done.remains)
    if markers is not None:
        with progress("bytes") as advance:
            left = list(engine.survey(reach, tables, markers, progress=advance).findings)
    outcome = Exit.FINDINGS if done.kept or any(one.state == "found" for one in left) else Exit.DONE
    if is_json():
        show({**vars(done), "remains": left}, None, notes, outcome=outcome)
    else:
        show([one for one in left if one.state != "clear"], FINDINGS, notes, outcome=outcome)
