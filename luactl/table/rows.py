"""CSV as people have it, read line by line: a bad line is reported and the rest goes on.

Owns delimiters, quotes, limits and the artefacts that spreadsheets leave. It does not know what
the columns mean (`header`) nor what becomes of the rows.

Limits: a record has at most 131,072 characters (what the csv module allows a field) and 1,000 lines.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from unicodedata import combining

from .source import Source, TableError

DELIMITERS = ",;\t|"
SAMPLE_CHARACTERS = 1 << 16
SAMPLE_RECORDS = 100
LONGEST_RECORD = 131_072
LINES_PER_RECORD = 1_000

UNBALANCED = "a quote is never closed, or stands unescaped inside a quoted field"
TOO_LONG = f"it is longer than {LONGEST_RECORD:,} characters, or a quote is never closed"
TOO_MANY_LINES = (
    f"a quoted field goes on for more than {LINES_PER_RECORD:,} lines: probably a quote is never closed"
)
NUL = "it contains a NUL byte"
LONGEST_PILE = 1_000
PILE = f"it piles more than {LONGEST_PILE:,} accents on one letter"

SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*$', re.IGNORECASE)
FORMULA_TEXT = re.compile(r'="(.*)"$', re.DOTALL)
APOSTROPHE = re.compile(r"'(?=[=+\-@\d'])")


class _BadLineError(Exception):
    """One record cannot be read; the reason is the message."""


class _Lines:
    """Physical lines with their numbers, which can be pushed back when a record turns out bad."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.number += 1
        self.taken.append(line)
        if "\0" in line:
            raise _BadLineError(NUL)
        if len(line) > LONGEST_PILE and not line.isascii() and _is_pile(line):
            raise _BadLineError(PILE)
        if len(line) > LONGEST_RECORD or (len(self.taken) > 1 and sum(map(len, self.taken)) > LONGEST_RECORD):
            raise _BadLineError(TOO_LONG)
        if len(self.taken) > LINES_PER_RECORD:
            raise _BadLineError(TOO_MANY_LINES)
        return line

    def back_to_second(self) -> None:
        """Give back all lines of the present record but its first."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1


class Table:
    """A source with its delimiter and header; `records` reads what follows the header.

    `sample` holds the first data records, for guesses about the columns' contents.
    """

    def __init__(self, source: Source, known: Callable[[str], bool]) -> None:
        """Read the header; `known` says whether a column name means something, which helps to guess."""
        self.name = source.name
        self.encoding = source.encoding
        self.source = source
        sample = _sample(source)
        stated = SEPARATOR_LINE.match(sample[0].rstrip("\r\n")) if sample else None
        self._skip = 1 if stated else 0
        self.delimiter = stated[1] if stated else guess_delimiter(sample, known)
        header, self.sample = self._begin(sample)
        self.header = tuple(_clean(cell.strip()) for cell in header)

    def _begin(self, lines: list[str]) -> tuple[list[str], list[list[str]]]:
        rows = [
            row for row in _lenient(lines[self._skip :], self.delimiter) if any(cell.strip() for cell in row)
        ]
        if not rows:
            raise TableError(f"{self.name} is empty", hint="a table starts with a line of column names")
        return rows[0], [[_clean(cell.strip()) for cell in row] for row in rows[1:]]

    def records(self, reject: Callable[[int, str], None]) -> Iterator[tuple[int, list[str]]]:
        """Yield (line number, stripped values as many as the header has) of each good record.

        `reject` is told the line number and the reason of each bad one. Lines without any value are skipped.
        """
        width = len(self.header)
        header_is_next = True
        for line, row, odd in self._raw(reject):
            values = [value.strip() for value in row]
            if not any(values):
                continue
            if header_is_next:
                header_is_next = False
                if tuple(map(_clean, values)) != self.header:
                    raise TableError(
                        f"{self.name}: the line of column names cannot be read", hint="check its quotes"
                    )
                continue
            if len(values) != width:
                if len(values) < width or any(values[width:]):
                    reject(line, f"it has {_fields(len(values))}, the header has {width}")
                    continue
                del values[width:]
            yield line, [_clean(value) for value in values] if odd else values

    def _raw(self, reject: Callable[[int, str], None]) -> Iterator[tuple[int, list[str], bool]]:
        with self.source.text() as text:
            for _ in range(self._skip):
                text.readline()
            lines = _Lines(text)
            lines.number = self._skip
            reader = self._reader(lines)
            taken = lines.taken
            while True:
                line = lines.number + 1
                taken.clear()
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except (_BadLineError, csv.Error) as error:
                    reject(line, str(error) if isinstance(error, _BadLineError) else UNBALANCED)
                    lines.back_to_second()
                    continue
                yield line, row, any("'" in part or "=" in part for part in taken)

    def _reader(self, lines: _Lines) -> Iterator[list[str]]:
        return csv.reader(
            lines, delimiter=self.delimiter, strict=True, skipinitialspace=self.delimiter != "\t"
        )


def _is_pile(line: str) -> bool:
    """Tell whether many combining marks stand together: normalising them takes the square of their number."""
    run = 0
    for character in line:
        run = run + 1 if combining(character) else 0
        if run > LONGEST_PILE:
            return True
    return False


def guess_delimiter(lines: list[str], known: Callable[[str], bool]) -> str:
    """Return the delimiter that gives the most known column names, then the most even records.

    A single column needs none; then it is the comma.
    """

    def score(delimiter: str) -> tuple[int, float, int]:
        rows = [row for row in _lenient(lines, delimiter) if row]
        width = len(rows[0]) if rows else 0
        even = sum(len(row) == width for row in rows) / len(rows) if rows else 0.0
        return sum(known(cell) for cell in rows[0]) if width > 1 else 0, even if width > 1 else 0.0, width

    return max(DELIMITERS, key=score)


def _sample(source: Source) -> list[str]:
    with source.text() as text:
        sample = text.read(SAMPLE_CHARACTERS)
    lines = list(io.StringIO(sample.replace("\0", ""), newline=""))
    return lines[:-1] if len(sample) == SAMPLE_CHARACTERS and len(lines) > 1 else lines


def _lenient(lines: list[str], delimiter: str) -> list[list[str]]:
    return list(
        islice(csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t"), SAMPLE_RECORDS)
    )


def _clean(value: str) -> str:
    """Undo what spreadsheets put around text that looks like a number: ="0171" and '0171."""
    if found := FORMULA_TEXT.match(value):
        return found[1].replace('""', '"').strip()
    return value[1:] if APOSTROPHE.match(value) else value


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"
