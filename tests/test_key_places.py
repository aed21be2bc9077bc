"""Holders and books come and go; the key book as one portable file."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from conftest import Home
from support_key import add_subjects, add_tenant, drop_subjects

from luactl import key
from luactl.config import load_profile
from luactl.connect import open_session
from luactl.db import Session
from luactl.errors import LuactlError, NotFoundError, RefusedError, UsageError
from luactl.key import places
from luactl.key.book import Book
from luactl.key.export import export, import_, plan_import
from luactl.key.holder import FileHolder, open_holder
from luactl.key.places import Verb
from luactl.key.register import Kind


@pytest.fixture
def keys(session: Session, admin: psycopg.Connection) -> key.TenantKeys:
    return add_tenant(session, admin, 1)


def change(session: Session, kind: Kind, verb: Verb, place: object) -> places.PlaceChange:
    return places.carry_out(session, places.plan(session, kind, verb, str(place)))


def anew(home: Home) -> Any:
    """The session that the next command would have."""
    return open_session("test", command="test")


def test_a_new_holder_has_the_root_before_the_profile_names_it(
    session: Session, home: Home, keys: key.TenantKeys, admin: psycopg.Connection
) -> None:
    people = add_subjects(keys, session, 2)
    drop_subjects(session, 1, [])
    folder = home.path / "keys" / "second"
    seen: list[tuple[list[int], tuple[str, ...]]] = []

    def step(name: str) -> None:
        if name == "root placed":
            seen.append((FileHolder(folder).epochs(), load_profile(None, home.environ).holders))

    from dataclasses import replace

    done = change(replace(session, step=step), "holder", "add", f"file:{folder}")
    assert seen == [([2], session.profile.holders)]
    assert (
        load_profile(None, home.environ).holders
        == done.holders
        == (*session.profile.holders, f"file:{folder}")
    )
    assert folder.stat().st_mode & 0o777 == 0o700
    with anew(home) as now:
        assert key.status(now).state is key.State.SETTLED
        assert len(drop_subjects(now, 1, []).holders) == 2
        only = replace(now, profile=replace(now.profile, holders=(f"file:{folder}",)))
        assert key.open_tenant(only, 1).subjects(people, key.KeyClass.MAIN) == people
    entries = admin.execute("SELECT outcome FROM ledger.entry WHERE action = 'key.holder.add' ORDER BY id")
    assert [row[0] for row in entries] == ["intent", "done"]


def test_adding_a_holder_can_be_finished_after_a_crash(
    session: Session, home: Home, keys: key.TenantKeys
) -> None:
    folder = home.path / "keys" / "second"
    name = f"file:{folder}"
    from dataclasses import replace

    class Killed(Exception):
        pass

    def step(at: str) -> None:
        if at == "root placed":
            raise Killed

    with pytest.raises(Killed):
        change(replace(session, step=step), "holder", "add", name)
    assert load_profile(None, home.environ).holders == session.profile.holders
    assert FileHolder(folder).epochs() == [1]
    drop_subjects(session, 1, [])  # an epoch that does not know of it
    assert places.plan(session, "holder", "add", name).steps == (
        "destroy the old root of epoch 1 there",
        "copy the root of epoch 2",
    )
    assert [one.epoch for one in change(session, "holder", "add", name).answers] == [1]
    assert FileHolder(folder).epochs() == [2]


@pytest.mark.parametrize("what", ["later", "foreign", "another root"])
def test_a_holder_that_another_database_uses_is_refused(
    session: Session, home: Home, keys: key.TenantKeys, what: str
) -> None:
    holder = FileHolder(home.path / "keys" / "second")
    holder.prepare()
    tree = key.status(session).tree_id if what == "another root" else uuid4()
    holder.put(tree, 9 if what == "later" else 1, os.urandom(32))
    with pytest.raises(RefusedError, match=r"key holder \S+ holds"):
        change(session, "holder", "add", holder.name)
    assert load_profile(None, home.environ).holders == session.profile.holders
    assert len(holder.epochs()) == 1


def test_a_holder_that_goes_loses_the_root(session: Session, home: Home, keys: key.TenantKeys) -> None:
    first = session.profile.holders[0]
    with pytest.raises(RefusedError, match="the last holder"):
        places.plan(session, "holder", "remove", first)
    second = f"file:{home.path / 'keys' / 'second'}"
    change(session, "holder", "add", second)
    with anew(home) as now:
        done = change(now, "holder", "remove", first)
    assert [(one.holder, one.state) for one in done.answers] == [(first, "destroyed")]
    assert open_holder(first).epochs() == []
    with anew(home) as now:
        assert now.profile.holders == (second,)
        assert key.status(now).state is key.State.SETTLED
        with pytest.raises(NotFoundError, match="names no holder"):
            places.plan(now, "holder", "remove", first)


def test_a_stale_holder_is_taken_out_and_comes_back(
    session: Session, home: Home, keys: key.TenantKeys
) -> None:
    """Its medium was put back to an earlier state."""
    folder = home.path / "keys" / "second"
    second = f"file:{folder}"
    change(session, "holder", "add", second)
    shutil.copytree(folder, folder.with_name("earlier"))
    with anew(home) as now:
        drop_subjects(now, 1, [])
        shutil.rmtree(folder)
        folder.with_name("earlier").rename(folder)
        assert key.status(now).state is key.State.BROKEN
        assert key.complaints(key.status(now)) == [f"key holder {second} has no root of epoch 2: stale"]
        with pytest.raises(RefusedError, match="stale"):
            drop_subjects(now, 1, [])
        plan = places.plan(now, "holder", "remove", second)
        assert plan.steps == ("destroy the root of epoch 1 there",)
        assert [one.epoch for one in places.carry_out(now, plan).answers] == [1]
    with anew(home) as now:
        change(now, "holder", "add", second)
    with anew(home) as now:
        assert len(drop_subjects(now, 1, []).holders) == 2


def test_a_holder_that_is_lost_is_forgotten(session: Session, home: Home, keys: key.TenantKeys) -> None:
    folder = home.path / "keys" / "second"
    change(session, "holder", "add", f"file:{folder}")
    folder.rename(folder.with_name("stolen"))
    with anew(home) as now:
        with pytest.raises(RefusedError, match="is not there"):
            places.plan(now, "holder", "remove", f"file:{folder}")
        plan = places.plan(now, "holder", "remove", f"file:{folder}", lost=True)
        assert places.carry_out(now, plan).answers == ()
    with anew(home) as now:
        assert key.status(now).state is key.State.SETTLED


def test_a_torn_slot_of_an_interrupted_try_is_written_anew(
    session: Session, home: Home, keys: key.TenantKeys
) -> None:
    holder = FileHolder(home.path / "keys" / "second")
    holder.prepare()
    holder.put(key.status(session).tree_id, 1, os.urandom(32))
    file = next(holder.directory.glob("root-*"))
    file.write_bytes(file.read_bytes()[:100])
    change(session, "holder", "add", holder.name)
    with anew(home) as now:
        assert key.verify(now).findings == ()


def test_no_holder_goes_that_is_the_last_with_the_root(
    session: Session, home: Home, keys: key.TenantKeys
) -> None:
    first, second = session.profile.holders[0], f"file:{home.path / 'keys' / 'second'}"
    change(session, "holder", "add", second)
    open_holder(second).destroy(1)
    with anew(home) as now, pytest.raises(RefusedError):
        places.plan(now, "holder", "remove", first)
    assert open_holder(first).epochs() == [1]


def test_books_come_and_go(session: Session, home: Home, keys: key.TenantKeys) -> None:
    add_subjects(keys, session, 2)
    first, second = session.profile.books[0], home.path / "keys" / "book-two"
    change(session, "book", "add", second)
    assert Book(second).nodes() == {
        row[0]: row[1:] for row in session.conn.execute("SELECT path, version, change, blob FROM vault.node")
    }
    with anew(home) as now:
        assert now.profile.books == (first, second)
        assert key.verify(now).findings == ()
        change(now, "book", "remove", first)
        assert Book(first).file.exists()
        with pytest.raises(UsageError, match="no absolute path"):
            places.plan(now, "book", "add", "relative")
    with anew(home) as now, pytest.raises(RefusedError, match="the last book"):
        places.plan(now, "book", "remove", str(second))


def test_a_foreign_book_is_refused(session: Session, home: Home, keys: key.TenantKeys) -> None:
    second = home.path / "keys" / "book-two"
    change(session, "book", "add", second)
    with sqlite3.connect(second / "keybook.sqlite") as book:
        book.execute("UPDATE book SET tree_id = zeroblob(16)")
    with pytest.raises(RefusedError, match="belongs to another database"):
        places._add_book(session, Book(second), key.status(session))


def test_logins_to_the_same_database_follow(session: Session, home: Home, keys: key.TenantKeys) -> None:
    from dataclasses import replace

    from luactl.config import save_profile

    save_profile(home.paths, replace(home.profile, name="night"))
    save_profile(home.paths, replace(home.profile, name="other", holders=("file:/elsewhere",)))
    second = f"file:{home.path / 'keys' / 'second'}"
    change(session, "holder", "add", second)
    assert load_profile("night", home.environ).holders == (*home.profile.holders, second)
    assert load_profile("other", home.environ).holders == ("file:/elsewhere",)


def test_an_export_is_a_book_without_a_root(
    session: Session, home: Home, keys: key.TenantKeys, tmp_path: Path
) -> None:
    drop_subjects(session, 1, list(add_subjects(keys, session, 70))[:2])
    add_subjects(keys, session, 200)  # nodes that no book has yet
    file = tmp_path / "keys.luabook"
    done = export(session, file)
    assert (done.epoch, done.nodes) == (
        2,
        session.conn.execute("SELECT count(*) FROM vault.node").fetchone()[0],
    )  # type: ignore[index]
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".key-export")] == []
    root = (home.path / "keys" / "holder" / f"root-{2:020d}.key").read_bytes()[32:64]
    assert root not in file.read_bytes()
    with pytest.raises(RefusedError, match="exists already"):
        export(session, file)


def test_a_lost_book_comes_back_from_an_export(
    session: Session, home: Home, keys: key.TenantKeys, tmp_path: Path
) -> None:
    people = list(add_subjects(keys, session, 70))
    drop_subjects(session, 1, people[:2])
    file = tmp_path / "keys.luabook"
    export(session, file)
    add_subjects(keys, session, 200)
    home.profile.books[0].joinpath("keybook.sqlite").unlink()
    plan = plan_import(session, file)
    assert plan.books == (str(home.profile.books[0]),)
    import_(session, plan)
    assert key.status(session).state is key.State.SETTLED
    assert key.verify(session).findings == ()
    with pytest.raises(RefusedError, match="is older than key book"):
        plan_import(session, file)


def test_a_restored_database_is_not_touched(
    session: Session, home: Home, keys: key.TenantKeys, admin: psycopg.Connection, tmp_path: Path
) -> None:
    """Database at epoch 1, book lost, holders and export at epoch 2: the book returns, nothing else."""
    ids = list(add_subjects(keys, session, 2))
    before = admin.execute("SELECT path, version, change, blob FROM vault.node").fetchall()
    drop_subjects(session, 1, ids[:1])
    file = tmp_path / "keys.luabook"
    export(session, file)
    for path, version, number, blob in before:
        admin.execute(
            "UPDATE vault.node SET version = %s, change = %s, blob = %s WHERE path = %s",
            (version, number, blob, path),
        )
    admin.execute("UPDATE vault.tree SET epoch = 1")
    home.profile.books[0].joinpath("keybook.sqlite").unlink()
    done = import_(session, plan_import(session, file))
    assert (done.epoch, done.database_epoch) == (2, 1)
    assert Book(home.profile.books[0]).state().epoch == 2
    assert key.status(session).state is key.State.BEHIND


def test_an_older_export_never_goes_back(
    session: Session, home: Home, keys: key.TenantKeys, tmp_path: Path
) -> None:
    ids = list(add_subjects(keys, session, 2))
    old = tmp_path / "old.luabook"
    export(session, old)
    drop_subjects(session, 1, ids[:1])
    with pytest.raises(RefusedError, match="it has dropped keys"):
        plan_import(session, old)


def test_a_damaged_or_foreign_export_is_refused(
    session: Session, home: Home, keys: key.TenantKeys, tmp_path: Path
) -> None:
    file = tmp_path / "keys.luabook"
    export(session, file)
    with sqlite3.connect(file) as book:
        book.execute("UPDATE node SET blob = zeroblob(3840) WHERE path = x'0800'")
        book.execute("UPDATE node SET version = version + 1 WHERE path = x''")
    with pytest.raises(LuactlError, match="does not open"):
        plan_import(session, file)
    with sqlite3.connect(file) as book:
        book.execute("UPDATE book SET tree_id = zeroblob(16)")
    with pytest.raises(RefusedError, match="belongs to another database"):
        plan_import(session, file)
    file.write_bytes(b"no book" * 1000)
    with pytest.raises(RefusedError, match="cannot be used"):
        plan_import(session, file)
    with pytest.raises(RefusedError, match="is not there"):
        plan_import(session, tmp_path / "nothing")
