"""Programs on a terminal of their own, timed by what they draw."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

STEERING = re.compile(rb"\x1b\[[0-9;?<>$=]*[A-Za-z]|\x1b\][^\x07]*\x07")
LONGEST = 30.0


def until_drawn(command: Sequence[str], env: Mapping[str, str], text: str) -> float:
    """Run a program at 80x24 until it draws a text, then end it; return the seconds from start to text.

    Raises TimeoutError when it never does.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    clean = {name: value for name, value in env.items() if not name.startswith("PYTHON")}
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, env={**clean, "TERM": "xterm-256color"}, stdin=slave, stdout=slave, stderr=slave,
        start_new_session=True,
    )  # fmt: skip
    try:
        drawn = b""
        while text.encode() not in STEERING.sub(b"", drawn):
            ready, _, _ = select.select([master], [], [], LONGEST)
            if not ready or process.poll() is not None:
                raise TimeoutError(f"{text!r} was never drawn: {drawn[-500:]!r}")
            drawn += os.read(master, 65536)
        return time.perf_counter() - begun
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)
