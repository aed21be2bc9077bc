"""From a file to its records: opening the table, matching its columns, picking the fields.

Owns what all readers of tables have in common. It does not know what a good record is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from .header import Columns, is_known, match, require
from .rows import Table
from .source import open_source

Names = tuple[tuple[str, str], ...]
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
        table = Table(source, lambda name: is_known(name, names))
        columns = match(table.header, names, chosen, table.name)
        require(columns, required, table.header, table.name)
        yield table, columns


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
