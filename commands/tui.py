"""`luactl tui`: the terminal UI. Only starts it."""

from __future__ import annotations

import typer

from luactl.errors import Exit

from .app import lone
from .context import settings
from .entry import terminal_ui

app = lone("A tool to live in: tenants, people, erasures, retention, access and log in the terminal.")


@app.command("tui")
def tui() -> None:
    """Open the terminal UI: home, tenants, people, erasures, purges, promises, access, log.

    It fits 80x24 and 16 colours, needs no mouse, and draws on standard error. `?` shows the keys.

    Examples:
        luactl tui
        luactl --profile staging tui
    """
    done = terminal_ui(settings().profile)
    if done != Exit.DONE:
        raise typer.Exit(int(done))
