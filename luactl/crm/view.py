"""What lists return: the rows that were let through, and whether there are more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Listing:
    """Rows of a list, and whether there are more than the limit let through."""

    rows: tuple[Any, ...]
    more: bool
