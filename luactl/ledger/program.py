"""Anchors that are programs: a mail, a WORM store, another log … (docs/reference/anchor-protocol.md).

One process a request, as with key holders: the same rules of trust, time and size hold.
"""

from __future__ import annotations

import base64
import binascii
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import LuactlError
from ..key.command import CommandHolder
from . import handed
from .note import Checkpoint, NoteError, Verifier, open_checkpoint
from .place import AnchorError, Record

GREETING = "luactl-anchor 1"
NOTHING, CANNOT_TELL = 10, 14
HINT = "docs/reference/anchor-protocol.md says what it must do; `luactl ledger anchor list` asks it"


@dataclass(frozen=True)
class CommandAnchor:
    """`command:/program ARGUMENT …`: a program that takes checkpoints, and may tell the newest one."""

    words: Sequence[str]
    memory: Path
    """Where this host keeps what it handed over, for a program that cannot tell (`handed`)."""
    remembers: bool = True

    @property
    def name(self) -> str:
        """The anchor as the profile names it."""
        return f"command:{shlex.join(self.words)}"

    def create(self) -> None:
        """Nothing is made: the program is there or it is not."""

    def missing(self) -> bool:
        """Whether the program is not there."""
        return not Path(self.words[0]).exists()

    def newest(self, verifier: Verifier) -> Checkpoint | None:
        """Return the newest checkpoint that the program tells; if it cannot tell, what was handed over last.

        Raises AnchorError for an answer that is no checkpoint of this log, and when it fails.
        """
        note = self._newest()
        if note is None:
            return None
        try:
            return open_checkpoint(note, [verifier])
        except NoteError as error:
            raise AnchorError(f"anchor {self.name} tells no checkpoint of this log: {error.what}") from error

    def records(self) -> Iterator[Record]:
        """Yield the newest note. Raises AnchorError."""
        note = self._newest()
        if note is not None:
            yield Record(note, True)

    def hand_over(self, checkpoint: Checkpoint) -> None:
        """Have the program keep a checkpoint durably. Raises AnchorError."""
        note = base64.b64encode(checkpoint.note.encode()).decode()
        answer = self._ask("put", f"size {checkpoint.size}", f"note {note}")
        if answer != ["stored"]:
            raise AnchorError(f"anchor {self.name} did not say that the checkpoint is stored", hint=HINT)
        try:
            handed.remember(self.memory, self.name, checkpoint)
        except OSError as error:
            raise AnchorError(f"cannot remember what {self.name} got: {error.strerror}") from error

    def _newest(self) -> str | None:
        answer = self._ask("newest")
        if answer is None:
            return handed.notes(self.memory).get(self.name)
        if not answer:
            return None
        word, _, said = answer[0].partition(" ")
        try:
            if word == "note" and len(answer) == 1:
                return base64.b64decode(said, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            pass
        raise AnchorError(f"anchor {self.name} answered with what the protocol does not know", hint=HINT)

    def _ask(self, *request: str) -> list[str] | None:
        """Run the program once; None when it cannot tell, no lines when it has none. Raises AnchorError."""
        sent = "\n".join((GREETING, *request, "end", "")).encode()
        try:
            code, said, complaint = CommandHolder(self.words, noun="anchor").run(sent)
        except LuactlError as error:
            raise AnchorError(error.what, hint=error.hint) from error
        lines = said.split("\n")
        if code == CANNOT_TELL and request[0] == "newest":
            return None
        if code == NOTHING and request[0] == "newest":
            return []
        if code:
            last = "".join(c for c in "".join(complaint.strip().splitlines()[-1:]) if c.isprintable())[:200]
            raise AnchorError(f"anchor {self.name} ended with exit code {code}: {last}", hint=HINT)
        if lines[0] != GREETING or lines[-2:] != ["end", ""]:
            raise AnchorError(f"anchor {self.name} broke off, or does not speak the protocol", hint=HINT)
        return lines[1:-2]
