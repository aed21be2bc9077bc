"""The formats by name: how bytes are cut into records, and what a record says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from . import postgres, service
from .record import Record

FORMATS = ("csvlog", "jsonlog", "stderr", "jsonl", "journald")


@dataclass(frozen=True)
class Form:
    """How a source writes."""

    format: str
    time_zone: str
    line_prefix: str | None = None

    def split(self, data: bytes, *, is_end: bool) -> Iterator[tuple[int, int]]:
        """Yield (begin, end) of whole records, from the beginning without gaps.

        Of stderr the last one is whole only when `is_end` says that nothing more comes: a DETAIL may follow.
        """
        match self.format:
            case "csvlog":
                yield from postgres.split_csv(data)
            case "stderr":
                whole = data[: data.rfind(b"\n") + 1]
                spans = list(postgres.split_stderr(whole, self.line_prefix or ""))
                yield from spans if is_end else spans[:-1]
            case "journald":
                yield from service.split_journal(data)
            case _:
                yield from postgres.split_lines(data)

    def read(self, data: bytes) -> Record:
        """Read one record. Raises ValueError for what is none."""
        if self.format == "journald":
            return service.read_journal(data)
        text = data.decode("utf-8", "replace").removesuffix("\n").replace("\0", "\N{REPLACEMENT CHARACTER}")
        match self.format:
            case "csvlog":
                return postgres.read_csv(text, self.time_zone)
            case "jsonlog":
                return postgres.read_json(text, self.time_zone)
            case "stderr":
                return postgres.read_stderr(text, self.line_prefix or "", self.time_zone)
            case _:
                return service.read_jsonl(text, self.time_zone)
