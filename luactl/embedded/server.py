"""The life of an embedded server: started when needed, recovered after a crash, stopped on demand.

`postmaster.pid` in the data directory is the one source of what runs where; it is believed only when
the process it names is a Postgres of the account that owns the directory.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..config import private_folder
from ..errors import BusyError, LuactlError, NoConnectionError
from .account import choose_account, reachable_binaries, read_theirs
from .cluster import SUPERUSER, Server, create, major_version, prepare

START_SECONDS = 60.0
STOP_SECONDS = 60.0
LOCK_SECONDS = 90.0
LOG_SECONDS = 5.0
POLL_SECONDS = 0.01
# The processes of a killed server have not ended yet, or somebody took the port meanwhile.
PASSING_REASONS = ("pre-existing shared memory", "could not bind", "lock file")
ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Postmaster:
    """What postmaster.pid says of a living server."""

    pid: int
    port: int
    ready: bool


@dataclass(frozen=True)
class Status:
    """An embedded server as `luactl embedded status` shows it."""

    running: bool
    pid: int | None
    port: int | None
    version: str
    """Version of the data directory (the major one)."""
    data_directory: str
    account: str
    """Operating system account that owns the directory and runs the server."""


def conninfo(server: Server, database: str, user: str, passfile: Path) -> str:
    """Return libpq options for the server, without the port; TLS is verified against its own certificate."""
    from psycopg.conninfo import make_conninfo

    options = {
        "host": "localhost",
        "hostaddr": ADDRESS,
        "dbname": database,
        "user": user,
        "passfile": str(passfile),
    }
    if server.tls:
        tls = {"sslmode": "verify-full", "sslrootcert": str(server.certificate), "channel_binding": "require"}
    else:
        tls = {"sslmode": "disable"}
    return make_conninfo(**options, **tls, gssencmode="disable")


def superuser_conninfo(server: Server, database: str, port: int) -> str:
    """Return libpq options for the bootstrap superuser."""
    return f"{conninfo(server, database, SUPERUSER, server.superuser_passfile)} port={port}"


def running_port(server: Server) -> int | None:
    """Return the port of a server that runs and takes connections, else None. Costs a file read."""
    found = _postmaster(server)
    return found.port if found and found.ready else None


def start(server: Server, say: Callable[[str], None] = lambda text: None, *, may_create: bool = False) -> int:
    """Make sure that the server runs and return its port; several processes may do so at once.

    `say` hears of what takes a while. `may_create` allows a first initdb. Raises NoConnectionError when
    it does not come up, BusyError when another process holds the lock for too long.
    """
    port = running_port(server)
    if port:
        return port
    if not may_create and not server.base.is_dir():
        raise NoConnectionError(f"there is no embedded database in {server.base}", hint="run `luactl init`")
    try:
        if not server.base.is_dir():
            private_folder(server.base)
        with locked(server.base / "lock"):
            return _start(server, say, may_create)
    except OSError as error:
        raise LuactlError(
            f"cannot start the embedded database: {error.strerror}: {error.filename or server.base}",
            hint="make room on that disk and see to it that you may write there; then run it again",
        ) from error


def _start(server: Server, say: Callable[[str], None], may_create: bool) -> int:
    """Start the server; the caller holds its lock."""
    account = choose_account(server.data)
    bindir = reachable_binaries(server.bindir, account, say)
    if not server.data.is_dir():
        if not may_create:
            raise NoConnectionError(f"there is no database in {server.data}", hint="run `luactl init`")
        say(f"making a database in {server.data}")
        create(server, account, bindir)
    _check_version(server, bindir)
    deadline, said = time.monotonic() + START_SECONDS, ""
    while time.monotonic() < deadline:
        found = _postmaster(server)
        if found is None:
            (server.data / "postmaster.pid").unlink(missing_ok=True)
            prepare(server, account)
            pid = _launch(server, bindir)
            found = _wait_for_launch(server, pid, deadline)
            said = _said(server, pid) if found else _why(server, pid)
            if found is None and not any(reason in said for reason in PASSING_REASONS):
                break
        if found and found.ready:
            return found.port
        time.sleep(POLL_SECONDS)
    raise NoConnectionError(
        f"the embedded database did not start: {_last_words(said)}",
        hint=f"see `luactl embedded log` and {server.start_log}",
    )


def _check_version(server: Server, bindir: Path) -> None:
    have, need = major_version(bindir), int(_version_text(server))
    if have != need:
        raise NoConnectionError(
            f"the database in {server.data} was made by Postgres {need}, this luactl brings Postgres {have}",
            hint=f"install a luactl with Postgres {need}, or dump the database there and restore it here",
        )


def _version_text(server: Server) -> str:
    return read_theirs(server.data, server.data / "PG_VERSION").decode("ascii", "replace").strip()


def _launch(server: Server, bindir: Path) -> int:
    """Set the server going in a session of its own and return its pid.

    The shell in between leaves it without a parent that would have to wait for its end.
    """
    account = choose_account(server.data)
    command = [str(bindir / "postgres"), "-D", account.data_argument(server.data), "-p", str(_free_port())]
    shell = ["/bin/sh", "-c", '"$@" </dev/null >&2 & echo $!', "sh", *command]
    options = account.popen_options(server.data)
    with os.fdopen(os.open(server.start_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
        done = subprocess.run(
            shell, stdout=subprocess.PIPE, stderr=log, start_new_session=True, check=True, **options
        )
    return int(done.stdout)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def _wait_for_launch(server: Server, pid: int, deadline: float) -> Postmaster | None:
    """Wait until the new server is ready (returned) or has given up (None)."""
    while time.monotonic() < deadline:
        found = _postmaster(server)
        if found and found.ready:
            return found
        if _ended(pid):
            return None
        time.sleep(POLL_SECONDS)
    return None


def _ended(pid: int) -> bool:
    """Whether a process of ours has ended, or waits as a zombie to be asked how.

    Its command line does not tell: a process that is just becoming a server has none for a moment.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        status = "" if Path("/proc/self").exists() else _ps("stat=", pid)
    return status.rpartition(")")[2].strip()[:1] in ("", "Z", "X")


def _postmaster(server: Server) -> Postmaster | None:
    """Return the living server of the data directory, None if there is none."""
    try:
        text = read_theirs(server.data, server.data / "postmaster.pid").decode("utf-8", "replace")
        owner = server.data.stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise NoConnectionError(
            f"no right to look into {server.data}", hint="run luactl as the person whose database this is"
        ) from None
    lines = text.splitlines()
    if not lines or not lines[0].isdigit() or not _is_postgres(int(lines[0]), owner):
        return None
    port = int(lines[3]) if len(lines) > 3 and lines[3].isdigit() else 0
    ready = len(lines) > 7 and lines[7].strip() == "ready"
    return Postmaster(int(lines[0]), port, ready and port > 0)


def _is_postgres(pid: int, owner: int) -> bool:
    """Whether it is a living Postgres of that account: numbers are used again, zombies keep theirs."""
    process = Path(f"/proc/{pid}")
    if not Path("/proc/self").exists():
        uid, _, name = _ps("uid=,comm=", pid).partition(" ")
        return uid == str(owner) and name.endswith("postgres")
    try:
        return process.stat().st_uid == owner and b"postgres" in (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _ps(columns: str, pid: int) -> str:
    """Ask of a process where there is no /proc; return nothing when it is not there."""
    command = ["ps", "-o", columns, "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _why(server: Server, pid: int) -> str:
    """Return what a server process said that has ended: its last words come by another process."""
    deadline = time.monotonic() + LOG_SECONDS
    while "FATAL: " not in (said := _said(server, pid)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return said


def _said(server: Server, pid: int) -> str:
    """Return what a server process said: before its log was open, and in the log."""
    early = server.start_log.read_text(encoding="utf-8", errors="replace")
    return "\n".join([early, *(line for line in log_lines(server, 200) if f"[{pid}]" in line)])


def _last_words(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    fatal = [line.partition("FATAL: ")[2].strip() for line in lines if "FATAL: " in line]
    return (fatal or lines or ["it gave no reason"])[-1]


def stop(server: Server) -> bool:
    """Stop the server and wait for its end; open transactions are rolled back. Returns whether one ran.

    Raises BusyError when it has not ended in time.
    """
    if not server.data.is_dir():
        return False
    with locked(server.base / "lock"):
        found = _postmaster(server)
        if found is None:
            return False
        os.kill(found.pid, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if _postmaster(server) is None:
                return True
            time.sleep(POLL_SECONDS)
    raise BusyError(f"the embedded database (pid {found.pid}) has not stopped yet", hint="run it again")


def status(server: Server) -> Status:
    """Return what is known of the server without starting it. Raises NoConnectionError when there is none."""
    import pwd

    try:
        version = _version_text(server)
    except FileNotFoundError:
        raise NoConnectionError(f"there is no database in {server.data}", hint="run `luactl init`") from None
    except PermissionError:
        version = "unknown"
    found = _postmaster(server)
    uid = server.data.stat().st_uid
    try:
        account = pwd.getpwuid(uid).pw_name
    except KeyError:
        account = str(uid)
    return Status(
        running=found is not None and found.ready,
        pid=found.pid if found else None,
        port=found.port if found else None,
        version=version,
        data_directory=str(server.data),
        account=account,
    )


def log_lines(server: Server, count: int) -> list[str]:
    """Return the newest lines of the server's log, oldest first, at most `count`.

    Raises NoConnectionError where something else lies in its place.
    """
    lines: list[str] = []
    for file in sorted((server.data / "log").glob("*.log"), reverse=True):
        lines = read_theirs(server.data, file).decode("utf-8", "replace").splitlines()[-count:] + lines
        if len(lines) >= count:
            break
    return lines[-count:] if count else []


@contextmanager
def locked(path: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold a lock file, which ends with the process, against other luactls. Raises BusyError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BusyError(f"another luactl holds {path}", hint="wait for it to end") from None
                time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
