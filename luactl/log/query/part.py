"""A query cut into the parts that stand side by side in it, as a person adds and takes them one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from .parse import read
from .tree import Field, Value

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def parts(text: str) -> tuple[str, ...]:
    """Return the parts of a query, all of which must hold; joined by blanks they are the same query.

    Alternatives (`a OR b`) are one part, in parentheses. Raises UsageError for what is no query.
    """
    reader, _ = read(text, _ANY_TIME)
    if reader.has_alternatives:
        return (f"({text.strip()})",)
    begins = [token.at for token in reader.begins if not token.glued]
    return tuple(text[at:end].strip() for at, end in pairwise([*begins, len(text)]))


def part(name: str, value: str) -> str:
    """Return the part that demands of a field exactly this value."""
    return str(Field(name, (Value((value,)),)))
