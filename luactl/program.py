"""Programs of others that luactl runs: trusted files only, one request in, one answer out, in bounded time.

They are given nothing of the database's or of luactl's, and start in the folder / in a session of their own.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .config import demand_trusted

LONGEST = 64 * 1024
NOT_NOW, REFUSED = 12, 13
"""Exit codes by which a program says that it cannot now, and that it may not."""
_WITHHELD = ("PG", "LUACTL_")
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=]{40,}")


@dataclass(frozen=True)
class Answer:
    """What came of a run."""

    code: int
    """Exit code; below 0: the signal that ended it."""
    said: bytes
    """Standard output: at most 64 KiB."""
    complaint: str
    """The last line of standard error, fit for a message."""


def run(words: Sequence[str], sent: bytes, seconds: float) -> Answer:
    """Run a program with that input. Whatever does not end in time is killed with all that it started.

    Raises RefusedError for a program that somebody else could have written, OSError when it cannot be
    started, TimeoutError, and ValueError when it says too much.
    """
    demand_trusted(Path(words[0]))
    program = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=environment(os.environ),
        start_new_session=True,
    )
    with program:
        try:
            return _talk(program, sent, time.monotonic() + seconds)
        except subprocess.TimeoutExpired:
            _stop(program)
            raise TimeoutError from None
        except BaseException:
            _stop(program)
            raise


def ask(
    words: Sequence[str], greeting: str, request: Sequence[str], seconds: float
) -> tuple[Answer, list[str] | None]:
    """Run a program that speaks in lines of ASCII: the greeting, what is to say, `end`.

    Returns what came of it, and the lines between greeting and end; None where these are not. Raises what
    `run` raises, ValueError also for bytes that are no ASCII.
    """
    answer = run(words, "\n".join((greeting, *request, "end", "")).encode(), seconds)
    lines = answer.said.decode("ascii").split("\n")
    whole = lines[0] == greeting and lines[-2:] == ["end", ""]
    return answer, lines[1:-2] if whole else None


def trouble(problem: OSError | ValueError, seconds: float) -> tuple[str, str | None]:
    """Say what `run` or `ask` raised, to stand behind the program's name; and what next, if that is known."""
    if isinstance(problem, TimeoutError):
        hint = "it was stopped; is what it talks to reachable? then try again"
        return f"did not answer within {seconds:g} s", hint
    if isinstance(problem, OSError):
        hint = "install the program, make it executable, or correct the profile"
        return f"cannot be started: {problem.strerror}", hint
    if isinstance(problem, UnicodeDecodeError):
        return "answered with bytes that are no ASCII", None
    return str(problem), None


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a program may see: its own settings, nothing of the database's or of luactl's."""
    return {name: value for name, value in environ.items() if not name.startswith(_WITHHELD)}


def plain(said: str) -> str:
    """Return what a program said, fit for one line of a message and without what could be a secret."""
    return _LONG_WORD.sub("…", "".join(c for c in said if c.isprintable()))[:200]


def _talk(program: subprocess.Popen[bytes], sent: bytes, deadline: float) -> Answer:
    """Send and read both outputs to their ends, in whatever order the program likes."""
    if program.stdin is None or program.stdout is None or program.stderr is None:
        raise ValueError("has no pipes")
    said, complaint, left = bytearray(), bytearray(), memoryview(sent)
    os.set_blocking(program.stdin.fileno(), False)
    with selectors.DefaultSelector() as waiting:
        waiting.register(program.stdin, selectors.EVENT_WRITE, None)
        waiting.register(program.stdout, selectors.EVENT_READ, said)
        waiting.register(program.stderr, selectors.EVENT_READ, complaint)
        while waiting.get_map():
            ready = waiting.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            for one, _events in ready:
                if one.data is None:
                    left = _write(one.fd, left)
                    done = not left
                else:
                    done = _read(one.fd, one.data)
                if done:
                    waiting.unregister(one.fileobj)
                if done and one.data is None:
                    program.stdin.close()
    code = program.wait(max(0.0, deadline - time.monotonic()))
    last = complaint.decode("utf-8", "replace").strip().splitlines()[-1:]
    return Answer(code, bytes(said), plain("".join(last)))


def _write(fd: int, left: memoryview) -> memoryview:
    """Write some of it and return the rest; nothing is left when the program does not read on."""
    try:
        return left[os.write(fd, left[:LONGEST]) :]
    except BrokenPipeError:  # it may have answered without reading
        return left[:0]
    except BlockingIOError:
        return left


def _read(fd: int, into: bytearray) -> bool:
    """Read a piece; whether that was the end. Raises ValueError for too much."""
    piece = os.read(fd, LONGEST)
    into.extend(piece)
    if len(into) > LONGEST:
        raise ValueError("says more than 64 KiB")
    return not piece


def _stop(program: subprocess.Popen[bytes]) -> None:
    """End the program and whatever it started, if they still run."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
