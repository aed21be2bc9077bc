"""Writes the command reference (docs/reference/commands.md) from the program: `make docs`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .app import GENERAL_HELP, VERSION_HELP
from .main import NOUNS, program
from .settings import FORMATS

INTRODUCTION = f"""\
# Commands

Written from the program by `make docs`; `luactl NOUN VERB --help` shows the same.

    luactl [GENERAL OPTIONS] NOUN VERB [ARGUMENTS] [OPTIONS] [GENERAL OPTIONS]

Results go to standard output (as {", ".join(FORMATS[:-1])} or {FORMATS[-1]}), everything else to standard
error. Exit codes: 0 done · 1 failed · 2 usage · 3 no connection · 4 busy or timed out · 5 refused ·
6 findings · 130 interrupted · 141 the reader of standard output left.
"""


def _table(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield ""
        yield f"| {title} | |"
        yield "|---|---|"
        for name, text in rows:
            yield f"| `{name}` | {text}".replace("VALUE|-", r"VALUE\|-").rstrip() + " |"


def _rows(command: Any, ctx: Any, kind: str) -> list[tuple[str, str]]:
    records = (param.get_help_record(ctx) for param in command.params if param.param_type_name == kind)
    return [record for record in records if record is not None]


def _verb(path: list[str], command: Any, ctx: Any) -> Iterator[str]:
    yield ""
    yield f"### {' '.join(path)}"
    yield ""
    yield f"    {' '.join(['luactl', *path, *command.collect_usage_pieces(ctx)])}"
    yield ""
    yield " ".join((command.help or "").split())
    if command.examples:
        yield ""
        yield from (f"    {line}" for line in command.examples)
    yield from _table("Argument", _rows(command, ctx, "argument"))
    yield from _table("Option", _rows(command, ctx, "option"))


def _walk(path: list[str], command: Any, parent: Any) -> Iterator[str]:
    ctx = command.context_class(command, info_name=path[-1], parent=parent)
    if not hasattr(command, "commands"):
        yield from _verb(path, command, ctx)
        return
    for name, below in command.commands.items():
        if below.hidden:
            continue
        yield from _walk([*path, name], below, ctx)


def reference() -> str:
    """Return the whole reference as Markdown, the same on every machine."""
    root = program()
    ctx = root.context_class(root, info_name="luactl")
    lines = [INTRODUCTION.rstrip(), *_table("General option", [*GENERAL_HELP, VERSION_HELP])]
    for noun, text in NOUNS.items():
        lines += ["", f"## {noun}", "", text]
        lines += _walk([noun], root.get_command(ctx, noun), ctx)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    from .output import write

    write(reference())
