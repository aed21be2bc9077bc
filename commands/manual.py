"""Writes the manual pages from the program, one a noun and one for all: `make man`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .app import GENERAL_HELP, VERSION_HELP
from .main import ABOUT, NOUNS, program

EXIT_CODES = (
    ("0", "done"),
    ("1", "failed"),
    ("2", "usage"),
    ("3", "no connection"),
    ("4", "busy or timed out"),
    ("5", "refused: a rule, a hold, a missing right or key"),
    ("6", "findings: a check found something wrong"),
    ("130", "interrupted"),
)


def escape(text: str) -> str:
    """Return text in which nothing steers troff."""
    told = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{told}" if told.startswith((".", "'")) else told


def _heading(name: str, about: str) -> Iterator[str]:
    from importlib.metadata import version

    yield f'.TH "{name.upper()}" "1" "" "luactl {version("luactl")}" "luactl manual"'
    yield ".SH NAME"
    yield f"{escape(name)} \\- {escape(about.rstrip('.'))}"


def _terms(rows: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> Iterator[str]:
    for term, text in rows:
        yield ".TP"
        yield f"\\fB{escape(term)}\\fR"
        yield escape(text) or "\\&"


def _verbs(path: list[str], command: Any, parent: Any) -> Iterator[str]:
    ctx = command.context_class(command, info_name=path[-1], parent=parent)
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            if not below.hidden:
                yield from _verbs([*path, name], below, ctx)
        return
    yield f".SS {escape(' '.join(['luactl', *path, *command.collect_usage_pieces(ctx)]))}"
    yield escape(command.help or "")
    for line in command.examples:
        yield from (".PP", ".nf", ".RS", escape(line), ".RE", ".fi")
    records = (param.get_help_record(ctx) for param in command.params)
    yield from _terms([record for record in records if record is not None])


def pages() -> dict[str, str]:
    """Return every page by file name, the same on every machine."""
    root = program()
    ctx = root.context_class(root, info_name="luactl")
    general = [*_terms(list(GENERAL_HELP))]
    made = {
        "luactl.1": [
            *_heading("luactl", ABOUT),
            ".SH SYNOPSIS", "\\fBluactl\\fR [OPTIONS] NOUN VERB [ARGUMENTS] [OPTIONS]",
            ".SH COMMANDS", *_terms([(f"luactl-{noun}(1)", text) for noun, text in NOUNS.items()]),
            ".SH OPTIONS", *general, *_terms([VERSION_HELP]),
            ".SH EXIT STATUS", *_terms(list(EXIT_CODES)),
        ]
    }  # fmt: skip
    for noun, text in NOUNS.items():
        verbs = _verbs([noun], root.get_command(ctx, noun), ctx)
        made[f"luactl-{noun}.1"] = [
            *_heading(f"luactl-{noun}", text),
            ".SH COMMANDS", *verbs, ".SH GENERAL OPTIONS", *general, ".SH SEE ALSO", "\\fBluactl\\fR(1)",
        ]  # fmt: skip
    return {name: "\n".join(lines) + "\n" for name, lines in made.items()}


def write(folder: Path) -> None:
    """Write all pages into a folder. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
