"""`luactl init`: make the database and keys of a profile, or adopt a server by its DSN."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import lone
from .diagnostics import note
from .options import DryRun, Yes
from .output import show, show_plan
from .settings import settings

HELP = "Make the database and keys of a profile, or adopt a server by its DSN."
app = lone(HELP)


@app.command("init")
def init(
    dsn: Annotated[
        str | None,
        typer.Option(
            "--dsn",
            metavar="DSN",
            help="A server of your own: a libpq DSN without password (see .pgpass), of a superuser.",
        ),
    ] = None,
    login: Annotated[
        str | None,
        typer.Option("--login", metavar="NAME", help="The everyday login; default: your user name."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Make the database and keys of a profile, or adopt a server by its DSN.

    Run it again to finish what was interrupted: it makes what is missing and writes over nothing.

    Examples:
        luactl init
        luactl init --dsn 'host=db.example.com dbname=lua user=postgres' --login ida --yes
    """
    from luactl import config
    from luactl import init as engine

    paths = config.find_paths()
    options = engine.Options(config.profile_to_make(paths, settings().profile), dsn, login)
    report = engine.run(paths, options, note, dry_run=dry_run)
    verb = "missing" if dry_run else "made"
    notes = [f"{verb}: {step.step}: {step.detail}" for step in report.steps]
    notes.append(f"config in {report.config}, data in {report.data}, keys in {report.keys}")
    if any(step.step == "login" for step in report.steps):
        notes.append(f"say whose login it is: `luactl staff add HANDLE --name - --login {report.login}`")
    if not report.steps:
        notes.append("everything was in place already")
    (show_plan if dry_run else show)(report, notes=notes)
