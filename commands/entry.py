"""Where the program begins: reads the command line, but for the few that need no parser.

Loading the parser takes a tenth of the time until the terminal UI paints, which has nothing to parse.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from luactl.errors import Exit, UsageError

from .diagnostics import note
from .settings import Settings, begin
from .terminal import is_terminal


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def obey_signals() -> None:
    """Roll back as for Ctrl-C when asked to end or hung up on."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)


def terminal_ui(profile: str | None) -> Exit:
    """Run the terminal UI until somebody leaves it. Raises UsageError without a terminal."""
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise UsageError(
            "the terminal UI needs a terminal", hint="every screen has a command: `luactl --help`"
        )
    done: Exit = import_module("luactl.tui.start").start(profile, note)
    return done


def without_parser(args: Sequence[str]) -> Settings | None:
    """Return the settings of a plain `luactl tui`, with a profile or without; None for all else."""
    words = list(args)
    if words == ["tui"]:
        return Settings(command="tui")
    if len(words) == 3 and words[0] == "--profile" and words[2] == "tui" and not words[1].startswith("-"):
        return Settings(command="tui", profile=words[1]) if words[1] else None
    return None


def main() -> NoReturn:
    """Run the command line of this process."""
    obey_signals()
    args = sys.argv[1:]
    plain = without_parser(args)
    if plain is None:
        sys.exit(import_module(f"{__package__}.main").run(args))
    chosen = begin(plain)
    try:
        code = int(terminal_ui(chosen.profile))
    except (Exception, KeyboardInterrupt) as problem:
        code = import_module(f"{__package__}.main").ended_by(problem, args, chosen)
    sys.exit(code)
