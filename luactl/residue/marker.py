"""Markers: values that somebody deleted and wants to be gone. They stay in memory; nothing repeats them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from ..errors import UsageError

SHORTEST = 4
MOST = 10_000


@dataclass(frozen=True)
class Markers:
    """What is looked for, in every form in which the server may have written it."""

    count: int
    """How many values were given."""
    longest: int
    """Bytes of the longest form: what may straddle the border of two reads."""
    _pattern: re.Pattern[bytes] = field(repr=False)
    _meaning: dict[bytes, tuple[int, ...]] = field(repr=False)

    def within(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, form) of each place where one begins."""
        for match in self._pattern.finditer(data):
            yield match.start(), match[0]

    def numbers(self, form: bytes) -> tuple[int, ...]:
        """Return which of the given values a form means: it may hold shorter ones."""
        return self._meaning[form]


class Tally:
    """Counts what was found in one place."""

    def __init__(self, markers: Markers) -> None:
        self._markers = markers
        self._forms = Counter[bytes]()

    def add(self, form: bytes) -> None:
        """Count one hit."""
        self._forms[form] += 1

    def look(self, data: bytes) -> bool:
        """Count every hit in some bytes; True when there was one."""
        before = self.hits
        for _at, form in self._markers.within(data):
            self.add(form)
        return self.hits > before

    @property
    def hits(self) -> int:
        """How many hits."""
        return self._forms.total()

    @property
    def markers(self) -> int:
        """How many of the values."""
        return len({number for form in self._forms for number in self._markers.numbers(form)})


def text_markers(values: Iterable[str], encoding: str) -> Markers:
    """Return markers for texts: as written, and in lower case, since a text search index keeps them so.

    Raises UsageError for none, for one too short to mean anything, and for what the database cannot hold.
    """
    forms: dict[bytes, set[int]] = {}
    given = list(dict.fromkeys(value for value in values if value))
    for number, value in enumerate(given):
        if len(value) < SHORTEST:
            raise UsageError(f"marker {number + 1} is too short", hint=f"at least {SHORTEST} characters")
        for text in (value, value.lower()):
            try:
                forms.setdefault(text.encode(encoding), set()).add(number)
            except UnicodeEncodeError:
                raise UsageError(
                    f"marker {number + 1} cannot stand in this database, whose encoding is {encoding}"
                ) from None
    return _made(forms, len(given))


def subject_markers(subject_id: UUID) -> Markers:
    """Return the marker of a person: the id, as its type stores it and as texts write it."""
    return _made({subject_id.bytes: {0}, str(subject_id).encode(): {0}}, 1)


def _made(forms: dict[bytes, set[int]], count: int) -> Markers:
    if not 0 < count <= MOST:
        raise UsageError(f"between 1 and {MOST:,} markers are looked for at a time, not {count:,}")
    order = sorted(forms, key=len, reverse=True)
    meaning = {form: {n for other in order if other in form for n in forms[other]} for form in order}
    pattern = re.compile(_branch(list(forms)), re.DOTALL)
    return Markers(count, len(order[0]), pattern, {form: tuple(sorted(meaning[form])) for form in order})


def _branch(forms: list[bytes]) -> bytes:
    """Return a pattern for the longest of these at a place; what begins alike is looked at once.

    An alternation of all of them would try each at every byte: ten times slower for a few hundred.
    """
    heads: dict[int, list[bytes]] = {}
    for form in forms:
        if form:
            heads.setdefault(form[0], []).append(form)
    branches = []
    for same in heads.values():
        shared = _shared(same)
        branches.append(re.escape(shared) + _branch([form[len(shared) :] for form in same]))
    if not branches:
        return b""
    pattern = branches[0] if len(branches) == 1 and b"" not in forms else b"(?:" + b"|".join(branches) + b")"
    return pattern + b"?" if b"" in forms else pattern


def _shared(forms: list[bytes]) -> bytes:
    """Return what all of these begin with."""
    first, last = min(forms), max(forms)
    at = 0
    while at < min(len(first), len(last)) and first[at] == last[at]:
        at += 1
    return first[:at]
