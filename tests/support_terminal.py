"""A program in a real terminal (a pty) of a given size: what it draws is read, keys are typed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

STEERING = re.compile(rb"\x1b\[[0-9;?<>$=]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[()][A-Z0-9]|\x1b[=>]")


@dataclass
class Terminal:
    """One program on one pty. Everything it wrote is in `drawn`."""

    master: int
    slave: int
    process: subprocess.Popen[bytes]
    before: list[Any]
    drawn: bytes = b""
    _mark: int = field(default=0)

    def type(self, keys: str) -> None:
        """Send keys as a keyboard does."""
        os.write(self.master, keys.encode())

    def read(self, seconds: float) -> bytes:
        """Return what came within that time at the latest; nothing when nothing came."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return b""
        try:
            fresh = os.read(self.master, 65536)
        except OSError:  # the program hung up
            return b""
        self.drawn += fresh
        return fresh

    def until(self, text: str, seconds: float = 30) -> None:
        """Read until a text was drawn since the last time this found one. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while True:
            plain = STEERING.sub(b"", self.drawn[self._mark :]).decode(errors="replace")
            if text in plain:
                self._mark = len(self.drawn)
                return
            left = end - time.monotonic()
            if left <= 0 or (not self.read(min(left, 0.5)) and self.process.poll() is not None):
                raise TimeoutError(f"{text!r} was never drawn, but: {plain[-2000:]!r}")

    def quiet(self, seconds: float) -> bool:
        """Read until nothing is drawn for that long; False when it goes on for ten times as long."""
        end = time.monotonic() + 10 * seconds
        while time.monotonic() < end:
            if not self.read(seconds):
                return True
        return False

    def ended(self, seconds: float = 20) -> int:
        """Wait for the end of the program, reading on; return its exit code."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        code = self.process.wait(timeout=1)
        while self.read(0):
            pass
        return code

    @property
    def restored(self) -> bool:
        """Whether the terminal is as it was: its settings, its main screen, a visible cursor."""
        same = termios.tcgetattr(self.slave) == self.before
        left = self.drawn.rfind(b"\x1b[?1049l") > self.drawn.rfind(b"\x1b[?1049h") >= 0
        return same and left and self.drawn.rfind(b"\x1b[?25h") > self.drawn.rfind(b"\x1b[?25l")


@contextmanager
def terminal(
    command: Sequence[str], env: Mapping[str, str], rows: int = 24, columns: int = 80
) -> Iterator[Terminal]:
    """Run a program on a fresh pty; it is killed at the end if it is still there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    kept = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        command,
        env={**kept, "TERM": "xterm-256color"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    try:
        yield Terminal(master, slave, process, termios.tcgetattr(slave))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(master)
        os.close(slave)
