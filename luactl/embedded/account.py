"""Who the server runs as: Postgres refuses root, so root lends it an account without rights.

Nothing of another's is made accessible for that: the server gets its data directory as working
directory, so no folder above it need let the account through, and the binaries, if they lie where the
account cannot reach them, are copied once to a place of our own.
"""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import NoConnectionError

CANDIDATES = ("luactl", "postgres", "nobody")
SHARED_BINARIES = Path("/var/lib/luactl")
HERE = "/proc/self/cwd"


@dataclass(frozen=True)
class Account:
    """The operating system account that owns the data directory and runs the server."""

    uid: int
    gid: int

    @property
    def folder_mode(self) -> int:
        """Mode of the folder around the data directory: passable for another account, readable never."""
        return 0o700 if self.is_us else 0o711

    @property
    def is_us(self) -> bool:
        """Whether no change of account is needed."""
        return self.uid == os.geteuid()

    def popen_options(self, data: Path) -> dict[str, Any]:
        """Return what subprocess needs to run a program as this account, inside the data directory."""
        options: dict[str, Any] = {"cwd": data, "umask": 0o077, "env": environment()}
        if not self.is_us:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def data_argument(self, data: Path) -> str:
        """Return how the account names its data directory: through its cwd if no path leads there."""
        open_to_all = all(parent.stat().st_mode & 0o001 for parent in data.absolute().parents)
        return str(data) if self.is_us or open_to_all else HERE

    def give(self, path: Path | int) -> None:
        """Make the account the owner of one file, folder or open descriptor of ours."""
        if not self.is_us:
            os.chown(path, self.uid, self.gid)


def read_theirs(data: Path, file: Path) -> bytes:
    """Return a file in a data directory, where its account may lay what it likes: only a plain one.

    A link there, followed by root, would hand the account what only root may read. Raises FileNotFoundError,
    NoConnectionError for anything else than such a file, OSError.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _not_theirs(file) from None
        raise
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        ours = found.st_uid == os.geteuid() and found.st_nlink == 1  # else: a second name of another file
        if not stat.S_ISREG(found.st_mode) or not (ours or found.st_uid == data.stat().st_uid):
            raise _not_theirs(file)
        return opened.read()


def _not_theirs(file: Path) -> NoConnectionError:
    return NoConnectionError(
        f"{file} is no plain file of the account that runs the server",
        hint="find out who put it there; nothing was read from it",
    )


def environment() -> dict[str, str]:
    """Return the little that the server may know of our environment: no PG* or LUACTL_* variable."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def choose_account(data: Path) -> Account:
    """Return the owner of an existing data directory, else ourselves, else (for root) the first candidate.

    Raises NoConnectionError when the directory belongs to somebody whom we cannot act for.
    """
    ours = Account(os.geteuid(), os.getegid())
    try:
        found = data.stat()
    except FileNotFoundError:
        return ours if ours.uid else _lent_account()
    except PermissionError:
        raise NoConnectionError(
            f"no right to enter {data.parent}", hint="run luactl as the person whose database this is"
        ) from None
    if found.st_uid == 0:
        raise NoConnectionError(f"{data} belongs to root", hint="give it to the account that runs the server")
    if ours.uid not in (0, found.st_uid):
        raise NoConnectionError(
            f"the database in {data} belongs to another account",
            hint="run luactl as that account, or as root",
        )
    return Account(found.st_uid, found.st_gid)


def _lent_account() -> Account:
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid:
            return Account(entry.pw_uid, entry.pw_gid)
    raise NoConnectionError(
        "Postgres refuses to run as root, and there is no account to lend it to",
        hint=f"create one: useradd --system {CANDIDATES[0]}",
    )


def reachable_binaries(bindir: Path, account: Account, say: Callable[[str], None]) -> Path:
    """Return a folder with the server's programs that the account can run, copying them if it must.

    `say` hears of the copy. Raises NoConnectionError when the programs cannot run at all.
    """
    if account.is_us or _runs(bindir, account):
        return bindir
    copy = SHARED_BINARIES / f"postgres-{_version(bindir)}"
    if not copy.is_dir():
        say(f"copying Postgres to {copy}, because the account that runs it cannot reach {bindir}")
        _copy(bindir.parent, copy)
    if not _runs(copy / "bin", account):
        raise NoConnectionError(
            f"the account with uid {account.uid} cannot run {copy}/bin/postgres",
            hint=f"let it pass through {SHARED_BINARIES}, or move that folder out of the way",
        )
    return copy / "bin"


def _runs(bindir: Path, account: Account) -> bool:
    options = account.popen_options(Path("/"))
    command = [str(bindir / "postgres"), "--version"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, **options)
    except PermissionError:
        return False
    return bool(done.returncode == 0)


def _version(bindir: Path) -> str:
    command = [str(bindir / "postgres"), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    return f"{done.stdout.split()[2]}-{sys.platform}"


def _copy(tree: Path, target: Path) -> None:
    """Copy the programs, complete or not at all, readable and runnable by everybody."""
    SHARED_BINARIES.mkdir(mode=0o755, exist_ok=True)
    SHARED_BINARIES.chmod(0o755)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copytree(tree, fresh, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        if not target.is_dir():
            fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
