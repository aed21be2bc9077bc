"""`luactl log …`: who did what, and what happens right now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from . import output
from .app import group
from .context import session
from .options import MOST_ROWS, AnyTenant, Limit

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.log import Filter

HELP = "Who did what: search and follow the ledger's entries."
app = group(HELP)

COLUMNS = (
    ("at", "TIME"),
    ("actor", "ACTOR"),
    ("action", "ACTION"),
    ("outcome", "OUTCOME"),
    ("tenant", "TENANT"),
    ("object", "OBJECT"),
    ("id", "ENTRY"),
)
POLL_SECONDS = 1.0

Actor = Annotated[str | None, typer.Option("--actor", metavar="LOGIN", help="Only what this login did.")]
Action = Annotated[
    str | None,
    typer.Option("--action", metavar="ACTION", help="Only this action; `crm.*` for all that begin so."),
]
Subject = Annotated[
    UUID | None,
    typer.Option(
        "--subject", metavar="ID", help="Only what concerns this subject; needs --tenant and a key host."
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From this time on: RFC 3339, a date, or -2h, -3d."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this time.")]
Follow = Annotated[bool, typer.Option("-f", "--follow", help="Go on with what happens, until Ctrl-C.")]
Lines = Annotated[
    int,
    typer.Option("-n", "--lines", min=0, max=MOST_ROWS, metavar="N", help="Begin with the last N entries."),
]


def _filter(
    s: Session, tenant: str | None, actor: str | None, action: str | None, subject: UUID | None
) -> Filter:
    from luactl import log
    from luactl.errors import UsageError

    if subject is not None and tenant is None:
        raise UsageError("a subject belongs to a tenant", hint="add --tenant SLUG")
    tenant_id = None if tenant is None else log.find_tenant(s, tenant)
    reference = None
    if subject is not None and tenant_id is not None:
        reference = log.reference_of(s, tenant_id, subject, "log search")
    return log.Filter(tenant_id, actor, action, reference)


@app.command("search")
def search(
    tenant: AnyTenant = None,
    actor: Actor = None,
    action: Action = None,
    subject: Subject = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
) -> None:
    """Show entries, newest first.

    Examples:
        luactl log search --since -24h --action 'erasure.*'
        luactl log search --actor ida --since 2026-03-01 --limit 0 -o jsonl
    """
    from dataclasses import replace

    from luactl import log

    with session("log search") as s:
        now = s.clock.now()
        begin, end = (None if text is None else log.parse_time(text, now) for text in (since, until))
        wanted = replace(_filter(s, tenant, actor, action, subject), since=begin, until=end)
        page = log.search(s, wanted, limit)
    notes = [f"{limit:,} of >{limit:,} entries; --limit 0 shows all"] if page.more else []
    output.show(page.lines, COLUMNS, notes)


@app.command("tail")
def tail(
    follow: Follow = False,
    lines: Lines = 10,
    tenant: AnyTenant = None,
    actor: Actor = None,
    action: Action = None,
    subject: Subject = None,
) -> None:
    """Show the newest entries, oldest first, and with -f what comes after them.

    Examples:
        luactl log tail -f
        luactl log tail -n 50 --tenant smile
    """
    from time import sleep

    from luactl import log

    with session("log tail") as s:
        wanted = _filter(s, tenant, actor, action, subject)
        shown = log.tail(s, wanted, lines, (lambda: sleep(POLL_SECONDS)) if follow else None)
        if follow:
            output.stream(shown, COLUMNS)
        else:
            output.show(list(shown), COLUMNS)
