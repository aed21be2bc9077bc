"""The terminal UI as a whole program on a real pty: idle, leaving, falling, losing the connection."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from conftest import Connection, Home, TestServer, run_program
from support_erasure import practice
from support_terminal import Terminal, terminal

from luactl import ledger
from luactl.db import Session

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
SUSPEND = ("tenant", "suspend", "smile", "--reason", "audit", "--yes")
LUACTL = str(Path(sys.executable).with_name("luactl"))


@contextmanager
def opened(home: Home, clocks: str = "ledger waits") -> Iterator[Terminal]:
    """Open home and wait for the last thing that it looks up: the clocks."""
    with terminal([LUACTL, "tui"], home.environ) as seen:
        seen.until(clocks)
        assert seen.quiet(0.3)
        yield seen


def test_leaves_the_terminal_as_it_was(home: Home) -> None:
    with opened(home) as seen:
        assert not seen.restored
        seen.type("q")
        assert seen.ended() == 0
        assert seen.restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_leaves_the_terminal_as_it_was_when_asked_to_end(home: Home, number: int) -> None:
    with opened(home) as seen:
        os.kill(seen.process.pid, number)
        assert seen.ended() == 130
        assert seen.restored


def test_ctrl_c_leaves_from_everywhere(home: Home) -> None:
    with opened(home) as seen:
        seen.type("\x03")
        assert seen.ended() == 0
        assert seen.restored


def test_a_fault_restores_the_terminal_and_shows_no_values(home: Home, tmp_path: Path) -> None:
    fault = tmp_path / "fault.py"
    fault.write_text(
        "import sys; from luactl.tui import home\n"
        "def broken(self):\n    secret = 'p455word'\n    raise ValueError('broken')\n"
        "home.Home.heading = broken\n"
        "from luactl.commands.main import run; sys.exit(run(['tui']))\n"
    )
    with terminal([sys.executable, str(fault)], home.environ) as seen:
        assert seen.ended() == 1
        assert seen.restored
        assert b"unexpected ValueError: broken" in seen.drawn
        assert b"p455word" not in seen.drawn


def test_draws_nothing_when_nothing_changes(home: Home, admin: Connection) -> None:
    admin.execute("DELETE FROM ledger.pending")  # whose clock would be a minute older now and then
    with opened(home, "no clock runs") as seen:
        assert seen.read(2) == b""


def test_the_log_draws_nothing_until_something_happens(home: Home, session: Session) -> None:
    practice(session)
    ledger.integrate(session)
    with opened(home, "purge due") as seen:
        seen.type("G\r")
        seen.until("following")
        assert seen.quiet(0.3)
        assert seen.read(2) == b""
        assert run_program(home.environ, *SUSPEND).returncode == 0
        seen.until("tenant.suspend")


def test_a_key_in_a_list_draws_little(home: Home, session: Session) -> None:
    practice(session)
    with opened(home) as seen:
        before = len(seen.drawn)
        seen.type("j")
        assert seen.quiet(0.2)
        assert 0 < len(seen.drawn) - before < 800


def test_a_lost_connection_is_shown_and_mended_by_the_next_key(
    home: Home, server: TestServer, database: str
) -> None:
    with opened(home) as seen:
        with closing(server.admin()) as other:
            other.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
            other.execute(CUT, [database])
            seen.type("r")
            seen.until("connection lost")
            assert seen.quiet(0.3)
            other.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        with closing(server.admin(database)) as other:
            other.execute("DELETE FROM ledger.pending")  # something new to tell, once it is mended
        seen.type("j")
        seen.until("under a checkpoint")
        seen.type("q")
        assert seen.ended() == 0


def test_a_connection_that_died_idle_is_replaced_unseen(
    home: Home, server: TestServer, database: str
) -> None:
    with opened(home) as seen, closing(server.admin()) as other:
        other.execute(CUT, [database])
        with closing(server.admin(database)) as there:
            there.execute("DELETE FROM ledger.pending")
        seen.type("r")
        seen.until("under a checkpoint")
        assert b"connection lost" not in seen.drawn


def test_needs_a_terminal(cli: Callable[..., object]) -> None:
    done = cli("tui")
    assert getattr(done, "returncode", None) == 2
    assert "needs a terminal" in getattr(done, "stderr", "")


def test_without_a_profile_the_screen_is_never_taken(tmp_path: Path) -> None:
    environ = {**os.environ, "LUACTL_HOME": str(tmp_path)}
    with terminal([LUACTL, "tui"], environ) as seen:
        assert seen.ended() == 3
        assert b"no profile" in seen.drawn
        assert b"1049h" not in seen.drawn
