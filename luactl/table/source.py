"""Bytes that are said to be a table: where they come from, and in which encoding they were written.

Owns the first look at a file (empty, binary, UTF-8 or older). It knows neither columns nor nouns.
"""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import LuactlError, UsageError

CHUNK = 1 << 20
HEAD = 1 << 16
LONGEST_LINE = 16 * CHUNK

MAGIC = {
    b"PK\x03\x04": "a spreadsheet or archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"\x1f\x8b": "compressed",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"SQLite format 3\x00": "a database",
}
CONTROLS = bytes(b for b in range(32) if b not in b"\t\n\v\f\r\x1a")
NOT_IN_1252 = (0x81, 0x8D, 0x8F, 0x90, 0x9D)


class TableError(LuactlError):
    """The file is no table that could be read."""


@dataclass(frozen=True)
class Source:
    """Seekable bytes with the encoding they decode in without an error.

    `encoding` is one of utf-8-sig, utf-16, cp1252, latin-1.
    """

    name: str
    stream: BinaryIO
    encoding: str

    @contextmanager
    def text(self) -> Iterator[io.TextIOWrapper]:
        """Give the decoded text from its beginning; line ends are kept as they are."""
        self.stream.seek(0)
        wrapper = io.TextIOWrapper(self.stream, encoding=self.encoding, newline="")
        try:
            yield wrapper
        finally:
            wrapper.detach()

    def lines(self) -> int:
        """Count the physical lines: no table has more records than that."""
        return sum(max(chunk.count(b"\n"), chunk.count(b"\r")) for chunk in self._chunks()) + 1

    def sha256(self) -> bytes:
        """Return the digest of all bytes."""
        digest = hashlib.sha256()
        for chunk in self._chunks():
            digest.update(chunk)
        return digest.digest()

    def _chunks(self) -> Iterator[bytes]:
        self.stream.seek(0)
        while chunk := self.stream.read(CHUNK):
            yield chunk


@contextmanager
def open_source(origin: Path | BinaryIO, name: str | None = None) -> Iterator[Source]:
    """Open a file (or take a byte stream, such as standard input) and find its encoding.

    What cannot be read twice is read into memory, never into a temporary file.
    Raises UsageError when the file cannot be opened, TableError when it is empty or binary.
    """
    label = name or (str(origin) if isinstance(origin, Path) else "standard input")
    with ExitStack() as stack:
        stream = stack.enter_context(_open(origin)) if isinstance(origin, Path) else origin
        if not stream.seekable():
            stream = io.BytesIO(stream.read())
        yield Source(label, stream, _encoding(stream, label))


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}",
            hint="name an existing CSV file, or `-` for standard input",
        ) from error


def _encoding(stream: BinaryIO, label: str) -> str:
    stream.seek(0)
    head = stream.read(HEAD)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise TableError(f"{label} is empty", hint="a table starts with a line of column names")
    _refuse_binary(head, label)
    stream.seek(0)
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if not _decodes(stream, "utf-16", label):
            raise TableError(f"{label} is damaged UTF-16 text", hint="save it again as CSV in UTF-8")
        return "utf-16"
    if _decodes(stream, "utf-8", label):
        return "utf-8-sig"
    stream.seek(0)
    return "latin-1" if _has_any(stream, NOT_IN_1252) else "cp1252"


def _refuse_binary(head: bytes, label: str) -> None:
    hint = "save the table as CSV in UTF-8 and import that"
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            raise TableError(f"{label} is {kind}, not a text table", hint=hint)
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return
    controls = len(head) - len(head.translate(None, CONTROLS))
    if controls * 50 > len(head):
        raise TableError(f"{label} is binary, not a text table", hint=hint)


def _decodes(stream: BinaryIO, encoding: str, label: str) -> bool:
    """Tell whether all of it decodes; refuses a line so long that it could only be held in memory."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    since_newline = 0
    while chunk := stream.read(CHUNK):
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError:
            return False
        since_newline = _since_newline(chunk, since_newline, label)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _since_newline(chunk: bytes, before: int, label: str) -> int:
    last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
    length = before + len(chunk) if last < 0 else len(chunk) - last - 1
    if length > LONGEST_LINE:
        raise TableError(
            f"{label} has a line of more than {LONGEST_LINE >> 20} MiB",
            hint="is it a table? a record ends with its line",
        )
    return length


def _has_any(stream: BinaryIO, values: tuple[int, ...]) -> bool:
    since_newline = 0
    found = False
    while chunk := stream.read(CHUNK):
        since_newline = _since_newline(chunk, since_newline, "the file")
        found = found or any(value in chunk for value in values)
    return found
