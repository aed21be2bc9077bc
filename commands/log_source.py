"""`luactl log source …` and `log ingest`: where lines of servers and services come from."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .app import group
from .context import session
from .diagnostics import confirm, note, progress
from .options import DryRun, Yes

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.log.ingest.source import Source

HELP = "Where lines of servers and services come from."
app = group(HELP)

COLUMNS = (
    ("name", "NAME"), ("format", "FORMAT"), ("host", "HOST"), ("path", "PATH"), ("lines", "LINES"),
    ("unreadable", "UNREADABLE"), ("last_at", "LAST"), ("ended_at", "ENDED"),
)  # fmt: skip
BROUGHT = (
    ("source", "SOURCE"), ("files", "FILES"), ("lines", "LINES"), ("unreadable", "UNREADABLE"),
    ("gaps", "GAPS"), ("sealed", "SEALED"),
)  # fmt: skip
Name = Annotated[str, typer.Argument(metavar="NAME", help="The source's name.")]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="These sources; all without one.", show_default=False),
]
Format = Annotated[
    str, typer.Option("--format", metavar="FORMAT", help="csvlog, jsonlog, stderr, jsonl or journald.")
]
Path = Annotated[
    str,
    typer.Option("--path", metavar="PATTERN", help="Its files, rotated ones too: /var/log/postgresql/*.csv"),
]
Host = Annotated[
    str | None, typer.Option("--host", metavar="HOST", help="Where they lie; this host without it.")
]
Zone = Annotated[
    str, typer.Option("--time-zone", metavar="ZONE", help="Of times that do not say: Europe/Berlin.")
]
Prefix = Annotated[
    str | None, typer.Option("--prefix", metavar="PREFIX", help="The server's log_line_prefix, for stderr.")
]
Ahead = Annotated[
    str,
    typer.Option("--ahead", metavar="SECONDS", help="Ahead of UTC; behind: less than 0. `chronyc tracking`."),
]
Follow = Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written, until Ctrl-C.")]
POLL_SECONDS = 1.0


@app.command("list")
def list_() -> None:
    """Show the sources, and how much came in from each.

    Examples:
        luactl log source list
    """
    from luactl.log.ingest.source import sources

    with session("log source list") as s:
        output.show(sources(s), COLUMNS)


@app.command("add")
def add(
    name: Name, format_: Format, path: Path, host: Host = None, time_zone: Zone = "UTC",
    prefix: Prefix = None, dry_run: DryRun = False, yes: Yes = False,
) -> None:  # fmt: skip
    """Register a source. On a key host its lines are kept as they were too, sealed.

    Examples:
        luactl log source add db --format csvlog --path '/var/log/postgresql/*.csv'
        luactl log source add db2 --format stderr --path /pg/server.log --prefix '%m [%p] %q%u@%d %c %l '
        luactl log source add crm --format jsonl --path '/var/log/crm/*.json' --time-zone Europe/Berlin
    """
    from luactl.log.ingest.source import NewSource, add_source

    new = NewSource(name, format_, path, host or socket.gethostname(), time_zone, prefix)
    with session("log source add") as s:
        made = add_source(s, new, dry_run=dry_run)
    (output.show_plan if dry_run else output.show)(made)


@app.command("clock")
def clock(name: Name, ahead: Ahead, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Keep how far a source's clock is off, as measured just now; evidence says it beside its times.

    Times stay as they were written.

    Examples:
        luactl log source clock db --ahead 0.35
        luactl log source clock db2 --ahead -12 --dry-run
    """
    from luactl.log.ingest.source import compare_clock, seconds

    with session("log source clock") as s:
        compared = compare_clock(s, name, seconds(ahead), dry_run=dry_run)
    (output.show_plan if dry_run else output.show)(compared)


@app.command("end")
def end(name: Name, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Say that nothing more comes from a source. What came in stays.

    Examples:
        luactl log source end db2 --yes
    """
    from luactl.log.ingest.source import end_source, find_source

    with session("log source end") as s:
        if not dry_run:
            confirm(f"End source {find_source(s, name).name!r}?", yes=yes)
        ended = end_source(s, name, dry_run=dry_run)
    (output.show_plan if dry_run else output.show)(ended)


def ingest(names: Names = None, follow: Follow = False, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Bring in what the sources of this host wrote since the last time: each line once, whatever crashed.

    What a person typed is masked in the message; on a key host the bytes are kept as they were, sealed.

    Examples:
        luactl log ingest
        luactl log ingest db --follow
        luactl log ingest --dry-run
    """
    from time import sleep

    from luactl.log.ingest import reading
    from luactl.log.ingest.source import sources_named

    with session("log ingest") as s:
        here = socket.gethostname()
        chosen = sources_named(s, names or (), here)
        if not chosen:
            note(f"no source of this host, {here}, is registered: `luactl log source list` shows all of them")
        if dry_run:
            output.show_plan(reading.plan(s, chosen))
        elif follow:
            output.stream(reading.follow(s, chosen, lambda: sleep(POLL_SECONDS)), BROUGHT)
        else:
            _bring(s, chosen)


def _bring(s: Session, chosen: Sequence[Source]) -> None:
    from luactl.log.ingest import reading

    waiting = sum(one.size - one.read_to for one in reading.plan(s, chosen))
    with progress("bytes read", waiting) as advance:
        output.show([reading.bring(s, source, advance) for source in chosen], BROUGHT)
