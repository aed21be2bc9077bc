"""The only writer of standard output: every result leaves the program here, in one of four formats.

Owns the JSON envelope, tables, CSV and JSON lines (docs/reference/output.md). It knows no noun.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from luactl.errors import Exit, LuactlError, UsageError

from .diagnostics import note
from .render import Columns, as_csv, as_lines, as_table, plain, row_line
from .settings import settings
from .terminal import is_terminal, neutral, neutral_json

ENVELOPE_VERSION = 1


def write(text: str) -> None:
    """Write text as UTF-8 and flush. Raises BrokenPipeError when nobody reads any more, else LuactlError."""
    if sys.stdout is None:
        raise LuactlError("standard output is closed", hint="give the result somewhere to go")
    stream = sys.stdout.buffer
    try:
        stream.write(text.encode("utf-8", "backslashreplace"))
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard()
        raise LuactlError(
            f"cannot write to standard output: {error.strerror}",
            hint="make room, or give the result another place; what was changed stays changed",
        ) from error


def discard() -> None:
    """Let what still lies in the buffer go nowhere: the interpreter would fail on it again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def status_of(outcome: Exit) -> str:
    """Return the envelope's word for an exit code."""
    words = {Exit.DONE: "ok", Exit.FAILED: "error"}
    return words.get(outcome) or outcome.name.lower().replace("_", "-")


def _envelope(outcome: Exit, data: Any, notes: Sequence[str], error: dict[str, Any] | None) -> str:
    document = {
        "luactl": ENVELOPE_VERSION,
        "command": settings().command,
        "status": status_of(outcome),
        "data": data,
        "notes": list(notes),
        "error": error,
    }
    return neutral_json(json.dumps(document, ensure_ascii=False, allow_nan=False)) + "\n"


def show(
    data: Any, columns: Columns | None = None, notes: Sequence[str] = (), *, outcome: Exit = Exit.DONE
) -> None:
    """Print a result: a dataclass or mapping is an object, any other iterable of them a list.

    `columns` are (field, TITLE) pairs of the table, fields dotted if nested; other formats always carry
    every field. `notes` go to standard error, and into the envelope. Any `outcome` but DONE then ends
    the command with that exit code (a check with findings), by raising typer.Exit.
    """
    value = plain(data)
    chosen = settings()
    if chosen.output == "json":
        text = _envelope(outcome, value, notes, None)
    elif chosen.output == "jsonl":
        text = as_lines(value)
    elif chosen.output == "csv":
        text = as_csv(value)
        text = neutral(text, lines=True) if is_terminal(sys.stdout) else text
    else:
        text = as_table(value, columns, terminal=is_terminal(sys.stdout))
    chosen.shown = True
    write(text)
    for line in notes:
        note(line)
    if outcome != Exit.DONE:
        raise typer.Exit(int(outcome))


def show_text(field: str, text: str) -> None:
    """Print text to be used as it is (a URL, SQL, a script); in JSON it is the one field of `data`."""
    if settings().output == "table":
        settings().shown = True
        write(text if text.endswith("\n") else f"{text}\n")
    else:
        show({field: text})


def show_plan(
    plan: Any, columns: Columns | None = None, notes: Sequence[str] = (), *, outcome: Exit = Exit.DONE
) -> None:
    """Print what a run would do, and say that nothing was done; any `outcome` but DONE ends the command."""
    show(plan, columns, [*notes, "dry run: nothing was changed"], outcome=outcome)


def stream(rows: Iterable[Any], columns: Columns | None = None) -> None:
    """Print rows one by one as they come (`log tail -f`), as table lines or JSON lines.

    Raises UsageError for formats which need the whole.
    """
    chosen = settings()
    if chosen.output not in ("table", "jsonl"):
        raise UsageError(f"-o {chosen.output} needs the whole result", hint="use -o jsonl to follow")
    chosen.shown = True
    for row in rows:
        value = plain(row)
        write(as_lines([value]) if chosen.output == "jsonl" else row_line(value, columns))


def show_error(problem: LuactlError) -> None:
    """Print the envelope of a failed command, if it is JSON that somebody waits for."""
    chosen = settings()
    if chosen.output != "json" or chosen.shown:
        return
    chosen.shown = True
    error = {"what": problem.what, "hint": problem.hint, "code": int(problem.exit)}
    write(_envelope(problem.exit, None, (), error))
