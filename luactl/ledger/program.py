"""Anchors that are programs: a mail, a WORM store, another log … (docs/reference/anchor-protocol.md).

One process a request, as with key holders: the same rules of trust, time and size hold.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import RefusedError
from ..program import ask, trouble
from . import handed
from .anchor import AnchorError, Known, Record
from .note import Checkpoint, NoteError, UnknownKeyError, Verifier, open_checkpoint

GREETING = "luactl-anchor 1"
SECONDS = 30.0
NOTHING, CANNOT_TELL = 10, 14
HINT = "docs/reference/anchor-protocol.md says what it must do; `luactl ledger anchor list` asks it"


@dataclass(frozen=True)
class CommandAnchor:
    """`command:/program ARGUMENT …`: a program that takes checkpoints, and may tell the newest one."""

    words: Sequence[str]
    memory: Path
    """Where this host keeps what it handed over, for a program that cannot tell (`handed`)."""

    @property
    def name(self) -> str:
        """The anchor as the profile names it."""
        return f"command:{shlex.join(self.words)}"

    def create(self) -> None:
        """Nothing is made: the program is there or it is not."""

    def missing(self) -> bool:
        """Whether the program is not there."""
        return not Path(self.words[0]).exists()

    def newest(self, verifier: Verifier) -> Known:
        """Return the newest checkpoint that the program tells; if it cannot tell, what was handed over last.

        What another key signed counts as none. Raises AnchorError for an answer that is no checkpoint, and
        when the program fails.
        """
        answer = self._ask("newest")
        if answer is None:
            return Known(handed.newest(self.memory, self.name, verifier), told=False)
        note = self._note(answer)
        try:
            return Known(None if note is None else open_checkpoint(note, [verifier]))
        except UnknownKeyError:
            return Known(None)
        except NoteError as error:
            raise AnchorError(f"anchor {self.name} tells no checkpoint of this log: {error.what}") from error

    def records(self) -> Iterator[Record]:
        """Yield the newest note. Raises AnchorError."""
        answer = self._ask("newest")
        note = handed.notes(self.memory).get(self.name) if answer is None else self._note(answer)
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

    def _note(self, answer: Sequence[str]) -> str | None:
        """Return the note that an answer tells; None for no lines. Raises AnchorError."""
        if not answer:
            return None
        note = _decoded(answer)
        if note is None:
            raise AnchorError(f"anchor {self.name} answered with what the protocol does not know", hint=HINT)
        return note

    def _ask(self, *request: str) -> list[str] | None:
        """Run the program once; None when it cannot tell, no lines when it has none. Raises AnchorError."""
        try:
            answer, lines = ask(self.words, GREETING, request, SECONDS)
        except RefusedError as error:
            raise AnchorError(error.what, hint=error.hint) from error
        except (OSError, ValueError) as problem:
            what, hint = trouble(problem, SECONDS)
            raise AnchorError(f"anchor {self.name} {what}", hint=hint or HINT) from problem
        if answer.code == CANNOT_TELL and request[0] == "newest":
            return None
        if answer.code == NOTHING and request[0] == "newest":
            return []
        if answer.code:
            raise AnchorError(
                f"anchor {self.name} ended with exit code {answer.code}: {answer.complaint}", hint=HINT
            )
        if lines is None:
            raise AnchorError(f"anchor {self.name} broke off, or does not speak the protocol", hint=HINT)
        return lines


def _decoded(answer: Sequence[str]) -> str | None:
    """Return the note that the one line of an answer holds; None when it holds none."""
    word, _, said = answer[0].partition(" ") if len(answer) == 1 else ("", "", "")
    try:
        return base64.b64decode(said, validate=True).decode() if word == "note" else None
    except ValueError:
        return None
