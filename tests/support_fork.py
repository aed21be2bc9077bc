"""Running luactl as often as tests do: each run is a process, forked from one that has the modules.

Loading them takes most of the time of a short command. What is loaded when is tried in test_startup.py, by
programs that begin from nothing.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.resources
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

PROGRAM = Path(sys.executable).parent / "luactl"
LEFT_OUT = ("luactl.tui", "luactl.demo")
OTHERS = (
    "aiosql",
    "psycopg",
    "rich.console",
    "rich.table",
    "tabulate",
    "typer",
    "tomlkit",
    "cryptography.x509",
)


class Nursery:
    """The process that has the modules, and from which runs are forked."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._line = ours
        self._lock = threading.Lock()
        atexit.register(self.close)

    def close(self) -> None:
        """End it; runs go on."""
        self._line.close()
        self._process.wait()

    def run(
        self, environ: dict[str, str], arguments: tuple[str, ...], stdin: str, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run luactl with these arguments, and return what came of it. Raises TimeoutExpired."""
        ours, theirs = socket.socketpair()
        with (
            tempfile.TemporaryFile() as said,
            tempfile.TemporaryFile() as told,
            tempfile.TemporaryFile() as put,
        ):
            put.write(stdin.encode())
            put.seek(0)
            order = json.dumps(
                {"environ": environ, "arguments": arguments, "folder": str(Path.cwd())}
            ).encode()
            with theirs, self._lock:
                fds = [theirs.fileno(), put.fileno(), said.fileno(), told.fileno()]
                socket.send_fds(self._line, [len(order).to_bytes(8, "big")], fds)
                self._line.sendall(order)
            with ours:
                code = self._await(ours, arguments, timeout)
            for file in (said, told):
                file.seek(0)
            return subprocess.CompletedProcess(
                [PROGRAM, *arguments], code, said.read().decode(), told.read().decode()
            )

    def _await(self, line: socket.socket, arguments: tuple[str, ...], timeout: float) -> int:
        line.settimeout(timeout)
        pid = int.from_bytes(line.recv(8), "big")
        try:
            answer = line.recv(8)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired([PROGRAM, *arguments], timeout) from None
        return int.from_bytes(answer, "big", signed=True)


def _serve(line: socket.socket) -> None:
    """Fork a keeper for each order, which forks the run and says how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        size, fds, _flags, _address = socket.recv_fds(line, 8, 4)
        if not size:
            return
        order = json.loads(_read(line, int.from_bytes(size, "big")))
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            line.close()
            _keep(order, fds)
        for fd in fds:
            os.close(fd)


def _read(line: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += line.recv(size - len(found))
    return found


def _keep(order: dict[str, Any], fds: list[int]) -> NoReturn:
    """Run luactl in a process of its own, and tell its number and then its end."""
    answer = socket.socket(fileno=fds[0])
    pid = os.fork()
    if not pid:
        answer.close()
        _become(order, fds[1:])
    for fd in fds[1:]:
        os.close(fd)
    answer.sendall(pid.to_bytes(8, "big"))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):  # nobody waits any more: the time was over
        answer.sendall(code.to_bytes(8, "big", signed=True))
    os._exit(0)


def _become(order: dict[str, Any], fds: list[int]) -> NoReturn:
    """Be luactl: with its arguments, environment and files, until its end."""
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.environ.clear()
    os.environ.update(order["environ"])
    os.chdir(order["folder"])
    sys.argv = [str(PROGRAM), *order["arguments"]]
    code = 1
    try:
        importlib.import_module("luactl.commands.entry").main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def load() -> None:
    """Load what commands load, so that no run has to."""
    import luactl
    from luactl.db import queries

    for name in OTHERS:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(luactl.__path__, "luactl.", onerror=lambda name: None):
        if not module.name.startswith(LEFT_OUT):
            importlib.import_module(module.name)
    for file in importlib.resources.files("luactl.sql").joinpath("queries").iterdir():
        queries(Path(file.name).stem)
    gc.collect()
    gc.freeze()  # so that no run copies all of it only to look through it


if __name__ == "__main__":
    load()
    _serve(socket.socket(fileno=int(sys.argv[1])))
