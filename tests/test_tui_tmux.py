"""The terminal UI in tmux, as a person over SSH has it: a walk at 80x24, and the terminal left as it was."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conftest import Home
from support_erasure import practice

from luactl import approval
from luactl.config import save_profile
from luactl.db import Session
from luactl.tenant import resume, suspend

LUACTL = str(Path(sys.executable).with_name("luactl"))


@dataclass(frozen=True)
class Tmux:
    """A server of our own with one window."""

    socket: Path
    environ: dict[str, str]

    def run(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self.socket), "-f", "/dev/null", *arguments]
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, check=True)
        return done.stdout

    def type(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def until(self, text: str, seconds: float = 20) -> str:
        """Return the screen once it shows a text. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            seen = self.run("capture-pane", "-p")
            if text in seen:
                return seen
        raise TimeoutError(f"{text!r} did not appear:\n{seen}")


@pytest.fixture
def tmux(home: Home, tmp_path: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    environ = {
        name: value for name, value in home.environ.items() if name not in ("COLUMNS", "NO_COLOR", "TMUX")
    }
    made = Tmux(tmp_path / "tmux", {**environ, "TERM": "xterm-256color", "PS1": "ready$ "})
    made.run("new-session", "-d", "-x", "80", "-y", "24", "sh")
    try:
        yield made
    finally:
        made.run("kill-server")


def test_walks_from_home_to_contacts_and_leaves(tmux: Tmux, session: Session, tmp_path: Path) -> None:
    practice(session)
    before, after = tmp_path / "before", tmp_path / "after"
    tmux.type(f"stty -a > {before}; {LUACTL} tui; echo code=$?; stty -a > {after}; echo l''eft", "Enter")
    tmux.until("1 tenant\n")
    tmux.until("cut short")
    tmux.type("Enter")
    tmux.until("Practice smile")
    tmux.type("Enter")
    tmux.until("CLOCK STARTS")
    tmux.type("Enter")
    tmux.until("Why do you look at contacts")
    tmux.type("support", "Enter")
    screen = tmux.until("1 of 3\n NAME")
    assert "nele@praxis.example" in screen
    lines = screen.splitlines()
    assert "Contacts of smile" in lines[2]
    assert lines[2].rstrip().endswith("1 of 3")
    assert all(len(line) <= 80 for line in lines)
    assert "Quit" in lines[-1]
    tmux.type("q")
    assert "code=0" in tmux.until("\nleft")
    assert "Contacts" not in tmux.run("capture-pane", "-p")
    assert before.read_text() == after.read_text() != ""


def walk(tmux: Tmux, profile: str, *steps: tuple[str, ...]) -> str:
    """Run the UI with a profile: each step waits for a text, then presses keys; return the last screen."""
    tmux.type(f"{LUACTL} --profile {profile} tui; echo l''eft after {len(steps)}", "Enter")
    seen = ""
    for text, *pressed in steps:
        seen = tmux.until(text)
        tmux.type(*pressed)
    tmux.until(f"\nleft after {len(steps)}")
    return seen


@pytest.mark.long
def test_plans_asks_is_approved_by_another_login_runs_and_reads_the_certificate(
    tmux: Tmux, session: Session, home: Home, login: Callable[..., Session], tmp_path: Path
) -> None:
    """One terminal, two people one after the other, each with a profile and a login of their own."""
    practice(session)
    approval.set_rule(session, "erasure.run", from_subjects=1)
    anna = login("lua_dpo")
    made = approval.make(home.paths.keys / "approver.key", "anna")
    approval.register(session, made.vkey, "Anna Berg", [anna.actor])
    save_profile(home.paths, replace(home.profile, name="anna", dsn=anna.profile.dsn))
    ids = tmp_path / "ids.txt"
    ids.write_text("1\n2\n")
    walk(
        tmux, "test", ("what happens right now", "j", "j", "j", "Enter"), ("nobody is to be erased", "o"),
        ("│ Tenant", "smile", "Enter"), ("File of people", str(ids), "Enter"),
        ("Instruction", "T-1", "Enter"),
        ("not asked for approval yet", "a"), ("Plan, waiting, at smile", "q"),
    )  # fmt: skip
    walk(
        tmux, "anna", ("1 waits for you: Erase 2 people of smile", "j", "Enter"),
        ("Approvals: 1 for you", "Enter"), ("20 or 5 %", "+"),
        ("Grant: Erase 2 people of smile", "yes", "Enter"), ("Anna Berg granted it", "q"),
    )  # fmt: skip
    screen = walk(
        tmux, "test", ("1 approved", "j", "j", "j", "Enter"), ("Erasures: 1 approved", "Enter"),
        ("Plan, granted, at smile", "x"), ("for good? Type smile:", "smile", "Enter"),
        ("Erasure, done, at smile", "v"), ("Certificate of erasure", "q"),
    )  # fmt: skip
    assert "Anna Berg (request" in screen
    assert all(len(line) <= 80 for line in screen.splitlines())
    (folder,) = home.paths.certificates.iterdir()
    verify = [LUACTL, "verify", str(folder)]
    assert subprocess.run(verify, env=tmux.environ, capture_output=True, check=False).returncode == 0


@pytest.mark.long
def test_finds_follows_and_pauses_in_the_log(tmux: Tmux, session: Session) -> None:
    practice(session)
    tmux.type(f"{LUACTL} tui; echo l''eft", "Enter")
    tmux.until("what happens right now")
    tmux.type(":")
    tmux.until("type to narrow down")
    tmux.type("log", "Enter")
    tmux.until("following")
    tmux.type("f")
    tmux.until("Only lines that fit")
    tmux.type("tenant:smile", "Enter")
    tmux.until("following\n  tenant:smile")
    tmux.type("/")
    tmux.until("Search for")
    tmux.type("CUSTOMER.imp", "Enter")
    tmux.until("paused")
    tmux.type("n")
    tmux.until("no later line has it")
    suspend(session, "smile", "audit")
    screen = tmux.until("paused, +1 new")
    assert "tenant.suspend" not in screen
    tmux.type("G")
    screen = tmux.until("tenant.suspend")
    assert "following" in screen
    resume(session, "smile")
    tmux.until("tenant.resume")
    assert all(len(line) <= 80 for line in screen.splitlines())
    tmux.type("q")
    tmux.until("\nleft")
