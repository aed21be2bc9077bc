"""Dropping keys in a real database, and being killed between any two steps of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from conftest import Home
from support_key import (
    KILLED,
    STEPS,
    add_subjects,
    add_tenant,
    drop_subjects,
    epoch_of,
    run_killed,
)

from luactl import key
from luactl.config import save_profile
from luactl.db import Session, transaction
from luactl.errors import LuactlError, RefusedError
from luactl.key import KeyClass, RetentionClass, State, TenantDrop, TenantKeys

PEOPLE = 70


@pytest.fixture
def bare_home(bare_home: Home) -> Home:
    """The same home with two holders and two books."""
    keys = bare_home.path / "keys"
    profile = replace(
        bare_home.profile,
        holders=(f"file:{keys / 'one'}", f"file:{keys / 'two'}"),
        books=(keys / "book-one", keys / "book-two"),
    )
    save_profile(bare_home.paths, profile)
    return replace(bare_home, profile=profile)


@pytest.fixture
def keys(session: Session, admin: psycopg.Connection) -> TenantKeys:
    return add_tenant(session, admin, 1)


def living(session: Session, ids: list[UUID], key_class: KeyClass = KeyClass.MAIN) -> dict[UUID, bytes]:
    found = key.open_tenant(session, 1).subjects(ids, key_class)
    return {subject: one.key for subject, one in found.items()}


def test_drop_takes_the_dropped_and_nothing_else(session: Session, keys: TenantKeys) -> None:
    people = add_subjects(keys, session, PEOPLE)
    duty = add_subjects(keys, session, 3, KeyClass.ACCOUNTING)
    ids = list(people)
    index = keys.index_key
    epochs: list[int] = []
    done = key.drop(
        session, [TenantDrop(1, [(ids[0], KeyClass.MAIN), (ids[69], KeyClass.MAIN)])], epochs.append
    )
    assert epochs == [done.epoch_to] == [2]
    assert done.keys_dropped == 2
    # top, region leaf, tenant, first leaf; second region node and its leaf
    assert done.nodes_rewritten == 6
    assert [answer.state for answer in done.holders] == ["destroyed", "destroyed"]
    assert [book.epoch for book in done.books] == [2, 2]
    left = living(session, ids)
    assert left == {one: people[one].key for one in ids[1:69]}
    assert living(session, list(duty), KeyClass.ACCOUNTING) == {one: k.key for one, k in duty.items()}
    assert keys.index_key == index
    assert key.status(session).state is State.SETTLED
    assert key.verify(session).findings == ()


def test_the_destroyed_root_is_overwritten_and_gone(session: Session, home: Home, keys: TenantKeys) -> None:
    ids = list(add_subjects(keys, session, 1))
    drop_subjects(session, 1, ids)
    for name in ("one", "two"):
        assert [file.name for file in (home.path / "keys" / name).glob("root-*")] == [f"root-{2:020d}.key"]


def test_several_tenants_and_periods_share_an_epoch(
    session: Session, admin: psycopg.Connection, keys: TenantKeys
) -> None:
    other = add_tenant(session, admin, 2)
    mine, theirs = add_subjects(keys, session, 2), add_subjects(other, session, 2)
    july = keys.period(RetentionClass.INTERACTION, 202607)
    august = keys.period(RetentionClass.INTERACTION, 202608)
    year = keys.period(RetentionClass.INVOICE, 2015)
    drops = [
        TenantDrop(1, [(next(iter(mine)), KeyClass.MAIN)], [july.period_id, year.period_id]),
        TenantDrop(2, [(next(iter(theirs)), KeyClass.MAIN)]),
    ]
    done = key.drop(session, drops, lambda _epoch: None)
    assert (done.keys_dropped, epoch_of(session)) == (4, 2)
    again = key.open_tenant(session, 1)
    assert again.existing_period(RetentionClass.INTERACTION, 202607) is None
    assert again.existing_period(RetentionClass.INVOICE, 2015) is None
    assert again.existing_period(RetentionClass.INTERACTION, 202608) == august
    assert list(again.subjects(mine, KeyClass.MAIN)) == list(mine)[1:]
    assert key.verify(session).findings == ()
    # A purged period that is needed again gets another key.
    assert again.period(RetentionClass.INTERACTION, 202607).key != july.key


def test_erased_subjects_leave_a_tombstone_in_database_and_books(
    session: Session, home: Home, admin: psycopg.Connection, keys: TenantKeys
) -> None:
    from luactl.key.book import Book

    drop_subjects(session, 1, list(add_subjects(keys, session, 3)))
    marks = {(row[0], row[1]) for row in admin.execute("SELECT tenant_id, mark FROM vault.tombstone")}
    assert len(marks) == 3
    assert all(Book(book).marks() == marks for book in home.profile.books)


def test_a_change_that_fails_leaves_everything_as_it_was(session: Session, keys: TenantKeys) -> None:
    people = add_subjects(keys, session, 3)

    def fail(_epoch: int) -> None:
        raise LuactlError("rows cannot be changed")

    with pytest.raises(LuactlError, match="rows cannot be changed"):
        key.drop(session, [TenantDrop(1, [(one, KeyClass.MAIN) for one in people])], fail)
    assert key.status(session).state is State.SETTLED
    assert epoch_of(session) == 1
    assert living(session, list(people)) == {one: k.key for one, k in people.items()}


@pytest.mark.parametrize("at", STEPS)
def test_killed_anywhere_it_recovers(
    session: Session, keys: TenantKeys, admin: psycopg.Connection, at: str
) -> None:
    people = add_subjects(keys, session, PEOPLE)
    ids = list(people)
    assert run_killed(at, 1, ids[:2]) == KILLED
    committed = STEPS.index(at) >= STEPS.index("epoch committed")
    assert epoch_of(session) == 1 + committed
    if STEPS.index(at) < len(STEPS) - 1:
        assert key.status(session).state is State.UNFINISHED
        with pytest.raises(RefusedError, match="not finished"):
            drop_subjects(session, 1, ids[2:3])
        planned = key.recover(session, dry_run=True)
        assert key.status(session).state is State.UNFINISHED
        done = key.recover(session)
        assert done.actions == planned.actions != ()
        outcomes = admin.execute("SELECT outcome FROM ledger.entry WHERE action = 'key.recover' ORDER BY id")
        assert [row[0] for row in outcomes] == ["intent", "done"]
    assert key.recover(session).actions == ()
    assert key.status(session).state is State.SETTLED
    assert key.verify(session).findings == ()
    gone = set(ids[:2]) if committed else set()
    assert living(session, ids) == {one: people[one].key for one in ids if one not in gone}
    assert drop_subjects(session, 1, ids[2:3]).keys_dropped == 1


def test_a_database_behind_the_book_is_refused(
    session: Session, home: Home, keys: TenantKeys, admin: psycopg.Connection
) -> None:
    """As after a failover that lost the commit: both roots are there, the books stand at the newer one."""
    ids = list(add_subjects(keys, session, 2))
    before = admin.execute("SELECT path, version, change, blob FROM vault.node").fetchall()
    assert run_killed("book 1 written", 1, ids[:1]) == KILLED
    for path, version, change, blob in before:
        admin.execute(
            "UPDATE vault.node SET version = %s, change = %s, blob = %s WHERE path = %s",
            (version, change, blob, path),
        )
    admin.execute("UPDATE vault.tree SET epoch = 1")
    for attempt in (key.recover, lambda s: drop_subjects(s, 1, ids)):
        with pytest.raises(RefusedError, match="older than its key books or holders"):
            attempt(session)
    roots = [file.name for file in sorted((home.path / "keys" / "one").glob("root-*"))]
    assert roots == [f"root-{1:020d}.key", f"root-{2:020d}.key"]


def test_a_database_behind_its_holders_is_refused(
    session: Session, keys: TenantKeys, admin: psycopg.Connection
) -> None:
    ids = list(add_subjects(keys, session, 2))
    drop_subjects(session, 1, ids[:1])
    admin.execute("UPDATE vault.tree SET epoch = 1")
    with pytest.raises(RefusedError, match="older than"):
        key.recover(session)


def test_recovery_destroys_nothing_unless_the_database_opens(
    session: Session, home: Home, keys: TenantKeys, admin: psycopg.Connection
) -> None:
    ids = list(add_subjects(keys, session, 2))
    assert run_killed("epoch committed", 1, ids[:1]) == KILLED
    admin.execute("UPDATE vault.node SET version = version + 1 WHERE path = ''")
    with pytest.raises(LuactlError, match="does not open"):
        key.recover(session)
    assert len(list((home.path / "keys" / "one").glob("root-*"))) == 2


def test_a_lost_book_is_written_anew(session: Session, home: Home, keys: TenantKeys) -> None:
    drop_subjects(session, 1, list(add_subjects(keys, session, 2)))
    (home.profile.books[1] / "keybook.sqlite").unlink()
    with pytest.raises(RefusedError, match="not finished"):
        drop_subjects(session, 1, [])
    assert [action.what for action in key.recover(session).actions] == ["sync"]
    assert key.verify(session).findings == ()


def test_a_book_that_fails_after_the_commit_keeps_the_old_root(
    session: Session, home: Home, keys: TenantKeys
) -> None:
    people = add_subjects(keys, session, 3)
    ids, book = list(people), home.profile.books[1] / "keybook.sqlite"

    def spoil(step: str) -> None:
        if step == "epoch committed":
            book.write_bytes(b"no longer a key book" * 500)

    with pytest.raises(key.UnfinishedError, match=str(book.parent)):
        drop_subjects(session, 1, ids[:1], spoil)
    assert epoch_of(session) == 2
    assert len(list((home.path / "keys" / "one").glob("root-*"))) == 2
    with pytest.raises(RefusedError, match=str(book.parent)):
        key.recover(session)
    book.unlink()
    assert [done.what for done in key.recover(session).actions] == ["sync", "destroy", "destroy"]
    assert key.verify(session).findings == ()
    assert living(session, ids) == {one: people[one].key for one in ids[1:]}


def test_a_busy_tree_is_told(
    session: Session, home: Home, keys: TenantKeys, admin: psycopg.Connection
) -> None:
    from luactl.errors import BusyError
    from luactl.key.root import TREE_LOCK

    admin.execute("SELECT pg_advisory_lock(%s)", (TREE_LOCK,))
    with pytest.raises(BusyError, match="somebody else"):
        key.recover(session, lock_timeout="50ms")
    admin.execute("SELECT pg_advisory_unlock(%s)", (TREE_LOCK,))
    with admin.transaction():
        admin.execute("SELECT FROM vault.tree FOR UPDATE")
        with pytest.raises(BusyError, match="somebody else"):
            key.recover(session, lock_timeout="50ms")
    assert key.recover(session).actions == ()


def test_a_writer_keeps_its_period_from_being_purged(
    session: Session, keys: TenantKeys, admin: psycopg.Connection, home: Home
) -> None:
    from luactl.connect import open_session

    period = keys.period(RetentionClass.INTERACTION, 202601)
    with open_session("test", command="test") as writer:
        theirs = key.open_tenant(writer, 1)
        with transaction(writer, 1):
            assert theirs.period(RetentionClass.INTERACTION, 202601) == period
            with pytest.raises(psycopg.errors.LockNotAvailable):
                _drop_period(session, period.period_id, "50ms")
        assert _drop_period(session, period.period_id, "5s").keys_dropped == 1
        with transaction(writer, 1), pytest.raises(LuactlError, match="not open for writing"):
            theirs.period(RetentionClass.INTERACTION, 202601)


def _drop_period(session: Session, period_id: int, lock_timeout: str) -> key.EpochChange:
    def change(_epoch: int) -> None:
        pass

    return key.drop(session, [TenantDrop(1, periods=[period_id])], change, lock_timeout=lock_timeout)


def test_no_root_is_ever_in_a_book(session: Session, home: Home, keys: TenantKeys) -> None:
    roots = [file.read_bytes()[32:64] for file in (home.path / "keys" / "one").glob("root-*")]
    drop_subjects(session, 1, list(add_subjects(keys, session, 2)))
    roots += [file.read_bytes()[32:64] for file in (home.path / "keys" / "one").glob("root-*")]
    for book in home.profile.books:
        stored = Path(book / "keybook.sqlite").read_bytes()
        assert not any(root in stored for root in roots)
