"""Holders that are programs: TPM, PKCS#11, Vault, KMS … (docs/reference/holder-protocol.md).

One process a request. The root goes through standard input and output only; whatever a program does other
than answer as it must is a HolderError, which names it and says what it did.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from ..errors import Exit
from ..program import NOT_NOW, REFUSED, ask, plain, trouble
from . import plate
from .holder import Destroyed, HolderError, Medium, pack, unpack

GREETING = "luactl-holder 1"
SECONDS = 30.0
MOST_EPOCHS = 1_000
NOT_THERE, THERE_ALREADY = 10, 11
LEVELS = {"clear": "clear", "purge": "purge", "none": None}
HINT = "docs/reference/holder-protocol.md says what it must do; `luactl key status` asks all holders"


class HolderBusyError(HolderError):
    """A holder cannot answer now, or did not answer in time."""

    exit: ClassVar[Exit] = Exit.BUSY


@dataclass(frozen=True)
class CommandHolder:
    """`command:/program ARGUMENT …`: the program and its arguments, and how long each answer may take."""

    words: Sequence[str]
    seconds: float = SECONDS

    @property
    def name(self) -> str:
        """The holder as the profile writes it."""
        return f"command:{shlex.join(self.words)}"

    def exists(self) -> bool:
        """Whether the program is there."""
        return Path(self.words[0]).exists()

    def prepare(self) -> None:
        """Ask the program what it is, so that one that cannot answer takes no root."""
        self.medium()

    def medium(self) -> Medium:
        """Return what the program says of itself. Raises HolderError."""
        about, level = "", "none"
        for line in self._ask("describe"):
            word, _, rest = line.partition(" ")
            if word == "about" and rest.isprintable() and len(rest) <= 200:
                about = rest
            elif word == "level" and rest in LEVELS:
                level = rest
            else:
                raise self._garbage(line)
        return Medium(about or "a program", LEVELS[level])

    def epochs(self) -> list[int]:
        """Return the epochs that the program lists. Raises HolderError."""
        found = set()
        lines = self._ask("list")
        if len(lines) > MOST_EPOCHS:
            raise HolderError(f"key holder {self.name} lists {len(lines)} roots", hint=HINT)
        for line in lines:
            word, _, number = line.partition(" ")
            if word != "epoch" or not (number.isascii() and number.isdigit() and len(number) <= 18):
                raise self._garbage(line)
            found.add(int(number))
        return sorted(found - {plate.EPOCH})

    def put(self, tree_id: UUID, epoch: int, root: bytes | bytearray) -> None:
        """Have the program keep a root durably. Raises FileExistsError, HolderError."""
        self._put(epoch, pack(tree_id, epoch, root))

    def _put(self, epoch: int, slot: bytes | bytearray) -> None:
        answer = self._ask("put", f"epoch {epoch}", f"root {base64.b64encode(slot).decode()}")
        if answer != ["stored"]:
            raise self._garbage(answer[0] if answer else "nothing")

    def get(self, tree_id: UUID, epoch: int) -> bytearray:
        """Return a root: 32 bytes. Raises FileNotFoundError, UnusableRootError, HolderError."""
        return unpack(self.name, tree_id, epoch, self._get(epoch))

    def _get(self, epoch: int) -> bytearray:
        answer = self._ask("get", f"epoch {epoch}")
        word, _, slot = answer[0].partition(" ") if len(answer) == 1 else ("", "", "")
        try:
            raw = bytearray(base64.b64decode(slot, validate=True)) if word == "root" else None
        except ValueError:
            raw = None
        if raw is None:
            raise HolderError(f"key holder {self.name} gave no root for an answer", hint=HINT)
        return raw

    def plate(self) -> bytes:
        """Return the name plate, which lies in the slot of epoch 0. Raises HolderError."""
        try:
            return bytes(self._get(plate.EPOCH))
        except FileNotFoundError:
            return b""

    def lay_plate(self, new: bytes) -> None:
        """Have the program keep the name plate. Raises HolderError."""
        self.take_plate()
        self._put(plate.EPOCH, new)

    def take_plate(self) -> None:
        """Have the program forget the name plate. Raises HolderError."""
        with suppress(FileNotFoundError):
            self._ask("destroy", f"epoch {plate.EPOCH}")

    def destroy(self, epoch: int) -> Destroyed:
        """Have the program forget a root: at once, or at a time that it names. Raises HolderError."""
        medium = self.medium()
        try:
            answer = self._ask("destroy", f"epoch {epoch}")
        except FileNotFoundError:
            answer = ["destroyed"]
        word, _, rest = answer[0].partition(" ") if len(answer) == 1 else ("", "", "")
        if word == "destroyed" and not rest:
            return Destroyed(self.name, epoch, "destroyed", medium.level, medium.kind)
        if word != "scheduled":
            raise self._garbage(answer[0] if answer else "nothing")
        return Destroyed(
            self.name, epoch, "scheduled", medium.level, medium.kind, effective_at=self._time(rest)
        )

    def _time(self, text: str) -> datetime:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise self._garbage(f"scheduled {text}") from None
        if found.tzinfo is None:
            raise self._garbage(f"scheduled {text}")
        return found

    def _garbage(self, said: str) -> HolderError:
        return HolderError(
            f"key holder {self.name} answered with what the protocol does not know: {plain(said)!r}",
            hint=HINT,
        )

    def _ask(self, *request: str) -> list[str]:
        """Run the program once and return the lines of its answer."""
        try:
            answer, lines = ask(self.words, GREETING, request, self.seconds)
        except (OSError, ValueError) as problem:
            kind = HolderBusyError if isinstance(problem, TimeoutError) else HolderError
            what, hint = trouble(problem, self.seconds)
            raise kind(f"key holder {self.name} {what}", hint=hint or HINT) from None
        self._demand_success(request[0], answer.code, answer.complaint)
        if lines is None:
            raise HolderError(
                f"key holder {self.name} broke off, or does not speak the protocol: {request[0]}", hint=HINT
            )
        return lines

    def _demand_success(self, verb: str, code: int, complaint: str) -> None:
        because = f": {complaint}" if complaint else ""
        if code == NOT_THERE:
            raise FileNotFoundError(f"key holder {self.name} has no such root")
        if code == THERE_ALREADY:
            raise FileExistsError(f"key holder {self.name} has a root of that epoch")
        if code == NOT_NOW:
            raise HolderBusyError(
                f"key holder {self.name} cannot {verb} now{because}", hint="try again when it can"
            )
        if code == REFUSED:
            raise HolderError(
                f"key holder {self.name} refuses to {verb}{because}", hint="give this account the right to"
            )
        if code:
            how = f"was stopped by signal {-code}" if code < 0 else f"failed with exit code {code}"
            raise HolderError(f"key holder {self.name} {how} when asked to {verb}{because}", hint=HINT)
