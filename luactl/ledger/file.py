"""Anchors that are files: a text of signed notes, each followed by an empty line.

A file is only ever appended to, and best lies on another host, a write-once medium or a mount that the
database's administrator cannot write.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..disk import write_all
from .anchor import AnchorError, Known, Record
from .note import Checkpoint, NoteError, Verifier, open_checkpoint

TAIL = 1 << 16
LONGEST = 1 << 20
_NOTE = re.compile(r"[^\n]+\n(?:0|[1-9][0-9]*)\n[A-Za-z0-9+/=]+\n(?:[^\n]+\n)*\n(?:— [^\n]+\n)+")


@dataclass(frozen=True)
class FileAnchor:
    """A file that checkpoints are appended to."""

    path: Path

    @property
    def name(self) -> str:
        """The anchor as the profile names it."""
        return f"file:{self.path}"

    def create(self) -> None:
        """Create the file and its folder where they are missing. Raises AnchorError."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o644)
        except OSError as error:
            raise self._error("cannot be made", error) from error

    def missing(self) -> bool:
        """Whether there is no such file."""
        return not self.path.exists()

    def newest(self, verifier: Verifier) -> Known:
        """Return the last checkpoint that this key signed, as far as the end of the file shows.

        There is none in an empty or missing file. Raises AnchorError when it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return Known(None)
        except OSError as error:
            raise self._error("cannot be read", error) from error
        signed = (_opened(record, verifier) for record in reversed(split(text)))
        return Known(next((checkpoint for checkpoint in signed if checkpoint is not None), None))

    def hand_over(self, checkpoint: Checkpoint) -> None:
        """Append a signed checkpoint, durably. Raises AnchorError; the file is never created here.

        A missing file may be a mount that is not there, and must not be taken for an anchor.
        """
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            try:
                _append(fd, checkpoint.note)
            finally:
                os.close(fd)
        except OSError as error:
            raise self._error("cannot be written", error) from error

    def records(self) -> Iterator[Record]:
        """Read the whole anchor, piece by piece. Raises AnchorError."""
        rest = ""
        try:
            with self.path.open(encoding="utf-8", errors="replace", newline="\n") as file:
                while chunk := file.read(TAIL):
                    found = split(rest + chunk)
                    keep = 1 if found and len(found[-1].text) < LONGEST else 0
                    yield from found[: len(found) - keep]
                    rest = found[-1].text if keep else ""
        except OSError as error:
            raise self._error("cannot be read", error) from error
        yield from split(rest)

    def _error(self, what: str, error: OSError) -> AnchorError:
        return AnchorError(
            f"anchor {self.name} {what}: {error.strerror}",
            hint=f"check that it is mounted and writable; `touch {self.path}` starts a new one",
        )


def _opened(record: Record, verifier: Verifier) -> Checkpoint | None:
    """Return the checkpoint of a record; None for what this key did not sign, a torn write for one."""
    try:
        return open_checkpoint(record.text, [verifier])
    except NoteError:
        return None


def _append(fd: int, note: str) -> None:
    size = os.lseek(fd, 0, os.SEEK_END)
    end = os.pread(fd, 2, max(0, size - 2)).decode("ascii", "replace")
    gap = "" if size == 0 or end == "\n\n" else "\n" if end.endswith("\n") else "\n\n"
    write_all(fd, (gap + note + "\n").encode())
    os.fsync(fd)


def split(text: str) -> list[Record]:
    """Cut the text of an anchor into notes and what lies between them; empty lines are nothing."""
    records, end = [], 0
    for match in _NOTE.finditer(text):
        records += _rest(text[end : match.start()])
        records.append(Record(match[0], True))
        end = match.end()
    return records + _rest(text[end:])


def _rest(text: str) -> list[Record]:
    return [Record(text, False)] if text.strip("\n") else []
