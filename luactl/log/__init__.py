"""The log as people ask it: who did what, to whom, when; and what happens right now (docs/design/log.md)."""

from __future__ import annotations

from .follow import Position, follow, start, tail
from .line import Line
from .search import Filter, Page, find_tenant, reference_of, search
from .when import parse_time

__all__ = [
    "Filter",
    "Line",
    "Page",
    "Position",
    "find_tenant",
    "follow",
    "parse_time",
    "reference_of",
    "search",
    "start",
    "tail",
]
