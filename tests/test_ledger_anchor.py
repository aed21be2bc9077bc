"""Anchors that are no files: a syslog, which only takes, and a program, which may tell."""

from __future__ import annotations

import base64
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import support_ledger
from support_ledger import anchor_file, problems, write

from luactl import ledger
from luactl.db import Session
from luactl.disk import aside
from luactl.errors import RefusedError, UsageError
from luactl.ledger import handed
from luactl.ledger.anchor import AnchorError, open_anchor, reached
from luactl.ledger.note import Checkpoint, Signer, Verifier, open_checkpoint
from luactl.ledger.syslog import line, note_of

init, actor, admin_login = support_ledger.init, support_ledger.actor, support_ledger.admin_login


def anchored(session: Session, *names: str) -> Session:
    return replace(session, profile=replace(session.profile, anchors=(*session.profile.anchors, *names)))


def listener(kind: int, address: str | tuple[str, int]) -> socket.socket:
    there = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, kind)
    there.bind(address)
    there.settimeout(10)
    return there


def test_a_syslog_takes_one_line_from_which_the_note_can_be_rebuilt(
    admin_login: Session, tmp_path: Path
) -> None:
    path = str(tmp_path / "log")
    session = anchored(admin_login, f"syslog:{path}")
    with pytest.raises(AnchorError, match="syslog"):
        ledger.integrate(session)
    assert ledger.status(session).anchors[1].problem == "it is not there"
    with listener(socket.SOCK_DGRAM, path) as there:
        assert ledger.integrate(session) is None
        got = there.recv(4096).decode()
    assert got.startswith("<85>1 ")
    assert "\n" not in got
    status = ledger.status(session)
    checkpoint = open_checkpoint(note_of(got), [Verifier.parse(status.vkey)])
    assert (checkpoint.size, checkpoint.root) == (1, status.root)
    one = status.anchors[1]
    assert (one.size, one.current, one.lag, one.known_by) == (1, True, 0, "this host")
    assert problems(session) == []


@pytest.mark.parametrize("kind", ["tcp", "udp", "stream"])
def test_a_syslog_over_the_network(admin_login: Session, tmp_path: Path, kind: str) -> None:
    stream = kind != "udp"
    address = str(tmp_path / "s") if kind == "stream" else ("127.0.0.1", 0)
    with listener(socket.SOCK_STREAM if stream else socket.SOCK_DGRAM, address) as there:
        got: list[bytes] = []

        def take() -> None:
            with there.accept()[0] as one:
                while piece := one.recv(4096):
                    got.append(piece)

        server = threading.Thread(target=take)
        if stream:
            there.listen()
            server.start()
        name = (
            f"syslog:{address}" if kind == "stream" else f"syslog:{kind}://127.0.0.1:{there.getsockname()[1]}"
        )
        ledger.integrate(anchored(admin_login, name))
        if stream:
            server.join(10)
        said = b"".join(got) if stream else there.recv(4096)
    if kind == "tcp":
        length, _, said = said.partition(b" ")
        assert int(length) == len(said)
    assert note_of(said.decode().rstrip("\n")) in anchor_file(admin_login).read_text()


def test_nothing_is_sent_twice_and_a_database_set_back_is_noticed(
    admin_login: Session, init: Session, tmp_path: Path
) -> None:
    """A syslog cannot be asked; what this host handed over stands for it."""
    path = str(tmp_path / "log")
    session = replace(admin_login, profile=replace(admin_login.profile, anchors=(f"syslog:{path}",)))
    with listener(socket.SOCK_DGRAM, path) as there:
        ledger.integrate(session)
        ledger.integrate(session)
        there.recv(4096)
        there.setblocking(False)
        with pytest.raises(BlockingIOError):
            there.recv(4096)
        init.conn.execute("TRUNCATE ledger.leaf, ledger.checkpoint")
        assert any("the log has 0" in one for one in problems(session))
        with pytest.raises(RefusedError):
            ledger.integrate(session)


def test_what_a_killed_run_left_stops_no_anchor(tmp_path: Path) -> None:
    """Processes of a container often have the same number time and again."""
    file, checkpoint = tmp_path / "handed", Checkpoint("log", 1, bytes(32), "note")
    aside(file, "new").write_text("torn")
    handed.remember(file, "syslog:/dev/log", checkpoint)
    assert handed.notes(file) == {"syslog:/dev/log": "note"}
    assert list(tmp_path.iterdir()) == [file]


PROGRAM = """#!/bin/sh
read greeting; read verb
case $verb in
put) read size; read note; read end
     [ -e "$1/full" ] && {{ echo "no room" >&2; exit 1; }}
     echo "$note" > "$1/kept"; printf 'luactl-anchor 1\\nstored\\nend\\n' ;;
newest) [ -e "$1/mute" ] && exit 14; [ -e "$1/kept" ] || exit 10
     printf 'luactl-anchor 1\\n%s\\nend\\n' "$(cat "$1/kept")" ;;
esac
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "anchor-program"
    file.write_text(PROGRAM.replace("{{", "{").replace("}}", "}"))
    file.chmod(0o700)
    return file


def test_a_program_takes_and_tells(admin_login: Session, tmp_path: Path, program: Path) -> None:
    session = anchored(admin_login, f"command:{program} {tmp_path}")
    ledger.integrate(session)
    kept = base64.b64decode((tmp_path / "kept").read_text().removeprefix("note ")).decode()
    assert kept in anchor_file(admin_login).read_text()
    state = ledger.status(session).anchors[1]
    assert (state.size, state.current, state.known_by, state.problem) == (1, True, "the anchor", None)
    (tmp_path / "full").touch()
    write(session, "a")
    with pytest.raises(AnchorError, match="no room"):
        ledger.integrate(session)
    state = ledger.status(session).anchors[1]
    assert (state.size, state.lag, state.current) == (1, 1, False)
    (tmp_path / "full").unlink()
    assert ledger.integrate(session) is None
    assert ledger.status(session).anchors[1].current
    assert problems(session) == []
    (tmp_path / "kept").write_text("note " + base64.b64encode(b"another log\n1\nx\n").decode())
    assert "no checkpoint of this log" in str(ledger.status(session).anchors[1].problem)
    assert problems(session)


def test_a_program_that_cannot_tell(admin_login: Session, tmp_path: Path, program: Path) -> None:
    (tmp_path / "mute").touch()
    session = anchored(admin_login, f"command:{program} {tmp_path}")
    state = ledger.status(session).anchors[1]
    assert (state.size, state.lag, state.known_by) == (None, None, "this host")
    ledger.integrate(session)
    state = ledger.status(session).anchors[1]
    assert (state.size, state.lag, state.known_by) == (1, 0, "this host")
    (tmp_path / "kept").unlink()
    assert ledger.integrate(session) is None
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("mute", [False, True])
def test_a_program_goes_on_after_the_log_got_another_name(
    admin_login: Session, tmp_path: Path, program: Path, mute: bool
) -> None:
    """After a restore a new key signs; what the old one signed is all that the program and this host know."""
    old = Signer("lua-crm.ledger/00000000", bytes(32))
    before = Checkpoint(old.name, 9, bytes(32)).signed(old)
    name = f"command:{program} {tmp_path}"
    session = anchored(admin_login, name)
    (tmp_path / "kept").write_text("note " + base64.b64encode(before.note.encode()).decode())
    if mute:
        (tmp_path / "mute").touch()
        handed.remember(handed.beside(session.profile.signing_key), name, before)
    assert ledger.integrate(session) is not None
    state = ledger.status(session).anchors[1]
    assert (state.size, state.current, state.problem) == (1, True, None)


@pytest.mark.parametrize(
    ("does", "what"),
    [
        ("printf '\\377'", "bytes that are no ASCII"),
        ("head -c 70000 /dev/zero", "says more than 64 KiB"),
        ("echo luactl-anchor 1; echo stored", "broke off"),
        ("printf 'luactl-anchor 1\\nnote !\\nend\\n'", "what the protocol does not know"),
        ("printf 'luactl-anchor 1\\nnote eA==\\nnote eA==\\nend\\n'", "what the protocol does not know"),
        ("exit 3", "exit code 3"),
    ],
)
def test_who_breaks_the_protocol_of_anchors_is_sent_to_it(tmp_path: Path, does: str, what: str) -> None:
    file = tmp_path / "broken"
    file.write_text(f"#!/bin/sh\ncat > /dev/null\n{does}\n")
    file.chmod(0o700)
    with pytest.raises(AnchorError, match=what) as found:
        next(open_anchor(f"command:{file}", tmp_path / "key").records())
    assert "anchor-protocol.md" in str(found.value.hint)


def test_kinds_of_anchors() -> None:
    for name in (
        "syslog:", "syslog:log", "syslog:udp://host", "syslog:tcp://host:0", "syslog:tcp://host:99999",
        "syslog:ftp://host:1", "command:", "command:relative", "command:'",
    ):  # fmt: skip
        with pytest.raises(UsageError):
            open_anchor(name, Path("key"))


def test_the_newest_checkpoint_leaves_with_its_proof(admin_login: Session, tmp_path: Path) -> None:
    with pytest.raises(RefusedError):
        ledger.newest_checkpoint(admin_login)
    ledger.integrate(admin_login)
    write(admin_login, *["a"] * 300)
    checkpoint = ledger.integrate(admin_login)
    assert checkpoint is not None
    found = ledger.newest_checkpoint(admin_login, 1)
    old = next(iter(reached(admin_login.profile)[0].records())).text
    root = open_checkpoint(old, [Verifier.parse(ledger.status(admin_login).vkey)]).root
    from luactl.ledger.merkle import verify_consistency

    assert verify_consistency(1, 301, list(found.proof), root, found.root)
    ledger.write_checkpoint(found, tmp_path / "request")
    assert (tmp_path / "request").read_text() == found.text()
    assert found.text().startswith("old 1\n")
    assert found.text().endswith("\n\n" + checkpoint.note)
    assert ledger.newest_checkpoint(admin_login).text() == checkpoint.note
    with pytest.raises(UsageError):
        ledger.write_checkpoint(found, tmp_path / "request")
    with pytest.raises(UsageError):
        ledger.newest_checkpoint(admin_login, 302)
    assert line(checkpoint, datetime(2026, 3, 1, tzinfo=UTC)).startswith(b"<85>1 2026-03-01T00:00:00.000Z ")
