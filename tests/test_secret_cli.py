"""`luactl secret` on the command line: values by standard input or prompt, shown by nothing but `reveal`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from conftest import Connection, Home, TestServer
from support_terminal import terminal
from support_whole import Done, changes, luactl, snapshot

Cli = Callable[..., subprocess.CompletedProcess[str]]
T = ("--tenant", "smile")
PROGRAM = [sys.executable, "-m", "luactl.commands.main"]
VALUE = "Xk7-zwölf"


@pytest.fixture(autouse=True)
def smile(home: Home) -> None:
    done = luactl("tenant", "create", "smile", "--name", "S", "--country", "DE", "--contact", "office")
    assert done.code == 0, done.err


def said(done: Done | subprocess.CompletedProcess[str]) -> str:
    return done.out + done.err if isinstance(done, Done) else done.stdout + done.stderr


def test_a_value_comes_by_standard_input_and_shows_nowhere(cli: Cli) -> None:
    for verb in ("put", "rotate"):
        done = cli("secret", verb, "smtp.password", *T, "--debug", "-o", "json", stdin=f"{VALUE}\n")
        assert done.returncode == 0, done.stderr
        assert VALUE not in said(done)
    assert VALUE not in said(cli("secret", "list", *T, "--all", "-o", "csv"))
    shown = cli("secret", "reveal", "smtp.password", *T, "--purpose", "mail is late")
    assert (shown.stdout, shown.stderr) == (f"{VALUE}\n", "")
    assert luactl("secret", "reveal", "smtp.password", *T, "--purpose", "x", "-o", "json").data == {
        "value": VALUE
    }


def test_many_lines_stay_as_they_are(cli: Cli) -> None:
    value = "-----BEGIN KEY-----\n  MIIE\n\n-----END KEY-----\n"
    assert cli("secret", "put", "key", *T, stdin=value + "\n").returncode == 0
    assert luactl("secret", "reveal", "key", *T, "--purpose", "x", "-o", "json").data["value"] == value


@pytest.mark.parametrize("stdin", [b"", b"\n", b"\xff\xfe\n", b"a\0b", b"x" * 20_000])
def test_what_cannot_be_kept_is_refused_and_not_repeated(admin: Connection, stdin: bytes) -> None:
    before = snapshot(admin)
    done = luactl("secret", "put", "smtp", *T, stdin=stdin)
    assert done.code == 2
    assert "hint: " in done.err
    assert "xxxx" not in done.err
    assert changes(before, snapshot(admin)) == []


def test_a_plan_needs_no_value(admin: Connection) -> None:
    before = snapshot(admin)
    done = luactl("secret", "put", "smtp", *T, "--days", "30", "--dry-run", "-o", "json")
    assert (done.code, done.data["outcome"]) == (0, "put")
    assert changes(before, snapshot(admin)) == []
    assert luactl("secret", "put", "smtp", *T, stdin=b"x").code == 0
    assert luactl("secret", "put", "smtp", *T, "--dry-run").code == 1
    assert luactl("secret", "rotate", "smtp", *T, "--dry-run").code == 0


def test_a_prompt_asks_twice_and_echoes_nothing(home: Home) -> None:
    command = [*PROGRAM, "secret", "put", "smtp", *T]
    for second, code in (("other", 2), (VALUE, 0)):
        with terminal(command, home.environ) as screen:
            screen.until("smtp:")
            screen.type(f"{VALUE}\n")
            screen.until("again:")
            screen.type(f"{second}\n")
            assert screen.ended() == code
            assert VALUE.encode() not in screen.drawn
    assert luactl("secret", "reveal", "smtp", *T, "--purpose", "x").out == f"{VALUE}\n"


def test_what_would_steer_the_terminal_is_made_visible(home: Home) -> None:
    luactl("secret", "put", "smtp", *T, stdin=b"a\x1b[31mb")
    with terminal([*PROGRAM, "secret", "reveal", "smtp", *T, "--purpose", "x"], home.environ) as screen:
        assert screen.ended() == 0
        assert b"a\\x1b[31mb" in screen.drawn


def test_a_token_is_shown_once_and_recognised(cli: Cli) -> None:
    made = luactl("secret", "issue", "api", *T, "--scope", "contact.read", "-o", "json").data
    token = made["token"]
    assert token.startswith("lua_")
    for again in (luactl("secret", "list", *T, "-o", "json"), luactl("log", "search", "-o", "json")):
        assert token not in said(again)
    found = cli("secret", "find", "-o", "json", stdin=f"{token}\n")
    assert found.returncode == 0
    assert token not in said(found)
    assert luactl("secret", "find", token[4:12], "-o", "json").data["tenant"] == "smile"
    in_argv = luactl("secret", "find", token)
    assert (in_argv.code, token in said(in_argv)) == (2, False)
    assert luactl("secret", "find", "aaaaaaaa").code == 1


def test_ending_asks(cli: Cli) -> None:
    luactl("secret", "issue", "api", *T, "--scope", "contact.read")
    for words in (("revoke", "api", *T, "--reason", "x"), ("rotate", "api", *T, "--overlap", "0")):
        done = luactl("secret", *words)
        assert (done.code, "--yes required" in done.err) == (2, True)
        assert luactl("secret", *words, "--dry-run").code == 0
    assert luactl("secret", "revoke", *T, "--reason", "x", "--yes").code == 2
    assert luactl("secret", "revoke", *T, "--reason", "x", "--all", "--yes").code == 0
    assert luactl("secret", "list", *T, "-o", "json").data == []


def test_who_has_no_right_hears_so(login: Callable[..., object], home: Home) -> None:
    from dataclasses import replace

    from luactl.config import save_profile
    from luactl.db import Session

    auditor = login("lua_auditor")
    assert isinstance(auditor, Session)
    save_profile(home.paths, replace(auditor.profile, name="other"))
    luactl("secret", "put", "smtp", *T, stdin=b"x")
    for words in (
        ("put", "imap", *T),
        ("reveal", "smtp", *T, "--purpose", "x"),
        ("revoke", "smtp", *T, "--reason", "x", "--yes"),
        ("issue", "api", *T, "--scope", "a.b"),
    ):
        done = luactl("--profile", "other", "secret", *words, stdin=b"value of imap")
        assert (done.code, "you have no right" in done.err) == (5, True), done.err
        assert "value of imap" not in done.err


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_ended_in_the_middle_nothing_is_half_done(
    home: Home, server: TestServer, database: str, admin: Connection, blow: signal.Signals
) -> None:
    """Held at the row that it replaces, after the ledger's entry: neither stays."""
    luactl("secret", "put", "smtp", *T, stdin=b"old")
    before = snapshot(admin)
    waits = f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'"
    with closing(server.admin(database)) as other:
        with other.transaction():
            other.execute("SELECT FROM lua.secret FOR UPDATE")
            command = [*PROGRAM, "secret", "rotate", "smtp", *T]
            with subprocess.Popen(command, env=home.environ, stdin=subprocess.PIPE) as process:
                assert process.stdin is not None
                process.stdin.write(b"new")
                process.stdin.close()
                while admin.execute(waits).fetchone() is None:
                    assert process.poll() is None
                process.send_signal(blow)
                assert process.wait(timeout=60) in (-9, 130)
        while admin.execute(
            waits.replace("wait_event_type = 'Lock'", "state = 'active' AND pid <> pg_backend_pid()")
        ).fetchone():
            pass
    assert changes(before, snapshot(admin)) == []
    assert luactl("secret", "reveal", "smtp", *T, "--purpose", "x").out == "old\n"
    assert luactl("secret", "rotate", "smtp", *T, stdin=b"new").code == 0
    assert luactl("ledger", "verify").code in (0, 6)


def test_a_pipe_that_closes_does_not_lose_the_record(home: Home, tmp_path: Path) -> None:
    """Whoever did not see the token sees that there is one, and rotates it."""
    done = subprocess.run(
        [
            "sh",
            "-c",
            f"{sys.executable} -m luactl.commands.main secret issue api --tenant smile --scope a.b | true",
        ],
        env=home.environ,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert [one["name"] for one in luactl("secret", "list", *T, "-o", "json").data] == ["api"]
    assert luactl("secret", "rotate", "api", *T, "--overlap", "0", "--yes", "-o", "json").data["token"]
