"""`luactl log note …`: bookmarks and notes on lines of the log."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from . import output
from .app import group
from .context import session
from .options import DryRun, Yes

HELP = "Bookmarks and notes on lines of the log."
app = group(HELP)

COLUMNS = (
    ("line_at", "TIME"),
    ("line_id", "LINE"),
    ("text", "NOTE"),
    ("case", "CASE"),
    ("noted_by", "BY"),
    ("noted_at", "NOTED"),
)
LineId = Annotated[UUID, typer.Argument(metavar="ID", help="Of the entry or line.", show_default=False)]
Text = Annotated[
    str | None,
    typer.Argument(metavar="TEXT", help="What is to be said of it, no personal data; without: a bookmark."),
]
Case = Annotated[str | None, typer.Option("--case", metavar="CASE", help="The case that it is about.")]
OfLine = Annotated[UUID | None, typer.Option("--line", metavar="ID", help="Only on this entry or line.")]


@app.command("add")
def add(
    line_id: LineId, text: Text = None, case: Case = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Mark an entry or line for everybody who reads the log; a mark is never changed or taken back.

    Examples:
        luactl log note add 01990000-0000-7000-8000-000000000000 'first login from outside' --case INC-7
        luactl log note add 01990000-0000-7000-8000-000000000000
    """
    from luactl import log

    with session("log note add") as s:
        made = log.add_note(s, line_id, text, case, dry_run=dry_run)
    (output.show_plan if dry_run else output.show)(made)


@app.command("list")
def list_(case: Case = None, line: OfLine = None) -> None:
    """Show bookmarks and notes in the order of their lines.

    Examples:
        luactl log note list --case INC-7
        luactl log note list --line 01990000-0000-7000-8000-000000000000
    """
    from luactl import log

    with session("log note list") as s:
        output.show(log.list_notes(s, case, line), COLUMNS)
