"""Pieces of Markdown for certificates: values that cannot leave their place, and tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence

CLOSING = "`luactl verify FOLDER --key VKEY` checks this folder offline; take the log's key from elsewhere."
"""The last line of a certificate."""


def cell(value: object) -> str:
    """Return a value as text that cannot leave its table cell or become markup."""
    text = str(value).replace("\\", "\\\\")
    return "".join(f"\\{c}" if c in "|<>[]`*_#" else c for c in text)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table and an empty one; every value is made a `cell`."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(cell(value) for value in row)} |" for row in rows]
    return [*lines, ""]
