"""JSON Lines: one object of texts a line, whose keys are taken as the columns of a table are.

A bad line is reported and the rest goes on. Empty texts and nulls are no values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import UsageError
from .header import Columns, fold, match
from .rows import LONGEST_RECORD, NUL
from .source import Source, TableError

Names = tuple[tuple[str, str], ...]
FIRST = 1 << 12
ARRAY = re.compile(r"\s*\[\s*[\[{]")
KEPT_KEYS = 100


class _BadLineError(Exception):
    """One line cannot be read; the reason is the message."""


def is_objects(source: Source) -> bool:
    """Tell whether a source holds objects and not a table. Raises TableError for one array of objects."""
    with source.text() as text:
        head = text.read(FIRST)
    if ARRAY.match(head):
        raise TableError(f"{source.name} is one JSON array", hint="write one object a line (JSON Lines)")
    return head.lstrip().startswith("{")


class Objects:
    """A source of JSON Lines; `unused` are keys that no field took, known once all was read."""

    def __init__(self, source: Source, names: Names, chosen: Mapping[str, str]) -> None:
        """Take `names` as `header.match` does; `chosen` maps fields to keys and goes before any guess."""
        self.source = source
        self.unused: dict[str, None] = {}
        self._names, self._chosen = names, chosen
        self._known: dict[tuple[str, ...], Columns] = {}

    def records(self, reject: Callable[[int, str], None]) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield (line number, fields) of each good line; `reject` is told number and reason of the others."""
        with self.source.text() as text:
            for number, line in enumerate(text, 1):
                if not line.strip():
                    continue
                try:
                    yield number, self._fields(_pairs(line))
                except _BadLineError as problem:
                    reject(number, str(problem))

    def _fields(self, pairs: list[tuple[str, Any]]) -> dict[str, str]:
        columns = self._columns(tuple(key for key, _value in pairs))
        found = {}
        for field, position in columns.positions.items():
            value = pairs[position][1]
            if value is None:
                continue
            if not isinstance(value, str):
                raise _BadLineError(f"{field} is no text")
            if text := value.strip():
                found[field] = text
        return found

    def _columns(self, keys: tuple[str, ...]) -> Columns:
        if keys not in self._known:
            if len(set(keys)) < len(keys):
                raise _BadLineError("a key stands in it twice")
            there = {fold(key) for key in keys}
            chosen = {field: key if fold(key) in there else "" for field, key in self._chosen.items()}
            try:
                columns = match(keys, self._names, chosen, self.source.name)
            except UsageError:
                raise _BadLineError("none of its keys is recognised") from None
            if len(self._known) >= KEPT_KEYS:
                self._known.clear()
            self._known[keys] = columns
            self.unused.update(dict.fromkeys(columns.unused[: KEPT_KEYS - len(self.unused)]))
        return self._known[keys]


def _pairs(line: str) -> list[tuple[str, Any]]:
    if "\0" in line:
        raise _BadLineError(NUL)
    if len(line) > LONGEST_RECORD:
        raise _BadLineError(f"it is longer than {LONGEST_RECORD:,} characters")
    if not line.lstrip().startswith("{"):
        raise _BadLineError("it is no JSON object")
    try:
        pairs: list[tuple[str, Any]] = json.loads(line, object_pairs_hook=list)
    except (ValueError, RecursionError):
        raise _BadLineError("it is no JSON object") from None
    return pairs
