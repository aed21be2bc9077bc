"""Strikes a command at a step: the real program in a process of its own, forked from one that waits.

A step is what the engine names through Session.step, and what the interpreter says of files below the home:
opened for writing, written, synced, renamed, removed (docs/reference/failures.md). It is struck by number, or
by name; by name, each statement on a key book is a step too. Run as a program it is the process that waits;
`Striker` talks to it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import IO, Any

from support_whole import Done

KILLED = -signal.SIGKILL
MAKERS = ("luactl.connect", "luactl.database", "luactl.doctor", "luactl.init.target",
          "luactl.residue.connecting")  # fmt: skip
"""The modules of the engine that make a Session; a test looks that there are no others."""
FILE_EVENTS = {"os.rename": 0, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.chmod": 0, "os.truncate": 0}
PATIENCE = 60
ASKING: list[int] = []
"""Where a child that waits hears, and where it says so."""


@dataclass
class Striker:
    """The waiting process, and what it has been told."""

    process: subprocess.Popen[str]
    folder: Path

    def run(
        self, *args: str, at: int = 0, how: str = "kill", stdin: bytes = b"", **more: str
    ) -> tuple[Done, list[str]]:
        """Run a command in this environment; return what it came to and the steps that it reached.

        At the step of that number (counted from 1; 0: none) it is struck: `kill`, `interrupt`, or
        `terminate`, by which the superuser whose DSN is `admin` ends the server's side of it.
        """
        self._order(stdin, args=args, at=at, how=how, **more)
        return self._done(self._answer())

    def meet(
        self, *args: str, where: str, nth: int, torn: bool, act: Callable[[int], bool], stdin: bytes = b""
    ) -> tuple[Done, list[str]]:
        """Run a command that waits where the `nth` step comes whose name fits the pattern `where`.

        `torn`: after half of what is written there. Meanwhile `act` gets the number of its process, and says
        whether it is still there to go on.
        """
        self._order(stdin, args=args, at=0, how="ask", where=where, nth=nth, torn=torn)
        answer = self._answer()
        if answer.startswith("reached "):
            if act(int(answer.split()[1])):
                self._say("go")
            answer = self._answer()
        return self._done(answer)

    def _order(self, stdin: bytes, **order: Any) -> None:
        (self.folder / "in").write_bytes(stdin)
        self._say(json.dumps({**order, "environ": dict(os.environ), "folder": str(self.folder)}))

    def _say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def _answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def _done(self, code: str) -> tuple[Done, list[str]]:
        out, err, steps = ((self.folder / name).read_text() for name in ("out", "err", "steps"))
        return Done(int(code), out, err), steps.splitlines()


def start(folder: Path) -> Striker:
    """Start the process that waits; it ends when its standard input does."""
    folder.mkdir()
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "PYTHONDONTWRITEBYTECODE": "1"}
    pipe = subprocess.PIPE
    command = [sys.executable, __file__]
    return Striker(subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, text=True), folder)


def stop(striker: Striker) -> None:
    """End it."""
    assert striker.process.stdin
    assert striker.process.stdout
    striker.process.stdin.close()
    striker.process.stdout.close()
    striker.process.wait(PATIENCE)


# -- the process that waits, and its children ----------------------------------------------------------------


@dataclass
class _Count:
    """Counts steps, and strikes at one of them."""

    at: int
    strike: Callable[[], None]
    steps: IO[str]
    home: str
    where: str = ""
    """The pattern of a name; the strike comes when it has fitted `nth` times, or in the middle of a write."""
    nth: int = 1
    torn: bool = False
    reached: int = 0
    fitted: int = 0
    busy: bool = False

    def __call__(self, name: str) -> bool:
        """Take a step. Returns whether what is written now is to be torn."""
        if self.busy:
            return False
        self.busy = True
        try:
            self.reached += 1
            self.steps.write(f"{name}\n")
            self.steps.flush()
            if self.reached == self.at or self._fits(name):
                if self.torn:
                    return True
                self.strike()
        finally:
            self.busy = False
        return False

    def _fits(self, name: str) -> bool:
        if not self.where or not fnmatchcase(name, self.where):
            return False
        self.fitted += 1
        return self.fitted == self.nth

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """Take what the interpreter reports for a step, if it changes a file of the home."""
        if event == "open" and isinstance(args[0], (str, bytes, os.PathLike)) and isinstance(args[2], int):
            if args[2] & (os.O_WRONLY | os.O_RDWR):
                self.file("open", args[0])
        elif event in FILE_EVENTS:
            self.file(event, args[FILE_EVENTS[event]])

    def file(self, what: str, path: Any) -> bool:
        """Take what is done to a file of the home for a step."""
        name = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        return name.startswith(self.home) and self(f"{what} {name.removeprefix(self.home)}")

    def descriptor(self, what: str, fd: int) -> bool:
        """Take a call on an open file of the home for a step."""
        with suppress(OSError):
            return self.file(what, Path(f"/proc/self/fd/{fd}").readlink())
        return False


def _terminate(admin: str) -> None:
    """End every server process that serves this command, and wait until they are gone."""
    import psycopg

    with closing(psycopg.connect(admin, autocommit=True)) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'luactl%'"
        )


def _ask() -> None:
    """Say that we are there, and wait until whoever ran us says go."""
    os.write(ASKING[1], f"reached {os.getpid()}\n".encode())
    os.read(ASKING[0], 3)


def _strike_of(order: dict[str, Any]) -> Callable[[], None]:
    strikes: dict[str, Callable[[], Any]] = {
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "interrupt": lambda: signal.raise_signal(signal.SIGINT),
        "terminate": lambda: _terminate(order["admin"]),
        "ask": _ask,
    }
    return strikes[order["how"]]


def _listen(count: _Count) -> None:
    """Have every Session and the interpreter tell their steps to `count`."""
    from importlib import import_module

    from luactl.db import Session

    for name in MAKERS:
        import_module(name).Session = partial(Session, step=count)  # type: ignore[attr-defined]
    for name in ("write", "fsync"):
        _watch(name, count)
    if count.where:
        _watch_books(count)
    sys.addaudithook(count.audit)


def _watch_books(count: _Count) -> None:
    """Take the first words of each statement on a key book for a step."""
    import sqlite3

    real = sqlite3.connect

    def connect(path: Path, *args: Any, **options: Any) -> sqlite3.Connection:
        book = real(path, *args, **options)
        book.set_trace_callback(lambda text: count.file(" ".join(text.split()[:5]), path))
        return book

    sqlite3.connect = connect  # type: ignore[assignment]


def _watch(name: str, count: _Count) -> None:
    real = getattr(os, name)

    def call(fd: int, *args: Any) -> Any:
        if count.descriptor(name, fd):
            real(fd, args[0][: len(args[0]) // 2])
            count.strike()
        return real(fd, *args)

    setattr(os, name, call)


def _become(order: dict[str, Any]) -> None:
    """Be the program; never returns."""
    os.environ.clear()
    os.environ.update(order["environ"])
    folder = Path(order["folder"])
    steps = (folder / "steps").open("w", encoding="utf-8")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for fd, (path, how) in enumerate(
        ((folder / "in", os.O_RDONLY), (folder / "out", flags), (folder / "err", flags))
    ):
        os.dup2(os.open(path, how, 0o600), fd)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    named = {name: order[name] for name in ("where", "nth", "torn") if name in order}
    _listen(_Count(order["at"], _strike_of(order), steps, order["environ"]["LUACTL_HOME"], **named))
    sys.argv = ["luactl", *order["args"]]
    from luactl.commands.main import main

    main()


def _load() -> None:
    """Load now what the children would each load anew."""
    from support_fork import load
    from support_whole import verbs

    verbs()
    load()


def main(orders: Sequence[str] | IO[str]) -> None:
    """Fork for each order and say how the child ended."""
    _load()
    ASKING[:] = os.dup(0), os.dup(1)
    answers = os.fdopen(os.dup(1), "w")
    for line in orders:
        child = os.fork()
        if child == 0:
            try:
                _become(json.loads(line))
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.stdin)
