"""The only writer of standard error, and the owner of the exit codes.

Notes, progress, questions and errors. Nothing here is data: a run whose standard error is thrown
away has lost nothing that a program needs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from luactl.errors import Exit, LuactlError, UsageError

from .settings import is_quiet, settings
from .terminal import is_terminal, neutral

REDRAW_SECONDS = 0.1


def _say(text: str) -> None:
    if sys.stderr is None:  # closed by whoever started us
        return
    sys.stderr.write(text)
    sys.stderr.flush()


def note(text: str) -> None:
    """Tell something worth knowing that is neither result nor error; silent with `--quiet`."""
    if not is_quiet():
        _say(f"{_mark()}{neutral(text, lines=True)}\n")


def _mark() -> str:
    """Return what stands before every note and question while somebody works on production."""
    return "[PRODUCTION] " if settings().production and is_terminal(sys.stderr) else ""


def usage_help(text: str) -> None:
    """Show the help that somebody needs who gave no verb."""
    _say(f"{text}\n")


def error(what: str, hint: str | None = None) -> None:
    """Tell what went wrong and what to do next."""
    _say(f"error: {neutral(what, lines=True)}\n")
    if hint:
        _say(f"hint: {neutral(hint, lines=True)}\n")


def traceback(problem: BaseException) -> None:
    """Show where it went wrong, if `--debug` asks for it."""
    if settings().debug:
        import traceback as python_traceback

        _say(neutral("".join(python_traceback.format_exception(problem)), lines=True))


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Yield a function which adds to the count shown; shows it only on a terminal.

    `total` is the number of items to come, None when nobody knows.
    """
    if is_quiet() or not is_terminal(sys.stderr):
        yield lambda _n: None
        return
    done, drawn = 0, 0.0

    def advance(number: int = 1) -> None:
        nonlocal done, drawn
        done += number
        now = time.monotonic()
        if now - drawn >= REDRAW_SECONDS:
            drawn = now
            of = f" of {total:,}" if total is not None else ""
            _say(f"\r{neutral(label)}: {done:,}{of}\x1b[K")

    try:
        yield advance
    finally:
        _say("\r\x1b[K")


def ask(question: str) -> str:
    """Ask on the terminal and return the answer's line; EOF counts as an empty answer."""
    _say(f"{_mark()}{neutral(question)} ")
    return sys.stdin.readline().rstrip("\n")


def ask_hidden(question: str) -> str:
    """Ask on the terminal for what must not be seen, and return the answer's line."""
    import termios

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    silent = [*before]
    silent[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
        return ask(question)
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        _say("\n")


def is_interactive() -> bool:
    """Tell whether somebody sits there who can answer."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def confirm(question: str, *, yes: bool, retype: str | None = None, name: str | None = None) -> None:
    """Return when the change is wanted: `--yes`, or the right answer on a terminal.

    With `retype` the answer must be that very word. `name` is what the change is about: on production it
    must be retyped on a terminal, and there `--yes` does not answer for whoever sits before it; a job without
    a terminal needs `--yes` and no more. Raises UsageError without a terminal: consent is never assumed.
    Raises LuactlError when the answer is no.
    """
    if settings().production:
        retype = retype or name
    if yes and not (settings().production and retype and is_interactive()):
        return
    if not is_interactive():
        raise UsageError(
            "--yes required when not running interactively",
            hint="look at what --dry-run prints, then repeat with --yes",
        )
    wanted = {retype} if retype else {"y", "yes"}
    answer = ask(f"{question} Type {retype} to go on:" if retype else f"{question} [y/N]")
    if (answer.strip() if retype else answer.strip().lower()) not in wanted:
        raise LuactlError("not confirmed: nothing was changed")


def interrupted() -> Exit:
    """Tell that the run was stopped, and return its exit code."""
    _say("\ninterrupted: what was not committed was rolled back\n")
    return Exit.INTERRUPTED
