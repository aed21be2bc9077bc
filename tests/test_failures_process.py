"""Bad days of the process: signals, closed streams, cron's bare environment, full disks of this host."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from conftest import Connection, Home, TestServer
from support_failures import (
    CREATE,
    T,
    erasing,
    listening,
    met,
    once,
    practice,
    sound,
    until,
    until_nobody_is_there,
)
from support_whole import Done, changes, luactl, snapshot

PROGRAM = [sys.executable, "-m", "luactl.commands.main"]
PATIENCE = 60
WAITING = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'luactl %' AND wait_event_type = 'Lock'"


@pytest.fixture
def smile(home: Home, tmp_path: Path) -> str:
    """The subject id of somebody in a tenant with history."""
    return practice(tmp_path, "interaction")


# -- signals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (signal.SIGINT, "Ctrl-C"),
        (signal.SIGTERM, "SIGTERM, as of systemd"),
        (signal.SIGHUP, "SIGHUP, as of SSH that drops"),
    ],
)
def test_a_signal_ends_the_servers_work_too(
    home: Home,
    server: TestServer,
    database: str,
    admin: Connection,
    smile: str,
    number: signal.Signals,
    failure: str,
) -> None:
    before = snapshot(admin)
    with closing(server.admin(database)) as other, other.transaction():
        other.execute("SELECT FROM crm.interaction FOR UPDATE")
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [*PROGRAM, *erasing(smile)], env=home.environ, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        ) as process:
            until(lambda: admin.execute(WAITING).fetchone() is not None)
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)
        met(Done(process.returncode, out.decode(), err.decode()), failure)
        until_nobody_is_there(admin)  # while the other one still holds what was waited for
    assert changes(before, snapshot(admin)) == []
    assert luactl(*erasing(smile)).code == 0
    sound()


@pytest.mark.parametrize("step", ["root placed at holder 1", "rows changed", "epoch committed", "read back"])
def test_ctrl_c_at_a_step(home: Home, admin: Connection, smile: str, step: str) -> None:
    with listening(once(step, lambda: signal.raise_signal(signal.SIGINT))):
        met(luactl(*erasing(smile)), "Ctrl-C")
    until_nobody_is_there(admin)
    assert luactl(*erasing(smile)).code == 0
    sound()


# -- streams -------------------------------------------------------------------------------------------------


def shell(home: Home, line: str, **environ: str) -> Done:
    """Run a line of sh in which $L is luactl."""
    done = subprocess.run(
        ["sh", "-c", line.replace("$L", " ".join(PROGRAM))],
        env={**home.environ, **environ},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=PATIENCE,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_the_reader_leaves(home: Home, smile: str) -> None:
    """`luactl … | head`: the change is made, or it is a list and nobody wants the rest of it."""
    with subprocess.Popen(
        [*PROGRAM, "log", "search", "--limit", "0"],
        env=home.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read().decode()
        process.wait(PATIENCE)
    met(Done(process.returncode, "", err), "the reader of the output leaves")


@pytest.mark.parametrize(
    ("closed", "failure"),
    [
        ("<&-", "standard input closed"),
        (">&-", "standard output closed"),
        ("2>&-", "standard error closed"),
    ],
)
def test_closed_streams(home: Home, admin: Connection, closed: str, failure: str) -> None:
    """The change is made whatever becomes of its telling."""
    met(shell(home, f"$L {' '.join(CREATE)} {closed}"), failure)
    assert admin.execute("SELECT slug FROM lua.tenant").fetchall() == [("smile",)]


def test_nobody_is_there_to_ask(home: Home, smile: str) -> None:
    met(shell(home, f"$L {' '.join(erasing(smile)[:-1])} <&-"), "nobody there to ask, and no `--yes`")


# -- what cron gives -----------------------------------------------------------------------------------------


def bare(home: Home, *args: str, **environ: str) -> Done:
    """Run a command with nothing in its environment but this."""
    done = subprocess.run(
        [*PROGRAM, *args],
        env=environ,
        cwd="/",
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=PATIENCE,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_cron_has_nothing(home: Home, smile: str) -> None:
    met(bare(home, "tenant", "list", LANG="C"), "no HOME")
    found = bare(home, "crm", "customer", "list", *T, LANG="C", LUACTL_HOME=str(home.path))
    assert "Ångström" in met(found, "no TERM, LANG=C").out


# -- disks of this host --------------------------------------------------------------------------------------


def with_limit(home: Home, size: int, *args: str) -> Done:
    """Run a command that can write no file beyond that size, as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = subprocess.run(
        [*PROGRAM, *args],
        env=home.environ,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=PATIENCE,
        preexec_fn=limit,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_the_config_cannot_be_written(home: Home) -> None:
    before = home.paths.config_file.read_text()
    args = ("profile", "add", "other", "--dsn", "service=other", "--yes")
    met(with_limit(home, 10, *args), "disk of config.toml full")
    assert home.paths.config_file.read_text() == before
    assert not [one for one in home.paths.config.iterdir() if one.name.endswith(".new")]
    assert luactl(*args).code == 0


@pytest.mark.parametrize(("size", "failure"), [(100, "disk of a holder full"), (1000, "disk of a book full")])
def test_keys_cannot_be_written(home: Home, admin: Connection, smile: str, size: int, failure: str) -> None:
    """A root has 256 bytes, a key book many thousands."""
    before = snapshot(admin)
    met(with_limit(home, size, *erasing(smile)), failure)
    if "holder" in failure:
        assert changes(before, snapshot(admin)) == []
    assert luactl(*erasing(smile)).code == 0
    sound()


def test_an_anchor_cannot_be_written(home: Home, admin: Connection) -> None:
    assert luactl(*CREATE).code == 0
    met(with_limit(home, 1, "ledger", "integrate"), "disk of an anchor full")
    assert admin.execute("SELECT count(*) FROM ledger.pending").fetchone() == (0,)
    assert luactl("ledger", "integrate").code == 0
    sound()


def test_standard_output_is_on_a_full_disk(home: Home) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, "log", "search"],
            env=home.environ,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=PATIENCE,
        )
    met(Done(done.returncode, "", done.stderr.decode()), "disk of the output full")
