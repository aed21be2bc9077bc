"""`luactl log query …`: queries that a team asks again."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .app import group
from .context import session
from .options import DryRun, Yes

HELP = "Saved queries of the log."
app = group(HELP)

COLUMNS = (
    ("name", "NAME"),
    ("query", "QUERY"),
    ("about", "ABOUT"),
    ("saved_by", "BY"),
    ("saved_at", "SAVED"),
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]
Text = Annotated[str, typer.Argument(metavar="QUERY", help="As for `luactl log search`.")]
About = Annotated[str, typer.Option("--about", metavar="TEXT", help="What it is for.")]


@app.command("list")
def list_() -> None:
    """Show the saved queries.

    Examples:
        luactl log query list
    """
    from luactl import log

    with session("log query list") as s:
        output.show(log.list_saved(s), COLUMNS)


@app.command("save")
def save(name: Name, query: Text, about: About = "", dry_run: DryRun = False, yes: Yes = False) -> None:
    """Save a query under a name; everybody may ask it, `since:-2h` counts from then.

    Examples:
        luactl log query save night 'action:read* since:-1d' --about 'morning round'
    """
    from luactl import log

    with session("log query save") as s:
        made = log.save(s, name, query, about, dry_run=dry_run)
    (output.show_plan if dry_run else output.show)(made)


@app.command("remove")
def remove(name: Name, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Remove a saved query of one's own.

    Examples:
        luactl log query remove night --yes
    """
    from luactl import log

    from .diagnostics import confirm

    with session("log query remove") as s:
        if not dry_run:
            confirm(f"Remove the saved query {name!r}?", yes=yes)
        gone = log.forget(s, name, dry_run=dry_run)
    (output.show_plan if dry_run else output.show)(gone)
