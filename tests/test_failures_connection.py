"""Bad days of the network: connections that are refused, cut, swallowed or never answered."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from conftest import Connection, Home, TestServer
from psycopg.conninfo import make_conninfo
from support_failures import (
    CREATE,
    erasing,
    listening,
    met,
    once,
    practice,
    sound,
    until_nobody_is_there,
)
from support_proxy import Proxy, proxy
from support_wait import PATIENCE, until
from support_whole import Done, changes, luactl, snapshot

from luactl.config import save_profile
from luactl.connect import dial
from luactl.key.holder import open_holders

KEEPALIVE = (60, 15, 4)


@pytest.fixture
def between(home: Home, server: TestServer) -> Iterator[Proxy]:
    """A proxy that every command goes through."""
    with proxy(server.port) as made:
        dsn = make_conninfo(home.profile.dsn, port=made.port, connect_timeout=2)
        save_profile(home.paths, replace(home.profile, dsn=dsn))
        yield made


@pytest.fixture
def smile(between: Proxy, tmp_path: Path) -> str:
    """The subject id of somebody."""
    return practice(tmp_path)


@pytest.mark.parametrize(
    ("how", "failure"),
    [("reset", "connection cut at connecting"), ("silent", "nobody answers at connecting")],
)
def test_connecting(between: Proxy, how: str, failure: str) -> None:
    between.refuses = how
    for args in (CREATE, ("tenant", "list"), ("ledger", "integrate")):
        met(luactl(*args), failure)
    between.refuses = None
    assert luactl(*CREATE).code == 0


def cut_all(between: Proxy) -> None:
    for pair in between.living():
        pair.cut()


def test_during_a_query(between: Proxy, admin: Connection) -> None:
    """The server is at work, and the client waits for it, when the connection goes."""
    done: list[Done] = []
    with closing(psycopg.connect(admin.info.dsn, password=admin.info.password, autocommit=True)) as other:
        with other.transaction():
            other.execute("LOCK TABLE lua.tenant IN EXCLUSIVE MODE")
            waits = "SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"

            def cut() -> None:
                until(lambda: admin.execute(waits).fetchone() is not None)
                cut_all(between)

            cutter = Thread(target=cut)
            cutter.start()
            done.append(luactl(*CREATE))
            cutter.join()
        met(done[0], "connection cut during a query")
    until_nobody_is_there(admin)
    assert admin.execute("SELECT count(*) FROM lua.tenant").fetchone() == (0,)
    assert luactl(*CREATE).code == 0
    sound()


def test_between_statements(home: Home, between: Proxy, admin: Connection, smile: str) -> None:
    before = snapshot(admin)
    with listening(once("rows changed", lambda: cut_all(between))):
        met(luactl(*erasing(smile)), "connection cut between statements")
    until_nobody_is_there(admin)
    assert changes(before, snapshot(admin)) == []
    assert [holder.epochs() for holder in open_holders(home.profile.holders)] == [[1]]
    assert luactl(*erasing(smile)).code == 0
    sound()


def lost_commit(between: Proxy, step: str, of: int = 1) -> Callable[[str], None]:
    """Return a listener that loses the answer to the COMMIT which follows the `of`-th such step."""
    seen: list[str] = []

    def listen(now: str) -> None:
        if now == step:
            seen.append(now)
            if len(seen) == of:
                between.swallow()

    return listen


def test_a_lost_answer_to_commit(between: Proxy, admin: Connection) -> None:
    """The tenant is there, nobody was told, and whoever asks again hears so."""
    count: list[str] = []
    with listening(count.append):
        assert luactl(*CREATE, "--dry-run").code == 0
    first = count.count("about to commit")
    commits = iter(range(1, 100))
    for number in commits:
        with listening(lost_commit(between, "about to commit", first + number)):
            done = luactl(*CREATE)
        until_nobody_is_there(admin)
        if done.code in (0, 1):
            break
        met(done, "answer to COMMIT lost")
    assert number > 1
    assert "already" in done.err
    assert admin.execute("SELECT count(*) FROM lua.tenant").fetchone() == (1,)
    assert admin.execute("SELECT count(*) FROM ledger.entry WHERE action = 'tenant.create'").fetchone() == (
        1,
    )
    sound()


def test_a_lost_answer_to_the_commit_of_an_epoch(between: Proxy, admin: Connection, smile: str) -> None:
    """The keys are dropped, the old root is not yet; running it again finishes it."""
    with listening(once("nodes rewritten", between.swallow)):
        met(luactl(*erasing(smile)), "answer to COMMIT lost")
    until_nobody_is_there(admin)
    assert admin.execute("SELECT state FROM lua.erasure").fetchall() == [("intent",)]
    assert "key recover" in luactl("doctor").out
    done = luactl(*erasing(smile), "-o", "json")
    assert (done.code, done.data["outcome"]) == (0, "finished")
    sound()


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        ("tree locked", "connection of the lock cut before the commit"),
        ("epoch committed", "connection of the lock cut after the commit"),
    ],
)
def test_the_second_connection_of_a_lock(
    between: Proxy, admin: Connection, smile: str, step: str, failure: str
) -> None:
    locks: list[str] = []

    def cut_the_lock(now: str) -> None:
        # The first lock of the tree is that of the recovery which precedes every erasure.
        locks.extend([now] if now == "tree locked" else [])
        if now == step and len(locks) == 2:
            between.living()[-1].cut()
            holders = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'luactl-lock%'"
            until(lambda: admin.execute(holders).fetchone() is None)

    with listening(cut_the_lock):
        met(luactl(*erasing(smile)), failure)
    until_nobody_is_there(admin)
    assert luactl(*erasing(smile)).code == 0
    sound()


def test_a_peer_that_vanished_is_noticed(home: Home) -> None:
    """A firewall that forgets a connection tells nobody: only keepalives find out."""
    names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    for dsn, told in (
        (home.profile.dsn, KEEPALIVE),
        (
            make_conninfo(home.profile.dsn, keepalives_idle=7, keepalives_interval=8, keepalives_count=9),
            (7, 8, 9),
        ),
    ):
        with (
            closing(dial(dsn, passfile=home.profile.passfile, profile="test", command="test")) as conn,
            socket.socket(fileno=socket.dup(conn.fileno())) as line,
        ):
            assert tuple(line.getsockopt(socket.IPPROTO_TCP, name) for name in names) == told


def test_following_goes_on(between: Proxy, home: Home, smile: str) -> None:
    """Both its connections are cut; what was written meanwhile comes when it is back, and Ctrl-C ends it."""
    program = str(Path(sys.executable).parent / "luactl")
    command = [program, "-o", "jsonl", "log", "tail", "-f", "-n", "0", "action:tenant.*"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=home.environ, **pipes) as running:  # type: ignore[call-overload]
        until(lambda: len(between.living()) == 2)
        assert luactl("tenant", "suspend", "smile", "--reason", "bills", "--yes").code == 0
        assert json.loads(running.stdout.readline())["action"] == "tenant.suspend"
        between.refuses = "reset"
        cut_all(between)
        assert "trying again" in running.stderr.readline() + running.stderr.readline()
        between.refuses = None
        assert luactl("tenant", "resume", "smile", "--yes").code == 0
        assert json.loads(running.stdout.readline())["action"] == "tenant.resume"
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE)
    met(Done(running.returncode, out, err), "connection lost while following the log")
    assert out == ""
