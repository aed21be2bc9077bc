"""From a file to its records: opening the table, matching its columns, picking the fields.

Owns what all readers of tables have in common. It does not know what a good record is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from .header import Columns, is_known, known_field, match, require
from .objects import Names, Objects, is_objects
from .rows import Table
from .source import Source, open_source

Origin = Path | BinaryIO
Progress = Callable[[int], None]
Row = TypeVar("Row")


def nothing(_count: int) -> None:
    """Show no progress."""


@contextmanager
def open_table(
    origin: Origin, names: Names, chosen: Mapping[str, str], required: Sequence[str] = ()
) -> Iterator[tuple[Table, Columns]]:
    """Open a table and match its columns.

    Raises UsageError for a file, field or column that is not there, TableError for what is no table.
    """
    with open_source(origin) as source:
        yield _matched(source, names, chosen, required)


def _matched(
    source: Source, names: Names, chosen: Mapping[str, str], required: Sequence[str]
) -> tuple[Table, Columns]:
    table = Table(source, lambda name: is_known(name, names))
    columns = match(table.header, names, chosen, table.name)
    require(columns, required, table.header, table.name)
    return table, columns


class Records:
    """What a file holds, whether as CSV or as JSON Lines: numbered records of fields."""

    def __init__(
        self, source: Source, names: Names, chosen: Mapping[str, str], required: Sequence[str]
    ) -> None:
        """Raises UsageError for a field or column that is not there, TableError for what is no table."""
        for field in chosen:
            known_field(field, names)
        self.name = source.name
        self._objects = Objects(source, names, chosen) if is_objects(source) else None
        self.form = "csv" if self._objects is None else "jsonl"
        if self._objects is None:
            self._table, self._columns = _matched(source, names, chosen, required)

    @property
    def unused(self) -> tuple[str, ...]:
        """Columns or keys that no field takes; those of JSON Lines are known once all was read."""
        return self._columns.unused if self._objects is None else tuple(self._objects.unused)

    def read(self, reject: Callable[[int, str], None]) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield (line number, fields) of each readable record; `reject` is told of the others."""
        if self._objects is not None:
            yield from self._objects.records(reject)
            return
        pick = picker(self._columns)
        for line, values in self._table.records(reject):
            yield line, pick(values)


@contextmanager
def open_records(
    origin: Origin, names: Names, chosen: Mapping[str, str], required: Sequence[str] = ()
) -> Iterator[Records]:
    """Open a CSV table or JSON Lines, whichever it is. Raises what `open_table` raises."""
    with open_source(origin) as source:
        yield Records(source, names, chosen, required)


def picker(columns: Columns) -> Callable[[list[str]], dict[str, str]]:
    """Return a function from a record's values to its fields, sorted by name; empty ones are left out."""
    pairs = sorted(columns.positions.items())

    def pick(values: list[str]) -> dict[str, str]:
        return {field: value for field, position in pairs if (value := values[position])}

    return pick


def batched(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Yield lists of up to `size` rows."""
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
