"""Holders of the root: durable, private, able to forget, and clear about what is wrong with them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from support_key import add_tenant

from luactl import key
from luactl.db import Session
from luactl.errors import RefusedError
from luactl.key.filesystem import CLEAR, UNKNOWN, find, parse
from luactl.key.holder import FileHolder, UnusableRootError, open_holders
from luactl.key.root import NoRootError, read_root

TREE = uuid4()
ROOT = os.urandom(32)


@pytest.fixture
def holder(tmp_path: Path) -> FileHolder:
    made = FileHolder(tmp_path / "holder")
    made.prepare()
    made.put(TREE, 1, ROOT)
    return made


def file_of(holder: FileHolder, epoch: int = 1) -> Path:
    return holder.directory / f"root-{epoch:020d}.key"


def test_a_root_is_private_and_comes_back(holder: FileHolder) -> None:
    assert holder.directory.stat().st_mode & 0o777 == 0o700
    assert file_of(holder).stat().st_mode & 0o777 == 0o600
    assert file_of(holder).stat().st_size == 256
    assert holder.get(TREE, 1) == ROOT
    assert holder.epochs() == [1]


def test_a_root_is_never_overwritten(holder: FileHolder) -> None:
    with pytest.raises(FileExistsError):
        holder.put(TREE, 1, os.urandom(32))
    assert holder.get(TREE, 1) == ROOT


def test_destroying_overwrites_the_very_blocks(holder: FileHolder, tmp_path: Path) -> None:
    other_name = tmp_path / "same-inode"
    other_name.hardlink_to(file_of(holder))
    answer = holder.destroy(1)
    assert other_name.read_bytes() == bytes(256)
    assert holder.epochs() == []
    assert (answer.state, answer.epoch, answer.holder) == ("destroyed", 1, holder.name)
    assert holder.destroy(1).state == "destroyed"


def test_all_is_synced_before_the_name_goes(holder: FileHolder, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, unlink = os.fsync, Path.unlink

    def watched_fsync(handle: int) -> None:
        done.append("fsync")
        fsync(handle)

    def watched_unlink(path: Path) -> None:
        done.append("unlink")
        unlink(path)

    monkeypatch.setattr("os.fsync", watched_fsync)
    monkeypatch.setattr(Path, "unlink", watched_unlink)
    holder.destroy(1)
    holder.put(TREE, 2, ROOT)
    assert done == ["fsync", "unlink", "fsync", "fsync", "fsync"]


def damage(holder: FileHolder, how: str) -> None:
    file = file_of(holder)
    raw = bytearray(file.read_bytes())
    if how == "torn":
        raw = raw[:100]
    elif how == "empty":
        raw = bytearray()
    elif how == "longer":
        raw += b"x"
    elif how == "flipped":
        raw[40] ^= 1
    elif how == "renamed":
        file.rename(file_of(holder, 2))
        file_of(holder).write_bytes(b"")
        file = file_of(holder, 2)
    file.write_bytes(raw)


@pytest.mark.parametrize("how", ["torn", "empty", "longer", "flipped"])
def test_a_damaged_root_names_its_holder(holder: FileHolder, how: str) -> None:
    damage(holder, how)
    with pytest.raises(UnusableRootError, match=f"{holder.name}.*torn or corrupt"):
        holder.get(TREE, 1)


def test_a_renamed_root_is_no_root_of_that_epoch(holder: FileHolder) -> None:
    damage(holder, "renamed")
    with pytest.raises(UnusableRootError, match="holds another epoch"):
        holder.get(TREE, 2)


def test_a_foreign_root_is_refused(holder: FileHolder) -> None:
    with pytest.raises(UnusableRootError, match=f"{holder.name} holds the root of another database"):
        holder.get(uuid4(), 1)


def test_a_root_that_others_may_read_is_refused(holder: FileHolder) -> None:
    file_of(holder).chmod(0o640)
    with pytest.raises(UnusableRootError, match="others may read"):
        holder.get(TREE, 1)


def test_a_link_is_no_root(holder: FileHolder) -> None:
    file_of(holder).rename(holder.directory / "elsewhere")
    file_of(holder).symlink_to(holder.directory / "elsewhere")
    with pytest.raises(UnusableRootError, match="cannot be read"):
        holder.get(TREE, 1)


def test_a_second_holder_stands_in(holder: FileHolder, tmp_path: Path) -> None:
    missing = FileHolder(tmp_path / "gone")
    assert read_root([missing, holder], TREE, 1) == ROOT
    with pytest.raises(NoRootError, match="gone"):
        read_root([missing], TREE, 1)
    damage(holder, "flipped")
    with pytest.raises(UnusableRootError, match="torn or corrupt"):
        read_root([missing, holder], TREE, 1)


def test_a_host_without_holders_opens_nothing() -> None:
    with pytest.raises(RefusedError, match="holds no keys"):
        open_holders(())
    with pytest.raises(RefusedError, match="'floppy:/a' is of no known kind"):
        open_holders(("floppy:/a",))
    with pytest.raises(RefusedError, match="no known kind"):
        open_holders(("file:relative",))


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 8:2 / /journal rw - ext4 /dev/sdb1 rw,data=journal
31 22 253:0 / /lvm rw - ext4 /dev/mapper/vg-keys rw
32 22 0:40 / /with\\040space rw - btrfs /dev/sdc rw
33 22 0:41 / /proc rw - proc proc rw
34 22 0:42 / /deep/er rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("where", "kind", "level"),
    [
        ("/keys", "ext4", CLEAR),
        ("/journal/keys", "ext4", None),
        ("/lvm", "ext4", None),
        ("/with space/keys", "btrfs", None),
        ("/deep", "ext4", CLEAR),
        ("/deep/er/x", "tmpfs", None),
    ],
)
def test_only_tested_systems_claim_a_level(tmp_path: Path, where: str, kind: str, level: str | None) -> None:
    listed = tmp_path / "mountinfo"
    listed.write_text(MOUNTS)
    found = find(Path(where), listed)
    assert (found.kind, found.level) == (kind, level)


def test_where_the_kernel_does_not_say_nothing_is_claimed(tmp_path: Path) -> None:
    assert find(tmp_path, tmp_path / "nothing") is UNKNOWN
    assert UNKNOWN.level is None
    assert len(parse(MOUNTS)) == 6


@pytest.mark.parametrize("how", ["missing", "foreign", "corrupt"])
def test_a_holder_that_fails_is_named_to_whoever_opens(session: Session, admin: object, how: str) -> None:
    add_tenant(session, admin, 1)  # type: ignore[arg-type]
    holder = open_holders(session.profile.holders)[0]
    if how == "corrupt":
        damage(holder, "flipped")
    else:
        holder.destroy(1)
    if how == "foreign":
        holder.put(uuid4(), 1, ROOT)
    with pytest.raises(RefusedError, match=holder.name):
        key.open_tenant(session, 1)
    with pytest.raises(RefusedError, match=holder.name):
        key.drop(session, [], lambda _epoch: None)
    with pytest.raises(RefusedError, match=holder.name):
        key.recover(session)
    assert key.status(session).state is key.State.BROKEN


def test_a_root_of_another_database_is_never_touched(session: Session) -> None:
    holder = open_holders(session.profile.holders)[0]
    other, secret = uuid4(), os.urandom(32)
    holder.put(other, 7, secret)
    file_of(holder, 7).chmod(0o640)
    assert key.status(session).state is key.State.BROKEN
    for change in (key.recover, lambda one: key.drop(one, [], lambda _epoch: None)):
        with pytest.raises(RefusedError, match=f"{holder.name} holds the root of another database"):
            change(session)
    file_of(holder, 7).chmod(0o600)
    assert holder.get(other, 7) == secret


def test_who_fails_to_place_a_root_leaves_what_was_there(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = open_holders(session.profile.holders)[0]
    other, secret = uuid4(), os.urandom(32)
    real = os.urandom

    def meanwhile(size: int) -> bytes:
        monkeypatch.undo()
        holder.put(other, 2, secret)  # somebody else, between the look and the leap
        return real(size)

    monkeypatch.setattr("os.urandom", meanwhile)
    with pytest.raises(RefusedError, match="has a root of epoch 2 already"):
        key.drop(session, [], lambda _epoch: None)
    assert holder.get(other, 2) == secret


def test_a_holder_named_twice_is_refused_and_nothing_is_left(session: Session, tmp_path: Path) -> None:
    holder = open_holders(session.profile.holders)[0]
    link = tmp_path / "link"
    link.symlink_to(holder.directory)
    profile = replace(session.profile, holders=(holder.name, f"file:{link}"))
    twice = replace(session, profile=profile)
    with pytest.raises(RefusedError, match="bear the same plate"):
        key.drop(twice, [], lambda _epoch: None)
    assert holder.epochs() == [1]


def test_no_epoch_turns_to_a_root_that_a_holder_did_not_keep(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def loses(handle: int, raw: bytes) -> int:
        write(handle, bytes(raw)[:100])
        return len(raw)  # and says that it wrote all of it

    monkeypatch.setattr("luactl.key.holder.os.write", loses)
    with pytest.raises(RefusedError, match="torn or corrupt"):
        key.drop(session, [], lambda _epoch: None)
    monkeypatch.undo()
    assert key.status(session).state is key.State.SETTLED
    assert key.drop(session, [], lambda _epoch: None).epoch_to == 2
