"""`luactl log …`: who did what, and what happens right now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from . import output
from .app import group
from .context import session
from .diagnostics import note
from .log_alert import app as alert_app
from .log_asked import Action, Actor, Name, Subject, Words, asked
from .log_custody import app as custody_app
from .log_detect import app as finding_app
from .log_detect import detect
from .log_evidence import export, raw, seal
from .log_note import app as note_app
from .log_query import app as query_app
from .log_rule import app as rule_app
from .log_source import app as source_app
from .log_source import ingest
from .options import MOST_ROWS, AnyTenant, Limit, Since, Until, secret

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.log import Query

HELP = "Who did what: search and follow the ledger's entries and the lines of servers."
app = group(HELP)
app.add_typer(query_app, name="query")
app.add_typer(note_app, name="note")
app.add_typer(source_app, name="source")
app.add_typer(rule_app, name="rule")
app.add_typer(finding_app, name="finding")
app.add_typer(alert_app, name="alert")
app.add_typer(custody_app, name="custody")
app.command("ingest")(ingest)
app.command("detect")(detect)
app.command("export")(export)
app.command("seal")(seal)
app.command("raw")(raw)

COLUMNS = (
    ("at", "TIME"),
    ("actor", "ACTOR"),
    ("action", "ACTION"),
    ("outcome", "OUTCOME"),
    ("tenant", "TENANT"),
    ("object", "OBJECT"),
    ("message", "MESSAGE"),
    ("id", "ID"),
)
BINS = (("begins", "FROM"), ("count", "COUNT"))

Count = Annotated[bool, typer.Option("--count", help="Only how many there are.")]
Width = Annotated[
    str | None,
    typer.Option("--histogram", metavar="SPAN", help="How many in each stretch of time, such as 1h."),
]
Context = Annotated[
    int, typer.Option("--context", min=0, max=1000, metavar="N", help="Also N neighbours in time of each.")
]
Before = Annotated[
    UUID | None, typer.Option("--before", metavar="ID", help="Go on after the last one of an earlier page.")
]
SealedText = Annotated[
    str | None,
    typer.Option(
        "--sealed",
        metavar="TEXT",
        help="Only lines that hold this in what is sealed of them; - reads it from standard input.",
    ),
]
Why = Annotated[
    str | None,
    typer.Option("--purpose", metavar="TEXT", help="Why sealed lines are read; the ledger keeps it."),
]
Follow = Annotated[bool, typer.Option("-f", "--follow", help="Go on with what happens, until Ctrl-C.")]
Lines = Annotated[
    int,
    typer.Option("-n", "--lines", min=0, max=MOST_ROWS, metavar="N", help="Begin with the last N."),
]


@app.command("search")
def search(
    words: Words = None,
    saved: Name = None,
    tenant: AnyTenant = None,
    actor: Actor = None,
    action: Action = None,
    subject: Subject = None,
    since: Since = None,
    until: Until = None,
    count: Count = False,
    histogram: Width = None,
    context: Context = 0,
    before: Before = None,
    sealed: SealedText = None,
    purpose: Why = None,
    limit: Limit = 100,
) -> None:
    """Show entries and lines, newest first.

    A query is words side by side: fields (actor, behalf, tenant, subject, action, object, purpose, outcome,
    address, session, application, severity, code, source, kind, id), since: and until:, and text. `*` stands
    for anything, `a,b` for either, a minus for not; `OR` and parentheses work. Put `--` before a query that
    begins with a minus.

    What a person typed is masked in lines. --sealed looks for a text in them as they were written, on a key
    host, after everything else: it opens the newest --limit lines that fit, and that is recorded first.

    Examples:
        luactl log search 'actor:anna action:read* since:-2h'
        luactl log search 'code:23505 since:-1d' --sealed - --purpose 'INC-7: who was it' --limit 1000
        luactl log search 'action:login.failed address:203.0.113.0/24' --histogram 1h
        luactl log search --since -24h --action 'erasure.*'
        luactl log search --actor ida --since 2026-03-01 --limit 0 -o jsonl
        luactl log search -o csv -- tenant:smile -action:read '"third party"'
    """
    from dataclasses import replace

    from luactl import log

    with session("log search") as s:
        query = asked(s, words, saved, tenant, actor, action, subject)
        now = s.clock.now()
        query = replace(
            query,
            since=query.since if since is None else log.parse_time(since, now),
            until=query.until if until is None else log.parse_time(until, now),
        )
        notes = log.told(log.gaps(s, query))
        if sealed is not None:
            _sealed(s, query, secret(sealed, "text"), purpose or "", limit, before, notes)
        elif count:
            output.show(log.count(s, query), notes=notes)
        elif histogram is not None:
            output.show(log.histogram(s, query, log.parse_span(histogram)), BINS, notes)
        else:
            _lines(s, query, limit, before, context, notes)


def _lines(s: Session, query: Query, limit: int, before: UUID | None, context: int, notes: list[str]) -> None:
    """Show a page, with neighbours if they were asked for."""
    from luactl import log

    place = {} if before is None else {"before": log.place_of(s, before)}
    page = log.search(s, query, limit, **place)
    lines = log.around(s, query, page.lines, context) if context else page.lines
    if page.more:
        last = page.lines[-1].id
        notes.append(f"{limit:,} of >{limit:,}; go on with --before {last}, or --limit 0 for all")
    output.show(lines, COLUMNS, notes)


def _sealed(
    s: Session, query: Query, text: str, purpose: str, limit: int, before: UUID | None, notes: list[str]
) -> None:
    """Show which lines hold a text in what is sealed of them, and how many were opened for it."""
    from luactl import log
    from luactl.log.sealed import search_sealed

    place = {} if before is None else {"before": log.place_of(s, before)}
    found = search_sealed(s, query, text, purpose, limit, **place)
    notes.append(f"{len(found.lines):,} of {found.opened:,} lines that were opened hold it")
    if found.closed:
        notes.append(f"{found.closed:,} could not be opened: `luactl log raw ID` says why")
    if found.last is not None:
        notes.append(f"older ones that fit were not opened; go on with --before {found.last.id}")
    output.show(found.lines, COLUMNS, notes)


@app.command("actor")
def actor_(
    name: Annotated[str, typer.Argument(metavar="LOGIN", help="Whose doings.")],
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="From this time on.")] = "-1d",
    until: Until = None,
) -> None:
    """Show everything a login touched: people, tenants, addresses, against its usual day and that of others.

    Examples:
        luactl log actor anna --since -2d
        luactl log actor anna --since 2026-03-01 --until 2026-03-08 -o json
    """
    from luactl import log

    with session("log actor") as s:
        now = s.clock.now()
        end = None if until is None else log.parse_time(until, now)
        found = log.actor(s, name, log.parse_time(since, now), end)
    output.show(found)


@app.command("tail")
def tail(
    words: Words = None,
    saved: Name = None,
    follow: Follow = False,
    lines: Lines = 10,
    tenant: AnyTenant = None,
    actor: Actor = None,
    action: Action = None,
    subject: Subject = None,
) -> None:
    """Show the newest entries and lines, oldest first, and with -f what comes in after them.

    Lines of sources follow as they are brought in by `log ingest`, however old they are; `kind:ledger` leaves
    them out. With -f a lost connection is made anew, and nothing is missed.

    Examples:
        luactl log tail -f
        luactl log tail -f kind:ledger
        luactl log tail -f 'action:read* OR outcome:refused'
        luactl log tail -n 50 --tenant smile
    """
    from luactl import log

    with session("log tail") as s:
        wanted = asked(s, words, saved, tenant, actor, action, subject)
        if not follow:
            output.show(list(log.tail(s, wanted, lines, None)), COLUMNS)
            return
        with log.Waker(s, note) as waker:
            output.stream(log.tail(s, wanted, lines, waker.wait, note), COLUMNS)
