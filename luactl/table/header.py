"""Which column of a table is which field: guessed from its name, or told with field=Header.

Owns the matching; the names themselves are data in `names`. Contents of cells are never shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from ..errors import UsageError

LOOKS_LIKE_DATA = re.compile(r"@|^\+?\d|^$")
FOLD = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "đ": "d", "ł": "l"})


@dataclass(frozen=True)
class Columns:
    """Field names with the positions of their columns, and the names of columns that no field takes."""

    positions: Mapping[str, int]
    unused: tuple[str, ...]


def fold(name: str) -> str:
    """Return a column name without case, accents and anything but letters and digits.

    >>> fold("E-Mail-Adresse")
    'emailadresse'
    """
    plain = unicodedata.normalize("NFKD", name.casefold().translate(FOLD))
    return "".join(c for c in plain if c.isalnum())


@cache
def _vocabulary(names: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {fold(name): field for field, line in names for name in (field, *line.split(","))}


def is_known(name: str, names: tuple[tuple[str, str], ...]) -> bool:
    """Tell whether a column of this name would be taken for one of the fields."""
    return fold(name) in _vocabulary(names)


def match(
    header: Sequence[str], names: tuple[tuple[str, str], ...], chosen: Mapping[str, str], table: str
) -> Columns:
    """Find the column of each field; `chosen` maps fields to column names and goes before any guess.

    An empty name in `chosen` leaves the field out. Of several columns with one meaning the first counts.
    Raises UsageError for a field or column that does not exist, and when nothing at all is recognised.
    """
    positions = _chosen(header, names, chosen, table)
    taken = set(positions.values())
    vocabulary = _vocabulary(names)
    for position, name in enumerate(header):
        field = vocabulary.get(fold(name))
        if field and position not in taken and field not in positions and field not in chosen:
            positions[field] = position
            taken.add(position)
    if not positions:
        raise UsageError(
            f"{table}: no column is recognised{_what_is_there(header)}",
            hint=f"the first line names the columns; say `--column field=Header`; fields: {_fields(names)}",
        )
    unused = tuple(name for position, name in enumerate(header) if position not in taken)
    return Columns(positions, unused)


def require(columns: Columns, fields: Sequence[str], header: Sequence[str], table: str) -> None:
    """Refuse a table that lacks a column which nothing can stand in for."""
    for field in fields:
        if field not in columns.positions:
            raise UsageError(
                f"{table}: no column is recognised as {field}{_what_is_there(header)}",
                hint=f"say `--column {field}=Header`",
            )


def known_field(field: str, names: tuple[tuple[str, str], ...]) -> None:
    """Raise UsageError unless there is a field of this name."""
    if field not in {known for known, _ in names}:
        raise UsageError(f"there is no field {field!r}", hint=f"fields: {_fields(names)}")


def parse_choices(texts: Sequence[str]) -> dict[str, str]:
    """Read `field=Header` texts. Raises UsageError for one without `=` and for a field named twice."""
    choices: dict[str, str] = {}
    for text in texts:
        field, separator, name = text.partition("=")
        field = field.strip().replace("-", "_")
        if not separator or not field:
            raise UsageError(
                f"--column {text!r} is not of the form field=Header", hint="for example email=E-Mail"
            )
        if field in choices:
            raise UsageError(f"--column names {field} twice", hint="one column for each field")
        choices[field] = name.strip()
    return choices


def _chosen(
    header: Sequence[str], names: tuple[tuple[str, str], ...], chosen: Mapping[str, str], table: str
) -> dict[str, int]:
    positions: dict[str, int] = {}
    for field, wanted in chosen.items():
        known_field(field, names)
        if not wanted:
            continue
        found = [i for i, name in enumerate(header) if name == wanted]
        found = found or [i for i, name in enumerate(header) if fold(name) == fold(wanted)]
        if not found:
            raise UsageError(
                f"{table} has no column {wanted!r}{_what_is_there(header)}", hint="check its first line"
            )
        if found[0] in positions.values():
            raise UsageError(f"--column uses {wanted!r} twice", hint="one column for each field")
        positions[field] = found[0]
    return positions


def _what_is_there(header: Sequence[str]) -> str:
    """List the column names, unless the first line looks like a person's data."""
    cells = [name for name in header if name]
    if not cells or any(LOOKS_LIKE_DATA.search(name) or len(name) > 60 for name in cells):
        return " (its first line looks like data, not like column names)"
    return f"; there are: {', '.join(cells)}"


def _fields(names: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(field for field, _ in names)
