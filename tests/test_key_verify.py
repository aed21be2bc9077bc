"""`key verify`, `key status` and `key recover`: what they find, and how the commands say it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from uuid import UUID, uuid4

import psycopg
import pytest
from support_key import KILLED, add_subjects, add_tenant, drop_subjects, epoch_of, run_killed

from luactl import key
from luactl.db import Session
from luactl.errors import RefusedError
from luactl.key import RetentionClass, State, TenantKeys
from luactl.key.book import Book
from luactl.key.holder import open_holders
from luactl.key.status import BookStatus, HolderStatus, classify

Cli = Callable[..., CompletedProcess[str]]
TREE = uuid4()


@pytest.fixture
def keys(session: Session, admin: psycopg.Connection) -> TenantKeys:
    return add_tenant(session, admin, 1)


@pytest.fixture
def people(session: Session, keys: TenantKeys) -> list[UUID]:
    """Seventy subjects and a period, of whom two were dropped: the books stand at epoch 2."""
    ids = list(add_subjects(keys, session, 70))
    keys.period(RetentionClass.INVOICE, 2026)
    drop_subjects(session, 1, ids[:2])
    return ids[2:]


@pytest.fixture
def book(session: Session) -> Path:
    return session.profile.books[0] / "keybook.sqlite"


def findings(session: Session) -> str:
    return "; ".join(f"{one.where}: {one.what}" for one in key.verify(session).findings)


@pytest.mark.usefixtures("people")
def test_a_whole_tree_has_no_findings(session: Session) -> None:
    found = key.verify(session)
    assert (found.findings, found.epoch, found.claims) == ((), 2, 69)


@pytest.mark.usefixtures("people")
def test_new_nodes_that_the_book_has_not_seen_are_no_finding(session: Session, keys: TenantKeys) -> None:
    add_subjects(keys, session, 500)
    assert key.verify(session).findings == ()
    assert key.status(session).state is State.SETTLED


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE vault.node SET version = version + 1 WHERE path = '\\x080009'", "does not open"),
        (
            "UPDATE vault.node SET blob = overlay(blob placing '\\x00' from 100) WHERE length(path) = 3",
            "does not open",
        ),
        ("DELETE FROM vault.node WHERE path = '\\x0800'", "the node above it is missing"),
        ("UPDATE vault.slot SET slot_no = slot_no + 100000 WHERE slot_no = 69", "counter has not reached"),
        ("UPDATE vault.slot SET slot_no = 0 WHERE slot_no = 69", "its slot does not open"),
        ("UPDATE vault.slot SET tenant_id = 99 WHERE slot_no = 69", "not in the directory"),
        ("DELETE FROM vault.tombstone", "tombstones are not the database's"),
        ("UPDATE vault.node SET change = 1 WHERE path = ''", "differs from the database at node top"),
    ],
)
def test_damage_in_the_database_is_found(
    session: Session, admin: psycopg.Connection, damage: str, told: str
) -> None:
    assert admin.execute(damage).rowcount > 0
    assert told in findings(session)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DELETE FROM node WHERE length(path) = 2", "lacks node 0800"),
        ("UPDATE node SET blob = zeroblob(3840) WHERE path = x''", "differs from the database at node top"),
        ("INSERT INTO node VALUES (x'3f', 1, 1, zeroblob(3840))", "differs from the database at node 3f"),
        ("UPDATE book SET epoch = 1", "stands at epoch 1, the tree at 2"),
        ("UPDATE book SET epoch = 3", "older than its books or holders"),
        ("UPDATE book SET format = 9", "format 9"),
        ("DROP TABLE node", "cannot be used"),
    ],
)
def test_damage_in_a_book_is_found(session: Session, book: Path, damage: str, told: str) -> None:
    with closing(sqlite3.connect(book)) as opened, opened:
        opened.execute(damage)
    assert told in findings(session)


@pytest.mark.usefixtures("people")
def test_a_book_that_is_no_book_is_named(session: Session, book: Path) -> None:
    book.write_bytes(b"not SQLite at all" * 100)
    assert f"book {book.parent}: key book {book.parent} cannot be used" in findings(session)
    with pytest.raises(RefusedError, match=f"key book {book.parent} cannot be used"):
        Book(book.parent).state()


@pytest.mark.usefixtures("people")
def test_a_foreign_book_is_refused(session: Session, book: Path) -> None:
    with closing(sqlite3.connect(book)) as opened, opened:
        opened.execute("UPDATE book SET tree_id = ?", (os.urandom(16),))
    for attempt in (key.recover, lambda s: key.drop(s, [], lambda _epoch: None)):
        with pytest.raises(RefusedError, match="belongs to another database"):
            attempt(session)


@pytest.mark.usefixtures("people")
def test_a_root_left_over_is_found_and_recovered(session: Session) -> None:
    holder = open_holders(session.profile.holders)[0]
    tree_id = key.status(session).tree_id
    holder.put(tree_id, 1, os.urandom(32))
    assert "has roots of epochs: 1, 2; the tree is at 2" in findings(session)
    assert [(done.what, done.epoch) for done in key.recover(session).actions] == [("destroy", 1)]
    assert holder.epochs() == [2]


def test_a_book_holds_what_the_database_holds(
    session: Session, admin: psycopg.Connection, people: list[UUID], book: Path
) -> None:
    with closing(sqlite3.connect(book)) as opened:
        kept = opened.execute("SELECT path, version, change, blob FROM node ORDER BY path").fetchall()
        counters = opened.execute("SELECT * FROM counter ORDER BY 1, 2").fetchall()
    assert (
        kept == admin.execute("SELECT path, version, change, blob FROM vault.node ORDER BY path").fetchall()
    )
    assert counters == admin.execute("SELECT * FROM vault.counter ORDER BY 1, 2").fetchall()
    assert book.stat().st_mode & 0o777 == 0o600
    assert book.parent.stat().st_mode & 0o777 == 0o700


def holder_at(*epochs: int, broken: tuple[int, ...] = ()) -> HolderStatus:
    return HolderStatus("file:/h", epochs, broken, None, "ext4", "clear")


def book_at(epoch: int, change: int = 10, tree: UUID | None = TREE) -> BookStatus:
    return BookStatus("/b", tree, epoch, change, None)


@pytest.mark.parametrize(
    ("holders", "books", "state"),
    [
        ((holder_at(5),), (book_at(5),), State.SETTLED),
        ((holder_at(5),), (book_at(5, 3),), State.SETTLED),
        ((holder_at(5, 6),), (book_at(5),), State.UNFINISHED),
        ((holder_at(5, 6), holder_at(5)), (book_at(5),), State.UNFINISHED),
        ((holder_at(5, broken=(6,)),), (book_at(5),), State.UNFINISHED),
        ((holder_at(4, 5),), (book_at(4),), State.UNFINISHED),
        ((holder_at(4, 5), holder_at(5)), (book_at(5), book_at(4)), State.UNFINISHED),
        ((holder_at(5),), (book_at(5), book_at(0, 0, None)), State.UNFINISHED),
        ((holder_at(5, 6),), (book_at(6),), State.BEHIND),
        ((holder_at(6),), (book_at(5),), State.BEHIND),
        ((holder_at(5, 7),), (book_at(5),), State.BEHIND),
        ((holder_at(5),), (book_at(5, 11),), State.BEHIND),
        ((holder_at(4),), (book_at(5),), State.BROKEN),
        ((holder_at(5), holder_at()), (book_at(5),), State.BROKEN),
        ((holder_at(broken=(5,)),), (book_at(5),), State.BROKEN),
        ((holder_at(5),), (book_at(5, tree=uuid4()),), State.BROKEN),
    ],
)
def test_what_three_places_mean_together(
    holders: tuple[HolderStatus, ...], books: tuple[BookStatus, ...], state: State
) -> None:
    assert classify(TREE, 5, 10, holders, books) is state


def data(done: CompletedProcess[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(done.stdout)["data"]
    return found


@pytest.mark.usefixtures("people")
def test_the_commands_on_a_settled_tree(cli: Cli) -> None:
    status = cli("key", "status", "-o", "json")
    assert status.returncode == 0, status.stderr
    assert (data(status)["state"], data(status)["epoch"]) == ("settled", 2)
    verified = cli("key", "verify", "-o", "json")
    assert verified.returncode == 0, verified.stderr
    assert data(verified)["findings"] == []
    recovered = cli("key", "recover")
    assert recovered.returncode == 0
    assert "nothing to recover" in recovered.stderr


def test_the_commands_after_a_crash(session: Session, people: list[UUID], cli: Cli) -> None:
    assert run_killed("epoch committed", 1, people[:1]) == KILLED
    status = cli("key", "status")
    assert status.returncode == 6
    assert "luactl key recover" in status.stderr
    assert cli("key", "verify").returncode == 6
    unasked = cli("key", "recover")
    assert unasked.returncode == 2
    assert "--yes required" in unasked.stderr
    planned = cli("key", "recover", "--dry-run", "-o", "json")
    assert planned.returncode == 0
    assert key.status(session).state is State.UNFINISHED
    done = cli("key", "recover", "--yes", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert data(done)["actions"] == data(planned)["actions"]
    assert cli("key", "verify").returncode == 0
    assert epoch_of(session) == 3


@pytest.mark.usefixtures("people")
def test_a_lost_keyring_is_refused_with_its_name(session: Session, cli: Cli) -> None:
    holder = open_holders(session.profile.holders)[0]
    holder.directory.rename(holder.directory.with_name("elsewhere"))
    for verb in ("recover", "verify"):
        done = cli("key", verb)
        assert done.returncode == 5
        assert str(holder.directory) in done.stderr
        assert "hint:" in done.stderr
