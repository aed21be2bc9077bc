"""The log as people ask it: who did what, to whom, when; and what happens right now (docs/design/log.md)."""

from __future__ import annotations

from .follow import Position, follow, start, tail
from .line import Line
from .pivot import Actor, Timeline, actor, timeline
from .query import Query, parse
from .question import EVERYTHING, find_tenant, narrowed, question, reference_of
from .saved import Saved, forget, list_saved, save, saved
from .search import (
    Bin,
    Count,
    Gap,
    Page,
    around,
    count,
    gaps,
    histogram,
    place_of,
    search,
    told,
)
from .when import parse_span, parse_time

__all__ = [
    "EVERYTHING",
    "Actor",
    "Bin",
    "Count",
    "Gap",
    "Line",
    "Page",
    "Position",
    "Query",
    "Saved",
    "Timeline",
    "actor",
    "around",
    "count",
    "find_tenant",
    "follow",
    "forget",
    "gaps",
    "histogram",
    "list_saved",
    "narrowed",
    "parse",
    "parse_span",
    "parse_time",
    "place_of",
    "question",
    "reference_of",
    "save",
    "saved",
    "search",
    "start",
    "tail",
    "timeline",
    "told",
]
