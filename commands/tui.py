"""`luactl tui`: the terminal UI. Only starts it."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

from luactl.errors import Exit, UsageError

from .app import lone
from .context import settings
from .diagnostics import note
from .terminal import is_terminal

app = lone("A tool to live in: tenants, people, erasures, retention, access and log in the terminal.")


@app.command("tui")
def tui() -> None:
    """Open the terminal UI: home, tenants, people, erasures, retention, access, log.

    It fits 80x24 and 16 colours, needs no mouse, and draws on standard error. `?` shows the keys.

    Examples:
        luactl tui
        luactl --profile staging tui
    """
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise UsageError(
            "the terminal UI needs a terminal", hint="every screen has a command: `luactl --help`"
        )
    done: Exit = import_module("luactl.tui.start").start(settings().profile, note)
    if done != Exit.DONE:
        raise typer.Exit(int(done))
