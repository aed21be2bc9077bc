"""The log as people ask it: who did what, to whom, when; and what happens right now (docs/design/log.md)."""

from __future__ import annotations

from .find import LONGEST, Found, Needle, find, said
from .follow import Position, follow, start, tail
from .line import Line
from .note import Note, add_note, list_notes, noted
from .pivot import Actor, Timeline, actor, timeline
from .query import Query, parse, part, parts
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
    later,
    place_of,
    search,
    told,
)
from .waker import Waker
from .when import parse_span, parse_time

__all__ = [
    "EVERYTHING",
    "LONGEST",
    "Actor",
    "Bin",
    "Count",
    "Found",
    "Gap",
    "Line",
    "Needle",
    "Note",
    "Page",
    "Position",
    "Query",
    "Saved",
    "Timeline",
    "Waker",
    "actor",
    "add_note",
    "around",
    "count",
    "find",
    "find_tenant",
    "follow",
    "forget",
    "gaps",
    "histogram",
    "later",
    "list_notes",
    "list_saved",
    "narrowed",
    "noted",
    "parse",
    "parse_span",
    "parse_time",
    "part",
    "parts",
    "place_of",
    "question",
    "reference_of",
    "said",
    "save",
    "saved",
    "search",
    "start",
    "tail",
    "timeline",
    "told",
]
