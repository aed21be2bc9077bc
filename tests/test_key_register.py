"""The register of holders and key books: nobody turns an epoch past a place that their profile forgot."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from conftest import Home
from hypothesis import given
from hypothesis import strategies as st
from support_approval import approver
from support_erasure import erase, person, practice
from support_key import epoch_of

from luactl import approval, key
from luactl.connect import open_session
from luactl.db import Session, transaction
from luactl.errors import NotFoundError, RefusedError, UsageError
from luactl.key import places, plate, register, retire, rotate
from luactl.key.book import Book
from luactl.key.holder import FileHolder
from luactl.key.register import Kind, Place

Cli = Callable[..., subprocess.CompletedProcess[str]]


def add(session: Session, kind: Kind, place: object) -> None:
    places.carry_out(session, places.plan(session, kind, "add", str(place)))


def turn(session: Session) -> key.EpochChange:
    """Turn the epoch without dropping anything."""
    return key.drop(session, [], lambda _epoch: None)


def anew() -> Any:
    return open_session("test", command="test")


def active(session: Session, kind: Kind) -> dict[str, Place]:
    return {one.name: one for one in register.list_(session) if one.kind == kind and not one.retired_at}


@pytest.fixture
def second(session: Session, home: Home) -> str:
    """A second holder, which the profile of `session`, read before, does not name."""
    name = f"file:{home.path / 'keys' / 'second'}"
    add(session, "holder", name)
    return name


@given(tree=st.uuids(), place=st.uuids(), at=st.integers(0, plate.SIZE - 1), bit=st.integers(0, 7))
def test_a_plate_says_its_id_and_a_torn_one_nothing(tree: UUID, place: UUID, at: int, bit: int) -> None:
    whole = plate.pack(tree, place)
    assert plate.unpack(tree, whole) == place
    torn = bytearray(whole)
    torn[at] ^= 1 << bit
    assert plate.unpack(tree, bytes(torn)) is None
    assert plate.unpack(tree, whole[:at]) is None
    assert plate.unpack(UUID(int=tree.int ^ 1), whole) is None


def test_a_new_tree_knows_its_places(session: Session) -> None:
    found = register.list_(session)
    assert [(one.kind, one.name) for one in found] == [
        ("holder", session.profile.holders[0]),
        ("book", str(session.profile.books[0])),
    ]
    assert {one.host for one in found} == {register.host()}
    assert key.status(session).left_out == ()


def test_no_epoch_is_turned_without_a_holder_that_another_profile_names(
    session: Session, second: str
) -> None:
    place_id = active(session, "holder")[second].place_id
    for attempt in (lambda: turn(session), lambda: rotate.plan_rotation(session)):
        with pytest.raises(RefusedError, match=str(place_id)) as refusal:
            attempt()
        assert f"luactl key holder retire {place_id}" in str(refusal.value.hint)
    assert epoch_of(session) == 1
    assert FileHolder(Path(second.removeprefix("file:"))).epochs() == [1]
    assert [one.name for one in key.status(session).left_out] == [second]
    assert any(second in one.where for one in key.verify(session).findings)
    with anew() as now:
        assert len(turn(now).holders) == 2


def test_the_same_place_under_another_path_takes_part(session: Session, home: Home, second: str) -> None:
    """As another host mounts it elsewhere."""
    elsewhere = home.path / "keys" / "elsewhere"
    Path(second.removeprefix("file:")).rename(elsewhere)
    holders = (session.profile.holders[0], f"file:{elsewhere}")
    other = replace(session, profile=replace(session.profile, holders=holders))
    assert len(turn(other).holders) == 2
    assert len(active(session, "holder")) == 2


def test_the_database_itself_refuses_an_epoch_without_all(session: Session, second: str) -> None:
    mine = [one.place_id for one in active(session, "holder").values() if one.name != second]
    turn = "SELECT vault.turn_epoch(1, now(), ARRAY['']::bytea[], ARRAY[1], ARRAY[%s]::bytea[], %s)"
    with pytest.raises(psycopg.errors.CheckViolation, match="takes no part"), transaction(session):
        session.conn.execute(turn, (bytes(3840), mine))


def test_a_tree_from_before_the_register_registers_who_takes_part(
    session: Session, home: Home, admin: psycopg.Connection[Any]
) -> None:
    admin.execute("TRUNCATE vault.place CASCADE")
    for folder in (Path(session.profile.holders[0].removeprefix("file:")), session.profile.books[0]):
        (folder / plate.FILE_NAME).unlink()
    assert key.status(session).left_out == ()
    assert register.list_(session) == ()
    turn(session)
    assert set(active(session, "holder")) == set(session.profile.holders)
    assert set(active(session, "book")) == set(map(str, session.profile.books))
    said = admin.execute("SELECT action FROM ledger.entry WHERE action LIKE 'key.%register' ORDER BY action")
    assert [row[0] for row in said] == ["key.book.register", "key.holder.register"]


def test_an_epoch_asks_each_place_once_which_it_is(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder that is a program is run for every question; it is asked again when its root has gone."""
    asked, read = Counter[Path](), plate.read

    def watch(folder: Path) -> bytes:
        asked[folder] += 1
        return read(folder)

    monkeypatch.setattr(plate, "read", watch)
    turn(session)
    holder = Path(session.profile.holders[0].removeprefix("file:"))
    assert asked == {holder: 2, session.profile.books[0]: 1}


def test_a_lost_book_that_is_made_anew_is_the_same_place(session: Session) -> None:
    before = active(session, "book")
    shutil.rmtree(session.profile.books[0])
    key.recover(session)
    turn(session)
    assert active(session, "book") == before
    tree = key.status(session).tree_id
    assert plate.unpack(tree, Book(session.profile.books[0]).plate()) in {
        one.place_id for one in before.values()
    }


def test_a_place_that_is_removed_is_retired_and_comes_back_as_another(session: Session, second: str) -> None:
    old = active(session, "holder")[second]
    with anew() as now:
        places.carry_out(now, places.plan(now, "holder", "remove", second))
    gone = next(one for one in register.list_(session) if one.place_id == old.place_id)
    assert (gone.reason, gone.root_left, gone.retired_by) == ("removed", False, session.actor)
    assert turn(session).epoch_to == 2
    add(session, "holder", second)
    assert active(session, "holder")[second].place_id != old.place_id


def test_a_copy_and_a_link_are_told_from_the_place(session: Session, home: Home) -> None:
    book = session.profile.books[0]
    copy, link = book.with_name("copy"), book.with_name("link")
    shutil.copytree(book, copy)
    link.symlink_to(book)
    add(session, "book", copy)
    assert len({one.place_id for one in active(session, "book").values()}) == 2
    with anew() as now:
        with pytest.raises(RefusedError, match="by another name"):
            add(now, "book", link)
        assert turn(now).epoch_to == 2


def test_retiring_lets_epochs_turn_and_the_certificate_names_it(
    session: Session, second: str, tmp_path: Path, admin: psycopg.Connection[Any]
) -> None:
    tenant = practice(session)
    who = person(session, tenant)
    with pytest.raises(RefusedError, match="registered"):
        erase(session, tenant, who, tmp_path)
    plan = retire.plan(session, "holder", second, "host alpha burnt down")
    assert (plan.epoch, plan.reason) == (1, "host alpha burnt down")
    assert active(session, "holder")[second], "a plan changes nothing"
    retire.retire(session, plan)
    entry = admin.execute("SELECT body FROM ledger.entry WHERE action = 'key.holder.retire'").fetchone()
    assert entry is not None
    assert json.loads(bytes(entry[0]))["detail"]["root_left"] is True
    done = erase(session, tenant, who, tmp_path)
    stated = json.loads((Path(done.certificate) / "certificate.json").read_text())
    states = {one["holder"]: (one["old_root"], one["level"]) for one in stated["holders"]}
    assert states[second] == ("retired", "no level claimed")
    assert {one["level"] for one in stated["places"] if one["place"] == "backups"} == {"no level claimed"}
    assert "host alpha burnt down" in stated["remaining_exposure"][0]
    again = erase(session, tenant, person(session, tenant, "2"), tmp_path)
    later = json.loads((Path(again.certificate) / "certificate.json").read_text())
    assert second not in {one["holder"] for one in later["holders"]}, "it never had that root"


def test_what_cannot_be_retired(session: Session, second: str) -> None:
    own = session.profile.holders[0]
    with pytest.raises(NotFoundError, match="no holder /nowhere is registered"):
        retire.plan(session, "holder", "/nowhere", "why")
    with pytest.raises(RefusedError, match="names key holder") as refusal:
        retire.plan(session, "holder", own, "why")
    assert f"luactl key holder remove {own}" in str(refusal.value.hint)
    with pytest.raises(UsageError, match="the reason must have"):
        retire.plan(session, "holder", second, "  ")
    row = active(session, "holder")[second]
    with transaction(session):
        register.insert(session, uuid4(), "holder", second)
    with pytest.raises(UsageError, match="2 holders are called"):
        retire.plan(session, "holder", second, "why")
    retire.retire(session, retire.plan(session, "holder", str(row.place_id), "why"))
    with pytest.raises(NotFoundError, match="was retired on"):
        retire.plan(session, "holder", str(row.place_id), "why")


def test_the_last_of_a_kind_cannot_be_retired_even_by_hand(session: Session) -> None:
    (row,) = active(session, "book").values()
    with pytest.raises(psycopg.errors.CheckViolation, match="last of its kind"), transaction(session):
        register.end(session, row, "why", root_left=False)


def test_a_retired_place_that_comes_back_is_not_used(session: Session, second: str) -> None:
    retire.retire(session, retire.plan(session, "holder", second, "thought lost"))
    with anew() as now, pytest.raises(RefusedError, match="was retired on"):
        turn(now)


def test_rotation_and_removal_can_demand_approval(
    session: Session, second: str, login: Callable[..., Session], tmp_path: Path
) -> None:
    anna = approver(session, login, tmp_path, "lua_dpo")
    for action in ("key.rotate", "key.holder.remove"):
        assert approval.needed(session, action) is None, "as delivered"
        approval.set_rule(session, action, approvals=1)
    with anew() as now:
        with pytest.raises(approval.ApprovalNeededError, match=r"key\.rotate needs") as refusal:
            rotate.rotate(now, rotate.plan_rotation(now))
        assert epoch_of(now) == 1
        anna.grant(refusal.value.approval_id)
        assert rotate.rotate(now, rotate.plan_rotation(now)).change
        assert approval.find(now, refusal.value.approval_id).state == "finished"
        with pytest.raises(approval.ApprovalNeededError):
            rotate.rotate(now, rotate.plan_rotation(now))
        remove = places.plan(now, "holder", "remove", second)
        with pytest.raises(approval.ApprovalNeededError, match=r"key\.holder\.remove needs") as refusal:
            places.carry_out(now, remove)
        assert FileHolder(Path(second.removeprefix("file:"))).epochs() == [2]
        anna.grant(refusal.value.approval_id)
        places.carry_out(now, remove)
        assert approval.find(now, refusal.value.approval_id).state == "finished"


def test_retirement_waits_for_approval(
    session: Session, second: str, login: Callable[..., Session], tmp_path: Path
) -> None:
    anna = approver(session, login, tmp_path, "lua_dpo")
    approval.set_rule(session, "key.holder.retire", approvals=1)
    plan = retire.plan(session, "holder", second, "burnt")
    with pytest.raises(approval.ApprovalNeededError) as refusal:
        retire.retire(session, plan)
    anna.grant(refusal.value.approval_id)
    with pytest.raises(approval.ApprovalNeededError, match="plan changed"):
        retire.retire(session, replace(plan, reason="stolen"))
    with pytest.raises(approval.ApprovalNeededError) as refusal:
        retire.retire(session, plan)
    anna.grant(refusal.value.approval_id)
    retire.retire(session, plan)
    assert second not in active(session, "holder")


def test_on_the_command_line(cli: Cli, session: Session, second: str) -> None:
    listed = json.loads(cli("key", "place", "list", "-o", "json").stdout)["data"]
    assert [one["kind"] for one in listed] == ["holder", "book", "holder"]
    named = cli("key", "holder", "retire", second, "--reason", "burnt", "--yes")
    assert named.returncode == 5
    assert "key holder remove" in named.stderr
    place_id = str(active(session, "holder")[second].place_id)
    from luactl.profile import set_places

    with anew() as now:
        set_places(now.profile, session.profile)
    status = cli("key", "status")
    assert status.returncode == 6
    assert place_id in status.stderr
    assert cli("key", "rotate", "--yes").returncode == 5
    assert f"`luactl key holder retire {place_id} --reason TEXT`" in cli("doctor").stdout, "a whole command"
    plan = json.loads(
        cli("key", "holder", "retire", place_id, "--reason", "burnt", "--dry-run", "-o", "json").stdout
    )
    assert plan["data"]["place_id"] == place_id
    assert cli("key", "holder", "retire", place_id, "--reason", "burnt").returncode == 2
    done = cli("key", "holder", "retire", place_id, "--reason", "burnt", "--yes")
    assert done.returncode == 0, done.stderr
    assert "luactl key rotate" in done.stderr
    assert cli("key", "rotate", "--yes").returncode == 0
