"""Turns results into text: plain values, tables, tab-separated lines, CSV, JSON lines. It writes nothing."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from .terminal import neutral, neutral_json

Columns = Sequence[tuple[str, str]]
# What a spreadsheet would run when it opens the file. Signed amounts and phone numbers are none.
_FORMULA = re.compile(r"\s*(?:[=@]|[+-](?![\d\s().,/-]*$))")


def _enum(value: Enum) -> str:
    return value.value if isinstance(value.value, str) else value.name.lower().replace("_", "-")


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("a time without a zone cannot be shown")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _duration(value: timedelta) -> str:
    return f"PT{value.total_seconds():g}S"


def plain(value: Any) -> Any:
    """Return `value` in terms of JSON: dataclasses as objects, times in RFC 3339 and UTC, bytes as hex.

    UUIDs, dates, decimals and paths become strings, durations ISO 8601, enums their (lower-case) name.
    """
    if value is None or (isinstance(value, (str, bool, float)) and not isinstance(value, Enum)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    for kind, convert in _CONVERT:
        if isinstance(value, kind):
            return convert(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    raise TypeError(f"cannot show a {type(value).__name__}")


_CONVERT: tuple[tuple[Any, Any], ...] = (
    (Enum, _enum),
    (int, int),
    (datetime, _instant),
    (date, date.isoformat),
    (timedelta, _duration),
    ((UUID, Decimal, PurePath), str),
    ((bytes, bytearray, memoryview), lambda value: bytes(value).hex()),
)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def cell(value: Any) -> str:
    """Return one value as text: empty for null, yes or no, compact JSON for what is nested."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, (str, int)) for item in value):
        return ", ".join(str(item) for item in value)
    return _compact(value) if isinstance(value, (list, dict)) else str(value)


def _pick(row: Any, path: str) -> Any:
    for name in path.split("."):
        row = row.get(name) if isinstance(row, dict) else None
    return row


def _columns(rows: Sequence[Any], columns: Columns | None) -> Columns:
    if columns is not None:
        return columns
    names = list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))
    return [(name, name.replace("_", " ").upper()) for name in names]


def _cells(row: Any, columns: Columns) -> list[str]:
    if not isinstance(row, dict):
        return [neutral(cell(row))]
    return [neutral(cell(_pick(row, path))) for path, _title in columns]


def _grid(rows: Sequence[Sequence[str]], titles: Sequence[str] = ()) -> str:
    from tabulate import tabulate

    return tabulate(rows, headers=titles, tablefmt="plain", disable_numparse=True, preserve_whitespace=True)


def _list_table(rows: Sequence[Any], columns: Columns | None, *, terminal: bool) -> str:
    chosen = _columns(rows, columns)
    titles = [title for _path, title in chosen]
    cells = [_cells(row, chosen) for row in rows]
    if not terminal:
        return "".join("\t".join(line) + "\n" for line in ([titles, *cells] if titles else cells))
    return _grid(cells, titles) + "\n" if cells else ""


def _paths(value: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted paths of an object's fields, those of objects inside it included."""
    for name, item in value.items():
        if isinstance(item, dict) and item:
            yield from _paths(item, f"{prefix}{name}.")
        else:
            yield prefix + name


def _object_table(value: dict[str, Any], columns: Columns | None, *, terminal: bool) -> str:
    chosen = columns or [(path, path.replace("_", " ").replace(".", " ")) for path in _paths(value)]
    chosen = [(path, title.lower()) for path, title in chosen]
    nested = {
        path: _pick(value, path)
        for path, _title in chosen
        if terminal and isinstance(found := _pick(value, path), list) and found and isinstance(found[0], dict)
    }
    rows = [(title, neutral(cell(_pick(value, path)))) for path, title in chosen if path not in nested]
    if not terminal:
        return "".join(f"{title}\t{text}\n" for title, text in rows)
    parts = [_grid(rows)] if rows else []
    titles = dict(chosen)
    parts += [f"{titles[path]}:\n{_grid_of(items)}" for path, items in nested.items()]
    return "\n\n".join(parts) + "\n"


def _grid_of(items: list[dict[str, Any]]) -> str:
    return _list_table(items, None, terminal=True).rstrip("\n")


def as_table(value: Any, columns: Columns | None, *, terminal: bool) -> str:
    """Return a table: aligned for a terminal, tab-separated and whole for everything else."""
    if isinstance(value, dict):
        return _object_table(value, columns, terminal=terminal)
    rows = value if isinstance(value, list) else [value]
    return _list_table(rows, columns, terminal=terminal)


def row_line(value: Any, columns: Columns | None) -> str:
    """Return one tab-separated line."""
    return "\t".join(_cells(value, _columns([value], columns))) + "\n"


def as_csv(value: Any) -> str:
    """Return CSV with a header of field names and every field; nested values as compact JSON.

    A text that a spreadsheet would run as a formula gets an apostrophe in front, as spreadsheets write it.
    """
    rows = value if isinstance(value, list) else [value]
    chosen = _columns(rows, None)
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow([name for name, _title in chosen] or ["value"])
    for row in rows:
        values = [row.get(name) for name, _title in chosen] if isinstance(row, dict) else [row]
        writer.writerow(["" if item is None else _csv_cell(item) for item in values])
    return made.getvalue()


def _csv_cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return _compact(value)
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def as_lines(value: Any) -> str:
    """Return one JSON document a line: each item of a list, or the one object."""
    rows = value if isinstance(value, list) else [value]
    return "".join(neutral_json(_compact(row)) + "\n" for row in rows)
