"""`luactl version`: versions, for reports of faults."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import lone
from .output import show
from .settings import settings

HELP = "The version; with --all everything that a report of a fault needs."
app = lone(HELP)


@app.command("version")
def version(
    every: Annotated[
        bool, typer.Option("--all", help="Also Python, system, libpq, packages, server and schema.")
    ] = False,
) -> None:
    """Show the version; with --all also those of everything below it, and nothing about anybody.

    Examples:
        luactl version
        luactl version --all -o json
    """
    from luactl import version as engine

    show(engine.full(settings().profile) if every else engine.short())
