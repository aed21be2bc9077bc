"""Postgres' own formats: csvlog, jsonlog, and stderr with a log_line_prefix (15 to 18)."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from .record import Record
from .stamp import stamp

COLUMNS = 26
LONGEST = 64 << 20
"""Bytes of a record; what is longer is taken for unreadable, and kept."""
_FOLLOW_UPS = {
    "DETAIL": "detail",
    "HINT": "hint",
    "CONTEXT": "context",
    "STATEMENT": "statement",
    "QUERY": None,
}
_POSITION = re.compile(r" at character \d+\Z")
_PIECES = {
    "m": r"(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+)",
    "t": r"(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+)",
    "n": r"(?P<epoch>\d+\.\d{3})",
    "p": r"(?P<pid>\d+)",
    "P": r"\d*",
    "u": r"(?P<actor>.*?)",
    "d": r"(?P<database>.*?)",
    "a": r"(?P<application>.*?)",
    "h": r"(?P<address>\S*?)",
    "r": r"(?P<remote>\S*?)",
    "b": r"(?P<backend>[a-z ]*)",
    "c": r"(?P<session>[0-9a-f]+\.[0-9a-f]+)",
    "l": r"(?P<number>\d+)",
    "s": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+",
    "v": r"[\d/-]*",
    "x": r"\d+",
    "e": r"(?P<code>[0-9A-Z]{5})",
    "i": r".*?",
    "Q": r"-?\d+",
    "L": r"\S*?",
}


def split_csv(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of each whole record: a line feed ends one where quotation marks are even."""
    begin = at = quotes = 0
    while (end := data.find(b"\n", at)) >= 0:
        quotes += data.count(b'"', at, end)
        at = end + 1
        if quotes % 2 == 0:
            yield begin, at
            begin, quotes = at, 0


def split_lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of each whole line."""
    begin = 0
    while (end := data.find(b"\n", begin)) >= 0:
        yield begin, end + 1
        begin = end + 1


def row(text: str, *, strict: bool = True) -> list[str]:
    """Return the fields of one line of CSV, as long as they may be. Raises ValueError for what is none."""
    csv.field_size_limit(LONGEST)  # the program's only one; whoever reads tables sets none
    try:
        return next(csv.reader([text], strict=strict), [])
    except csv.Error as error:
        raise ValueError(str(error)) from error


def read_csv(text: str, zone: str) -> Record:
    """Read a record of csvlog. Raises ValueError for what is none."""
    fields = row(text)
    if len(fields) < COLUMNS - 3 or not fields[11]:
        raise ValueError("not a line of csvlog")
    f = [field or None for field in fields]
    return Record(
        at=stamp(fields[0], zone), message=fields[13], severity=fields[11], actor=f[1], address=_host(f[4]),
        session=f[5], number=int(fields[6]) if f[6] else None, code=_code(f[12]), detail=f[14], hint=f[15],
        context=f[18], statement=f[19], application=f[22],
    )  # fmt: skip


def read_json(text: str, zone: str) -> Record:
    """Read a record of jsonlog. Raises ValueError for what is none."""
    said = json.loads(text)
    if (
        not isinstance(said, dict)
        or not isinstance(said.get("timestamp"), str)
        or "error_severity" not in said
    ):
        raise ValueError("not a line of jsonlog")
    number = said.get("line_num")
    return Record(
        at=stamp(said["timestamp"], zone), message=_text(said, "message") or "",
        severity=_text(said, "error_severity") or "LOG", actor=_text(said, "user"),
        address=_text(said, "remote_host"), session=_text(said, "session_id"),
        number=number if isinstance(number, int) else None, code=_code(_text(said, "state_code")),
        detail=_text(said, "detail"), hint=_text(said, "hint"), context=_text(said, "context"),
        statement=_text(said, "statement"), application=_text(said, "application_name"),
    )  # fmt: skip


@cache
def prefix_pattern(prefix: str) -> re.Pattern[str]:
    """Return the pattern of lines with a log_line_prefix. Raises ValueError for one without a time."""
    out, at, rest_is_optional, named = ["\\A"], 0, False, set()
    while at < len(prefix):
        sign = re.match(r"%-?\d*(.)", prefix[at:])
        if sign is None:
            out.append(re.escape(prefix[at]))
            at += 1
            continue
        at += sign.end()
        letter = sign[1]
        if letter == "q":
            out.append("(?:")
            rest_is_optional = True
        elif letter == "%":
            out.append("%")
        else:
            piece = _PIECES.get(letter, "")
            found = re.match(r"\(\?P<(\w+)>", piece)
            if found and found[1] in named:
                piece = "(?:" + piece[found.end() :]
            elif found:
                named.add(found[1])
            out.append(rf"\s*{piece}\s*?" if sign[0] != f"%{letter}" else piece)
    if not named & {"stamp", "epoch"}:
        raise ValueError("log_line_prefix has no time: it needs %m, %t or %n")
    out.append(")?" if rest_is_optional else "")
    out.append(r"(?P<severity>[A-Z]+\d?):  ")
    return re.compile("".join(out))


def split_stderr(data: bytes, prefix: str) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of each record: a line with the prefix, its continuation, and what follows it up."""
    pattern, begin, seen = prefix_pattern(prefix), 0, False
    for start, end in split_lines(data):
        match = pattern.match(data[start:end].decode("utf-8", "replace"))
        opens = match is not None and match["severity"] not in _FOLLOW_UPS
        if opens and seen:
            yield begin, start
            begin = start
        elif opens and start:
            yield 0, start  # what belongs to no record
            begin = start
        seen = seen or opens
    if begin < len(data):
        yield begin, len(data)


def read_stderr(text: str, prefix: str, zone: str) -> Record:
    """Read a record of stderr. Raises ValueError for what is none."""
    pattern = prefix_pattern(prefix)
    parts: list[tuple[str, list[str]]] = []
    first = last = None
    for line in text.split("\n"):
        match = pattern.match(line)
        if match is None:
            if not parts:
                raise ValueError("not a line with this log_line_prefix")
            parts[-1][1].append(line.removeprefix("\t"))
        else:
            first, last = first or match, match
            parts.append((match["severity"], [line[match.end() :]]))
    if first is None or last is None or parts[0][0] in _FOLLOW_UPS:
        raise ValueError("not a line with this log_line_prefix")
    said = {_FOLLOW_UPS[name]: "\n".join(lines) for name, lines in parts[1:] if name in _FOLLOW_UPS}
    # Other formats have a column for it.
    message = _POSITION.sub("", "\n".join(parts[0][1]))
    return _of_prefix(first, last, message, said, zone)


def _of_prefix(
    match: re.Match[str], last: re.Match[str], message: str, said: Mapping[str | None, str], zone: str
) -> Record:
    found = {name: value or None for name, value in match.groupdict().items()}
    epoch, numbers = found.get("epoch"), [one.groupdict().get("number") for one in (match, last)]
    first_no, last_no = (int(number) if number else None for number in numbers)
    at = datetime.fromtimestamp(float(epoch), UTC) if epoch else stamp(found.get("stamp") or "", zone)
    return Record(
        at=at, message=message, severity=match["severity"], actor=_known(found.get("actor")),
        address=_known(found.get("address") or _remote(found.get("remote"))), session=found.get("session"),
        application=_known(found.get("application")), number=first_no,
        last=last_no, code=_code(found.get("code")), detail=said.get("detail"), hint=said.get("hint"),
        context=said.get("context"), statement=said.get("statement"),
    )  # fmt: skip


def _known(text: str | None) -> str | None:
    return None if text in (None, "", "[unknown]", "[local]") else text


def _remote(text: str | None) -> str | None:
    return text and re.sub(r"\(\d+\)$", "", text)


def _host(text: str | None) -> str | None:
    """The host of csvlog's host:port; [local] is none."""
    return _known(text and text.rpartition(":")[0] if text and ":" in text else text)


def _code(text: str | None) -> str | None:
    return None if text == "00000" else text


def _text(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    return None if value in (None, "") else str(value)
