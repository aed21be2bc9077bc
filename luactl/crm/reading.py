"""From a table to the fields of its records, with what cannot be read counted as rejected."""

from __future__ import annotations

from collections.abc import Iterator

from ..table import Columns, Table, picker
from .report import Tally


def fields_of(table: Table, columns: Columns, tally: Tally) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, fields) of each readable record; the others are counted as rejected."""
    pick = picker(columns)
    for line, values in table.records(tally.reject):
        yield line, pick(values)


def new_tally(table: Table, columns: Columns) -> Tally:
    """Return empty counts for a table."""
    return Tally(table.name, table.encoding, table.delimiter, columns.unused)
