"""Holders that are programs: TPM, PKCS#11, Vault, KMS … (docs/reference/holder-protocol.md).

One process a request. The root goes through standard input and output only; whatever a program does other
than answer as it must is a HolderError, which names it and says what it did.
"""

from __future__ import annotations

import base64
import os
import re
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from ..config import demand_trusted
from ..errors import Exit
from .holder import Destroyed, HolderError, Medium, pack, unpack

GREETING = "luactl-holder 1"
SECONDS = 30.0
LONGEST = 64 * 1024
MOST_EPOCHS = 1_000
NOT_THERE, THERE_ALREADY, BUSY, REFUSED = 10, 11, 12, 13
LEVELS = {"clear": "clear", "purge": "purge", "none": None}
HINT = "docs/reference/holder-protocol.md says what it must do; `luactl key status` asks all holders"
_WITHHELD = ("PG", "LUACTL_")
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=]{40,}")


class HolderBusyError(HolderError):
    """A holder cannot answer now, or did not answer in time."""

    exit: ClassVar[Exit] = Exit.BUSY


@dataclass(frozen=True)
class CommandHolder:
    """`command:/program ARGUMENT …`: the program and its arguments, and how long each answer may take."""

    words: Sequence[str]
    seconds: float = SECONDS
    noun: str = "key holder"
    """What messages call it: anchors of the ledger are run the same way."""

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
            raise HolderError(f"{self.noun} {self.name} lists {len(lines)} roots", hint=HINT)
        for line in lines:
            word, _, number = line.partition(" ")
            if word != "epoch" or not (number.isascii() and number.isdigit() and len(number) <= 18):
                raise self._garbage(line)
            found.add(int(number))
        return sorted(found)

    def put(self, tree_id: UUID, epoch: int, root: bytes | bytearray) -> None:
        """Have the program keep a root durably. Raises FileExistsError, HolderError."""
        slot = base64.b64encode(pack(tree_id, epoch, root)).decode()
        answer = self._ask("put", f"epoch {epoch}", f"root {slot}")
        if answer != ["stored"]:
            raise self._garbage(answer[0] if answer else "nothing")

    def get(self, tree_id: UUID, epoch: int) -> bytearray:
        """Return a root: 32 bytes. Raises FileNotFoundError, UnusableRootError, HolderError."""
        answer = self._ask("get", f"epoch {epoch}")
        word, _, slot = answer[0].partition(" ") if len(answer) == 1 else ("", "", "")
        try:
            raw = bytearray(base64.b64decode(slot, validate=True)) if word == "root" else None
        except ValueError:
            raw = None
        if raw is None:
            raise HolderError(f"{self.noun} {self.name} gave no root for an answer", hint=HINT)
        return unpack(self.name, tree_id, epoch, raw)

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
            f"{self.noun} {self.name} answered with what the protocol does not know: {_plain(said)!r}",
            hint=HINT,
        )

    def _ask(self, *request: str) -> list[str]:
        """Run the program once and return the lines of its answer."""
        sent = "\n".join((GREETING, *request, "end", "")).encode()
        code, said, complaint = self.run(sent)
        self._demand_success(request[0], code, _plain("".join(complaint.strip().splitlines()[-1:])))
        lines = said.split("\n")
        if lines[0] != GREETING or lines[-2:] != ["end", ""]:
            raise HolderError(
                f"{self.noun} {self.name} broke off, or does not speak the protocol: {request[0]}",
                hint=HINT,
            )
        return lines[1:-2]

    def _demand_success(self, verb: str, code: int, complaint: str) -> None:
        because = f": {complaint}" if complaint else ""
        if code == NOT_THERE:
            raise FileNotFoundError(f"{self.noun} {self.name} has no such root")
        if code == THERE_ALREADY:
            raise FileExistsError(f"{self.noun} {self.name} has a root of that epoch")
        if code == BUSY:
            raise HolderBusyError(
                f"{self.noun} {self.name} cannot {verb} now{because}", hint="try again when it can"
            )
        if code == REFUSED:
            raise HolderError(
                f"{self.noun} {self.name} refuses to {verb}{because}", hint="give this account the right to"
            )
        if code:
            how = f"was stopped by signal {-code}" if code < 0 else f"failed with exit code {code}"
            raise HolderError(f"{self.noun} {self.name} {how} when asked to {verb}{because}", hint=HINT)

    def run(self, sent: bytes) -> tuple[int, str, str]:
        """Run the program with that input; return exit code, standard output and standard error."""
        demand_trusted(Path(self.words[0]))
        try:
            program = subprocess.Popen(
                self.words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=_environment(os.environ),
                start_new_session=True,
            )
        except OSError as problem:
            raise HolderError(
                f"{self.noun} {self.name} cannot be started: {problem.strerror}",
                hint="install the program, make it executable, or correct the profile",
            ) from None
        with program:
            try:
                return _talk(program, sent, time.monotonic() + self.seconds)
            except (TimeoutError, subprocess.TimeoutExpired):
                _stop(program)
                raise HolderBusyError(
                    f"{self.noun} {self.name} did not answer within {self.seconds:g} s",
                    hint="it was stopped; is what it talks to reachable? then try again",
                ) from None
            except ValueError as problem:
                _stop(program)
                raise HolderError(f"{self.noun} {self.name} {problem}", hint=HINT) from None
            except BaseException:
                _stop(program)
                raise


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a program may see: its own settings, nothing of the database's or of luactl's."""
    return {name: value for name, value in environ.items() if not name.startswith(_WITHHELD)}


def _plain(said: str) -> str:
    """Return what a program said, fit for one line of a message and without what could be a secret."""
    return _LONG_WORD.sub("…", "".join(c for c in said if c.isprintable()))[:200]


def _talk(program: subprocess.Popen[bytes], sent: bytes, deadline: float) -> tuple[int, str, str]:
    """Send, then read both outputs to their ends. Raises TimeoutError, ValueError for too much of them."""
    if program.stdin is None or program.stdout is None or program.stderr is None:
        raise ValueError("has no pipes")
    with suppress(BrokenPipeError):  # it may have answered without reading
        program.stdin.write(sent)  # less than a pipe holds: this cannot hang
        program.stdin.close()
    said, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as waiting:
        waiting.register(program.stdout, selectors.EVENT_READ, said)
        waiting.register(program.stderr, selectors.EVENT_READ, complaint)
        while waiting.get_map():
            ready = waiting.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            for one, _events in ready:
                piece = os.read(one.fd, LONGEST)
                one.data.extend(piece)
                if not piece:
                    waiting.unregister(one.fileobj)
                elif len(one.data) > LONGEST:
                    raise ValueError("says more than 64 KiB")
    code = program.wait(max(0.0, deadline - time.monotonic()))
    try:
        return code, said.decode("ascii"), complaint.decode("utf-8", "replace")
    except UnicodeDecodeError:
        raise ValueError("answered with bytes that are no ASCII") from None


def _stop(program: subprocess.Popen[bytes]) -> None:
    """End the program and whatever it started, if they still run."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
