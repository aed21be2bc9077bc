"""Holders that are programs: good ones, and every way in which one can be bad."""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from conftest import Home
from support_key import add_subjects, add_tenant, drop_subjects, epoch_of

from luactl import key
from luactl.config import save_profile
from luactl.db import Session
from luactl.errors import Exit, LuactlError, RefusedError
from luactl.key.command import CommandHolder, HolderBusyError
from luactl.key.fate import fate
from luactl.key.holder import HolderError, Medium, UnusableRootError, open_holder, open_holders
from luactl.key.root import read_root

TREE = uuid4()
ROOT = os.urandom(32)
SOURCE = Path(__file__).parent / "holder_program.py"
Make = Callable[..., CommandHolder]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program, as an administrator installs one: nobody else may write to it."""
    place = tmp_path / "holder-program"
    place.write_text(f"#!{sys.executable}\n{SOURCE.read_text()}")
    place.chmod(0o700)
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "slots"
    made.mkdir()
    return made


@pytest.fixture
def holder(program: Path, folder: Path) -> CommandHolder:
    return CommandHolder((str(program), str(folder)))


def set_mode(folder: Path, mode: str) -> None:
    (folder / "mode").write_text(mode)


def test_a_root_comes_back_and_goes(holder: CommandHolder) -> None:
    assert holder.medium() == Medium("a folder of a test", "purge")
    assert holder.epochs() == []
    holder.put(TREE, 7, ROOT)
    assert holder.epochs() == [7]
    assert holder.get(TREE, 7) == ROOT
    with pytest.raises(FileExistsError):
        holder.put(TREE, 7, os.urandom(32))
    assert holder.get(TREE, 7) == ROOT
    answer = holder.destroy(7)
    assert (answer.state, answer.level, answer.effective_at) == ("destroyed", "purge", None)
    assert holder.destroy(7).state == "destroyed"
    with pytest.raises(FileNotFoundError):
        holder.get(TREE, 7)


def test_the_profile_names_it(program: Path, folder: Path) -> None:
    name = f"command:{program} {folder}"
    found = open_holder(name)
    assert (found.name, found.exists()) == (name, True)
    for wrong in ("command:", "command:relative/program", "command:/a 'b"):
        with pytest.raises(RefusedError, match="key holder"):
            open_holder(wrong)


@pytest.mark.parametrize(
    ("mode", "what"),
    [
        ("crash", "stopped by signal 9 when asked to list"),
        ("fail", "failed with exit code 1 when asked to list: cannot"),
        ("garbage", "does not speak the protocol"),
        ("binary", "no ASCII"),
        ("torn", "broke off"),
        ("unknown", "answered with what the protocol does not know: 'certainly'"),
        ("flood", "more than 64 KiB"),
        ("busy", "cannot list now: the vault is sealed"),
        ("refuse", "refuses to list"),
    ],
)
def test_misbehaviour_is_named(holder: CommandHolder, folder: Path, mode: str, what: str) -> None:
    set_mode(folder, f"{mode} list" if mode in ("fail", "unknown") else mode)
    with pytest.raises(HolderError, match=what) as caught:
        holder.epochs()
    assert caught.value.what.startswith(f"key holder {holder.name} ")
    assert caught.value.exit == (Exit.BUSY if mode == "busy" else Exit.REFUSED)


def test_who_hangs_is_stopped_with_all_that_it_started(holder: CommandHolder, folder: Path) -> None:
    set_mode(folder, "hang")
    begun = time.monotonic()
    with pytest.raises(HolderBusyError, match=r"did not answer within 1\.5 s"):
        replace(holder, seconds=1.5).epochs()
    assert time.monotonic() - begun < 60
    child = int((folder / "child").read_text())
    with suppress(ProcessLookupError):  # gone already
        gone = os.pidfd_open(child)
        try:
            assert select.select([gone], [], [], 30)[0]  # readable when the process has ended
        finally:
            os.close(gone)


def test_no_secret_is_in_arguments_environment_or_errors(
    program: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    monkeypatch.setenv("LUACTL_PROFILE", "test")
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example")
    spy = program.with_name("spy")
    spy.write_text(f'#!/bin/sh\n(env; echo "$@") > {folder}/seen\nexec {program} {folder}\n')
    spy.chmod(0o700)
    CommandHolder((str(spy), "place")).put(TREE, 1, ROOT)
    seen = (folder / "seen").read_text()
    assert "VAULT_ADDR=https://vault.example" in seen
    assert "place" in seen
    assert not any(word in seen for word in ("hunter2", "LUACTL_PROFILE", ROOT.hex()))
    slot = (folder / "1").read_text()
    assert slot not in seen
    set_mode(folder, "fail")
    with pytest.raises(HolderError) as caught:
        CommandHolder((str(program), str(folder))).put(TREE, 2, ROOT)
    assert "AAAAAAA" not in caught.value.what  # the zero bytes of the slot that it wrote to standard error


def test_a_program_that_others_may_change_is_not_run(holder: CommandHolder, program: Path) -> None:
    program.chmod(0o722)
    with pytest.raises(RefusedError, match="not believed"):
        holder.epochs()
    program.unlink()
    assert not holder.exists()
    with pytest.raises(HolderError, match="cannot be started: No such file"):
        holder.epochs()


def test_what_it_gives_is_checked(holder: CommandHolder, folder: Path) -> None:
    holder.put(TREE, 1, ROOT)
    with pytest.raises(UnusableRootError, match="root of another database"):
        holder.get(uuid4(), 1)
    shutil.copy(folder / "1", folder / "2")
    with pytest.raises(UnusableRootError, match="holds another epoch"):
        holder.get(TREE, 2)
    (folder / "1").write_text("bm90IGEgcm9vdA==")
    with pytest.raises(UnusableRootError, match="torn or corrupt"):
        holder.get(TREE, 1)
    (folder / "1").write_text("not base64!")
    with pytest.raises(HolderError, match="gave no root"):
        holder.get(TREE, 1)


def test_another_holder_stands_in(holder: CommandHolder, folder: Path, program: Path) -> None:
    holder.put(TREE, 1, ROOT)
    for mode in ("crash", "garbage", "busy"):
        bad = CommandHolder((str(program), str(folder), mode))
        set_mode(folder, "")
        (folder / "mode").unlink()
        assert read_root([bad, holder], TREE, 1) == ROOT
        with pytest.raises(HolderError):
            read_root([bad], TREE, 1)


@pytest.fixture
def bare_home(bare_home: Home, program: Path, folder: Path) -> Home:
    """The same home, whose second holder is a program."""
    holders = (*bare_home.profile.holders, f"command:{program} {folder}")
    profile = replace(bare_home.profile, holders=holders)
    save_profile(bare_home.paths, profile)
    return replace(bare_home, profile=profile)


def test_epochs_turn_with_a_program_among_the_holders(
    session: Session, admin: psycopg.Connection, folder: Path
) -> None:
    keys = add_tenant(session, admin, 1)
    people = add_subjects(keys, session, 3)
    ids = list(people)
    done = drop_subjects(session, 1, ids[:1])
    assert [one.state for one in done.holders] == ["destroyed", "destroyed"]
    assert open_holders(session.profile.holders)[1].epochs() == [2]
    assert key.status(session).state is key.State.SETTLED
    assert key.verify(session).findings == ()
    known = fate(session, 1)
    assert {(one.holder[:7], one.state, one.level) for one in known} >= {("command", "destroyed", "purge")}
    assert all(one.scheduled_at == one.effective_at for one in known)


def test_a_scheduled_destruction_keeps_both_dates(
    session: Session, admin: psycopg.Connection, folder: Path
) -> None:
    keys = add_tenant(session, admin, 1)
    ids = list(add_subjects(keys, session, 2))
    set_mode(folder, "schedules")
    done = drop_subjects(session, 1, ids[:1])
    answer = next(one for one in done.holders if one.holder.startswith("command:"))
    effective = datetime.fromisoformat("2031-01-02T03:04:05+00:00")
    assert (answer.state, answer.effective_at) == ("scheduled", effective)
    assert answer.scheduled_at is not None
    assert answer.scheduled_at < effective
    assert {one.holder: one.effective_at for one in fate(session, 1)}[answer.holder] == effective


def test_a_crash_before_the_answer_was_written_down_asks_again(
    session: Session, admin: psycopg.Connection, folder: Path
) -> None:
    add_tenant(session, admin, 1)
    set_mode(folder, "schedules")
    drop_subjects(session, 1, [])
    first = fate(session, 1)
    admin.execute("DELETE FROM vault.fate")
    again = fate(session, 1)
    assert [(one.holder, one.state) for one in again] == [(one.holder, one.state) for one in first]
    with pytest.raises(ValueError, match="not over"):
        fate(session, 2)


@pytest.mark.parametrize("mode", ["loses", "alters", "crash put", "busy put"])
def test_nothing_is_dropped_until_every_holder_has_moved(
    session: Session, admin: psycopg.Connection, folder: Path, mode: str
) -> None:
    keys = add_tenant(session, admin, 1)
    people = add_subjects(keys, session, 2)
    set_mode(folder, mode)
    with pytest.raises(LuactlError, match="key holder command:"):
        drop_subjects(session, 1, people)
    (folder / "mode").unlink()
    assert epoch_of(session) == 1
    key.recover(session)
    assert key.status(session).state is key.State.SETTLED
    assert key.open_tenant(session, 1).subjects(people, key.KeyClass.MAIN) == people


@pytest.mark.parametrize(
    ("mode", "what"),
    [
        ("keeps", "is destroyed, and lists it"),
        ("hides", "is destroyed, and still gives it"),
        ("whenever", "does not know: 'scheduled soon'"),
        ("crash destroy", "stopped by signal 9"),
    ],
)
def test_a_holder_that_lies_about_destruction_is_found_out(
    session: Session, admin: psycopg.Connection, folder: Path, mode: str, what: str
) -> None:
    keys = add_tenant(session, admin, 1)
    ids = list(add_subjects(keys, session, 2))
    set_mode(folder, mode)
    with pytest.raises(key.UnfinishedError, match=what):
        drop_subjects(session, 1, ids[:1])
    assert epoch_of(session) == 2


def test_status_names_a_holder_that_fails(session: Session, folder: Path) -> None:
    set_mode(folder, "garbage")
    found = key.status(session)
    assert found.state is key.State.BROKEN
    assert "does not speak the protocol" in (found.holders[1].problem or "")
    with pytest.raises(RefusedError, match="does not speak the protocol"):
        drop_subjects(session, 1, [])
