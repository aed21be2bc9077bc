"""Strikes a command at its n-th step: the real program in a process of its own, forked from one that waits.

A step is what the engine names through Session.step, and what the interpreter says of files below the home:
opened for writing, written, synced, renamed, removed (docs/reference/failures.md). Run as a program it is the
process that waits; `Striker` talks to it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
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
        (self.folder / "in").write_bytes(stdin)
        order = {"args": args, "environ": dict(os.environ), "at": at, "how": how, **more}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({**order, "folder": str(self.folder)}) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        out, err, steps = ((self.folder / name).read_text() for name in ("out", "err", "steps"))
        return Done(code, out, err), steps.splitlines()


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
    reached: int = 0
    busy: bool = False
    ours: set[int] = field(default_factory=set)

    def __call__(self, name: str) -> None:
        if self.busy:
            return
        self.busy = True
        try:
            self.reached += 1
            self.steps.write(f"{name}\n")
            self.steps.flush()
            if self.reached == self.at:
                self.strike()
        finally:
            self.busy = False

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """Take what the interpreter reports for a step, if it changes a file of the home."""
        if event == "open" and isinstance(args[0], (str, bytes, os.PathLike)) and isinstance(args[2], int):
            if args[2] & (os.O_WRONLY | os.O_RDWR):
                self._file("open", args[0])
        elif event in FILE_EVENTS:
            self._file(event, args[FILE_EVENTS[event]])

    def _file(self, what: str, path: Any) -> None:
        name = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        if name.startswith(self.home):
            self(f"{what} {name.removeprefix(self.home)}")

    def descriptor(self, what: str, fd: int) -> None:
        """Take a call on an open file of the home for a step."""
        with suppress(OSError):
            self._file(what, Path(f"/proc/self/fd/{fd}").readlink())


def _terminate(admin: str) -> None:
    """End every server process that serves this command, and wait until they are gone."""
    import psycopg

    with closing(psycopg.connect(admin, autocommit=True)) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'luactl%'"
        )


def _strike_of(order: dict[str, Any]) -> Callable[[], None]:
    strikes: dict[str, Callable[[], Any]] = {
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "interrupt": lambda: signal.raise_signal(signal.SIGINT),
        "terminate": lambda: _terminate(order["admin"]),
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
    sys.addaudithook(count.audit)


def _watch(name: str, count: _Count) -> None:
    real = getattr(os, name)

    def call(fd: int, *args: Any) -> Any:
        count.descriptor(name, fd)
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
    _listen(_Count(order["at"], _strike_of(order), steps, order["environ"]["LUACTL_HOME"]))
    sys.argv = ["luactl", *order["args"]]
    from luactl.commands.main import main

    main()


def _load() -> None:
    """Load now what the children would each load anew."""
    from support_whole import verbs

    from luactl.commands import output  # noqa: F401
    from luactl.db import queries

    verbs()
    for noun in ("key", "ledger", "tenant", "crm", "erasure", "retention", "subject", "init", "schema"):
        queries(noun)
    import luactl.crm.customer
    import luactl.erasure.running
    import luactl.key.drop
    import luactl.retention.purging  # noqa: F401
    from luactl import certificate, init, key, ledger, tenant  # noqa: F401


def main(orders: Sequence[str] | IO[str]) -> None:
    """Fork for each order and say how the child ended."""
    _load()
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
