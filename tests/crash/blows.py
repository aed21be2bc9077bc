"""How the blows of the table are dealt: to the real program, which waits at the place where they fall."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support_erasure import table
from support_proxy import Proxy, proxy
from support_ruin import bring_back, halt
from support_wait import until
from support_whole import Done

from luactl import crm
from luactl.config import Profile, load_profile, save_profile
from luactl.connect import open_session
from luactl.errors import LuactlError
from luactl.tenant import find

from .acts import Act
from .points import Point
from .scene import Scene, run

WAITS = """SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
           AND application_name LIKE 'luactl %'"""
END_LOCK = """SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
              WHERE datname = current_database() AND application_name LIKE 'luactl-lock%'"""
PROGRAM = Path(__file__).parent.parent / "holder_program.py"
PAGE = os.sysconf("SC_PAGESIZE")
VISIT = "CustomerId,Date,Type,Text\n{},{},note,written meanwhile\n"
DAYS = ("2026-11-02T09:00:00Z", "2020-03-09T09:00:00Z")
"""Of the two visits that the CRM writes: one that is not due, and one that is."""
FREE = {"full": 0, "nearly full": 4}
"""Pages that are left on a disk."""


@dataclass
class Strike:
    """One blow, about to fall."""

    scene: Scene
    act: Act
    point: Point
    fence: Proxy
    after: ExitStack
    """What must be put right again before anybody looks."""
    fallen: bool = False
    wrote: list[str] = field(default_factory=list)
    """What became of what the CRM wrote."""

    @property
    def profile(self) -> Profile:
        return self.scene.home.profile

    def reached(self, pid: int) -> bool:
        """Deal the blow to the process that waits, now or a little later; tell whether it is to go on."""
        where = self.point.where
        if where.how in ("at", "torn"):
            return self.fall(pid)
        if where.how == "answer":
            self.fence.swallow(lambda: self.fall(pid))
        else:
            self._amid(pid)
        return True

    def fall(self, pid: int) -> bool:
        """Deal it. Returns whether the process is there to go on."""
        self.fallen = True
        for pattern, deal in BLOWS:
            if found := re.fullmatch(pattern, self.point.blow):
                return deal(self, pid, *found.groups()) is not False
        raise AssertionError(f"nobody knows how to deal {self.point.blow!r}")

    def _amid(self, pid: int) -> None:
        """Lock a table against the process, and strike when its server waits for it."""
        owner = self.after.enter_context(closing(self.scene.admin()))
        mode = "ACCESS EXCLUSIVE" if self.point.where.reading else "SHARE"
        owner.execute(f"BEGIN; LOCK TABLE {self.point.where.table} IN {mode} MODE".encode())

        def wait() -> None:
            until(lambda: owner.execute(WAITS.encode()).fetchone() is not None)
            self.fall(pid)
            with suppress(psycopg.OperationalError):  # it went with its server
                owner.execute("COMMIT")

        thread = Thread(target=wait)
        thread.start()
        self.after.callback(thread.join)


def deliver(scene: Scene, act: Act, point: Point) -> tuple[Done, Strike]:
    """Run an act and strike it; when this returns all is as it was around it: server, network, disks.

    Skips the test before anything begins where its blow cannot be dealt: a run would be left to wait.
    """
    if re.search("full|read-only", point.blow) and not can_mount():
        pytest.skip("only root can mount a disk, and not everywhere")
    with proxy(scene.server.port) as fence, ExitStack() as after:
        strike = Strike(scene, act, point, fence, after)
        prepare(strike)
        where = point.where
        done, steps = scene.striker.meet(
            *act.args(scene), "-o", "json", where=where.step, nth=where.nth, torn=where.how == "torn",
            act=strike.reached, stdin=act.stdin,
        )  # fmt: skip
    assert strike.fallen, f"{point} was never reached: {steps}, {done.err}"
    return done, strike


def prepare(strike: Strike) -> None:
    """Put the proxy before the server, and a program in the place of a holder that is to fail."""
    profile, paths = strike.profile, strike.scene.home.paths
    if strike.point.blow.startswith("holder 2: "):
        profile = as_program(strike)
    strike.after.callback(save_profile, paths, profile)
    save_profile(paths, replace(profile, dsn=make_conninfo(profile.dsn, port=strike.fence.port)))


# -- the blows -----------------------------------------------------------------------------------------------


def kill_luactl(strike: Strike, pid: int) -> bool:
    os.kill(pid, signal.SIGKILL)
    return False


def kill_server(strike: Strike, pid: int) -> None:
    halt(strike.scene.server, "kill")
    strike.after.callback(bring_back, strike.scene.server)


def cut(strike: Strike, pid: int) -> None:
    for pair in strike.fence.living():
        pair.cut()


def cut_lock(strike: Strike, pid: int) -> None:
    """End the connection that holds the lock of the tree."""
    with closing(strike.scene.admin()) as owner:
        owner.execute(END_LOCK)


def spoil_disk(strike: Strike, pid: int, what: str, number: str, how: str) -> None:
    """Let the folder of a holder or book lie on a disk that takes no more."""
    profile = strike.profile
    folder = (
        profile.books[int(number) - 1]
        if what == "book"
        else Path(profile.holders[int(number) - 1].removeprefix("file:"))
    )
    strike.after.enter_context(bad_disk(folder, how))


@cache
def can_mount() -> bool:
    """Whether this account can lay a disk over a folder here."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "--bind", folder, folder]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            return False
        subprocess.run(["umount", folder], check=True)
    return True


@contextmanager
def bad_disk(folder: Path, how: str) -> Iterator[None]:
    """Mount a disk over a folder that is read-only, full, or has a few pages left; what it had is on it."""
    if how == "read-only":
        mount = ["mount", "--bind", str(folder), str(folder)]
    else:
        pages = sum(-(-file.stat().st_size // PAGE) for file in folder.iterdir())
        mount = ["mount", "-t", "tmpfs", "-o", f"size={(pages + 1 + FREE[how]) * PAGE}", "tmpfs", str(folder)]
    copies = {file.name: file.read_bytes() for file in folder.iterdir()}
    subprocess.run(mount, check=True)
    try:
        if how == "read-only":
            subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        else:
            fill(folder, copies, FREE[how])
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, copies: dict[str, bytes], free: int) -> None:
    """Put the files there, and so much besides that only some pages are left."""
    for name, content in copies.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while shutil.disk_usage(folder).free > free * PAGE:
            filler.write(bytes(PAGE))


def as_program(strike: Strike) -> Profile:
    """Put a program that keeps roots in the place of the second holder; return the profile that names it."""
    folder = strike.scene.home.path / "keys" / "program"
    folder.mkdir(mode=0o700)
    run("key", "holder", "add", f"command:{sys.executable} -I -S {PROGRAM} {folder}", "--yes")
    run("key", "holder", "remove", strike.profile.holders[1], "--yes")
    strike.after.callback(mend, folder)
    return load_profile()


def mend(folder: Path) -> None:
    """Have the program do as it must from now on, and forget what it hid."""
    for file in (folder / "mode", *folder.glob("hidden-*")):
        file.unlink(missing_ok=True)


def misbehave(strike: Strike, pid: int, mode: str) -> None:
    (strike.scene.home.path / "keys" / "program" / "mode").write_text(mode)


def crm_writes(strike: Strike, pid: int) -> None:
    """Have the CRM write to the very person, who may be locked: it gets through, or is told no."""

    def write(day: str) -> None:
        number = "1" if strike.act.name == "erase" else "2"
        try:
            with open_session(command="crm interaction import") as session:
                visits = table(VISIT.format(number, day))
                report = crm.import_interactions(session, find(session, "smile"), visits, crm.Options())
            strike.wrote.append("imported" if report.imported else "rejected")
        except LuactlError as refusal:
            strike.wrote.append(refusal.what)

    for day in DAYS:
        thread = Thread(target=write, args=(day,))
        thread.start()
        strike.after.callback(thread.join)


BLOWS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("luactl killed", kill_luactl),
    ("server killed", kill_server),
    ("connections cut", cut),
    ("lock's connection cut", cut_lock),
    ("disk of (book) ([12]) (full|nearly full)", spoil_disk),
    ("(book|holder) ([12]) (read-only)", spoil_disk),
    ("holder 2: (.*)", misbehave),
    ("crm writes", crm_writes),
)
