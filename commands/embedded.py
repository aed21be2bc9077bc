"""`luactl embedded`: the Postgres server that init made: its state, start, stop and log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .app import group
from .diagnostics import note
from .options import DryRun, Yes
from .output import show, show_plan
from .settings import settings

if TYPE_CHECKING:
    from luactl.embedded import Server

HELP = "The Postgres server that init made: its state, start, stop and log."
app = group(HELP)


def _server() -> Server:
    from luactl.config import load_profile
    from luactl.connect import server_of
    from luactl.errors import UsageError

    profile = load_profile(settings().profile)
    if not profile.embedded:
        raise UsageError(
            f"profile {profile.name!r} names a server of your own, not an embedded one",
            hint="its administrator starts and stops it",
        )
    return server_of(profile)


@app.command("status")
def status() -> None:
    """Show whether the server runs, where, and as whom; starts nothing.

    Examples:
        luactl embedded status
    """
    from luactl import embedded

    show(embedded.status(_server()))


@app.command("start")
def start(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Start the server if it does not run; other commands do it when they need it.

    Examples:
        luactl embedded start --yes
    """
    from luactl import embedded

    server = _server()
    if dry_run:
        show_plan(embedded.status(server), notes=["would start it, unless it runs already"])
        return
    embedded.start(server, note)
    show(embedded.status(server))


@app.command("stop")
def stop(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Stop the server; open transactions are rolled back, nothing committed is lost.

    Examples:
        luactl embedded stop --yes
    """
    from luactl import embedded

    server = _server()
    if dry_run:
        show_plan(embedded.status(server), notes=["would stop it, if it runs"])
        return
    ran = embedded.stop(server)
    show(embedded.status(server), notes=[] if ran else ["it was not running"])


@app.command("log")
def log(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, metavar="N", help="At most N lines.")] = 100,
) -> None:
    """Show the newest lines of the server's log, oldest first.

    Examples:
        luactl embedded log -n 20
    """
    from luactl import embedded

    show(({"line": line} for line in embedded.log_lines(_server(), lines)), (("line", "LINE"),))
