"""Epochs that do more than drop a few keys: rotation, the end of a tenant, a newer version of a key."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from conftest import Home
from support_key import add_subjects, add_tenant, drop_subjects, epoch_of

from luactl import key
from luactl.db import Session, queries, transaction
from luactl.errors import LuactlError, NotFoundError
from luactl.key import KeyClass, RetentionClass, TenantDrop, TenantKeys
from luactl.key.book import Book
from luactl.key.path import INDEX_SLOT, TOMBSTONE_SLOT, TOP, Counter, locate, tenant_nodes
from luactl.key.rotate import plan_rotation, rotate
from luactl.key.tree import Nodes

PEOPLE = 70


@pytest.fixture
def keys(session: Session, admin: psycopg.Connection) -> TenantKeys:
    return add_tenant(session, admin, 1)


def all_keys(session: Session) -> dict[tuple[bytes, int], bytes | None]:
    """Every key of the tree as today's root opens it, by path and slot."""
    nodes = Nodes(session)
    paths = [row[0] for row in session.conn.execute("SELECT path FROM vault.node")]
    nodes.load(paths)
    return {(path, slot): nodes[path][slot] for path in paths for slot in range(64)}


def blobs(session: Session) -> dict[bytes, bytes]:
    return dict(session.conn.execute("SELECT path, blob FROM vault.node").fetchall())


def test_rotation_gives_every_node_a_new_key_and_loses_nothing(
    session: Session, home: Home, admin: psycopg.Connection, keys: TenantKeys
) -> None:
    people = add_subjects(keys, session, PEOPLE)
    other = add_tenant(session, admin, 2)
    duty = add_subjects(other, session, 3, KeyClass.ACCOUNTING)
    period = keys.period(RetentionClass.INTERACTION, 202607)
    before, index = all_keys(session), keys.index_key
    plan = plan_rotation(session)
    done = rotate(session, plan)
    assert done.change is not None
    assert (plan.epoch, done.change.epoch_to) == (1, 2)
    assert done.change.nodes_rewritten == plan.nodes == len(blobs(session))
    after = all_keys(session)
    inner = {(path[:-1], path[-1]) for path in blobs(session) if path}
    assert not [at for at in inner if before[at] == after[at]], "a node kept its key"
    again = key.open_tenant(session, 1)
    assert again.subjects(people, KeyClass.MAIN) == people
    assert key.open_tenant(session, 2).subjects(duty, KeyClass.ACCOUNTING) == duty
    assert again.existing_period(RetentionClass.INTERACTION, 202607) == period
    assert again.index_key == index
    assert before[TOP, TOMBSTONE_SLOT] == after[TOP, TOMBSTONE_SLOT]
    assert key.verify(session).findings == ()
    outcomes = admin.execute("SELECT outcome FROM ledger.entry WHERE action = 'key.rotate' ORDER BY id")
    assert [row[0] for row in outcomes] == ["intent", "done"]


def test_rotation_puts_the_unclaimed_out_of_reach(session: Session, keys: TenantKeys) -> None:
    """Who had opened the whole tree knows no key of anybody who comes later."""
    add_subjects(keys, session, 10)
    stolen = set(all_keys(session).values())
    rotate(session, plan_rotation(session))
    again = key.open_tenant(session, 1)
    later = add_subjects(again, session, 200)
    assert not {one.key for one in later.values()} & stolen
    assert again.period(RetentionClass.INTERACTION, 202608).key not in stolen


def test_a_number_that_was_handed_out_keeps_its_key(session: Session, keys: TenantKeys) -> None:
    """A writer who reserved before the rotation claims after it, with what it remembers."""
    from uuid_utils.compat import uuid7

    keys.reserve(KeyClass.MAIN, 3)
    rotate(session, plan_rotation(session))
    ids = [uuid7() for _ in range(3)]
    with transaction(session, 1):
        claimed = keys.claim(ids, KeyClass.MAIN, new=True)
    assert key.open_tenant(session, 1).subjects(ids, KeyClass.MAIN) == claimed


def test_a_writer_who_remembers_the_old_tree_reserves_in_the_new_one(
    session: Session, keys: TenantKeys
) -> None:
    first = add_subjects(keys, session, 3)
    rotate(session, plan_rotation(session))
    more = add_subjects(keys, session, 100)  # the same object, whose nodes are of the epoch before
    everybody = first | more
    assert key.open_tenant(session, 1).subjects(everybody, KeyClass.MAIN) == everybody
    assert key.verify(session).findings == ()


def test_a_whole_tenant_ends_in_one_epoch(
    session: Session, home: Home, admin: psycopg.Connection, keys: TenantKeys
) -> None:
    people = add_subjects(keys, session, PEOPLE)
    add_subjects(keys, session, 2, KeyClass.ACCOUNTING)
    keys.period(RetentionClass.INVOICE, 2024)
    other = add_tenant(session, admin, 2)
    theirs = add_subjects(other, session, 3)
    own, duty = tenant_nodes(queries("key").key_no(session.conn, tenant_id=1))
    secrets = {*(one.key for one in people.values()), keys.index_key}
    done = key.drop(session, [TenantDrop(1, whole=True)], lambda _epoch: None)
    assert (done.keys_dropped, epoch_of(session)) == (PEOPLE + 3, 2)
    left = blobs(session)
    assert not [path for path in left if path.startswith((own, duty))], "rubbish is left"
    for folder in home.profile.books:
        assert not [path for path in Book(folder).paths() if path.startswith((own, duty))]
    assert not secrets & set(all_keys(session).values())
    assert key.open_tenant(session, 2).subjects(theirs, KeyClass.MAIN) == theirs
    with pytest.raises(LuactlError, match="was dropped"):
        key.open_tenant(session, 1).subjects(people, KeyClass.MAIN)
    with pytest.raises(LuactlError, match="was dropped"):
        add_subjects(keys, session, 1)
    assert key.verify(session).findings == ()
    assert admin.execute("SELECT count(*) FROM vault.tombstone").fetchone() == (1,)
    with pytest.raises(NotFoundError, match="no tenant 9"):
        key.drop(session, [TenantDrop(9, whole=True)], lambda _epoch: None)


def test_a_book_that_was_away_loses_an_ended_tenant_too(
    session: Session, home: Home, admin: psycopg.Connection, keys: TenantKeys
) -> None:
    add_subjects(keys, session, PEOPLE)
    drop_subjects(session, 1, [])
    file = home.profile.books[0] / "keybook.sqlite"
    old = file.read_bytes()
    key.drop(session, [TenantDrop(1, whole=True)], lambda _epoch: None)
    file.write_bytes(old)
    assert key.status(session).state is key.State.UNFINISHED
    key.recover(session)
    assert key.verify(session).findings == ()


def test_only_dropped_nodes_are_pruned(session: Session, keys: TenantKeys) -> None:
    own, _duty = tenant_nodes(queries("key").key_no(session.conn, tenant_id=1))
    for path in (own, b"", own + b"\x08", b"\x3f\x3f\x3f"):
        with pytest.raises(psycopg.errors.CheckViolation, match="is not dropped"), transaction(session):
            queries("key").prune(session.conn, paths=[path])


def newer_version(session: Session, keys: TenantKeys, subject: Any) -> key.SubjectKey:
    keys.reserve(KeyClass.MAIN, 1)

    def change(_epoch: int) -> None:
        keys.claim_newer(subject, KeyClass.MAIN, 2)

    key.drop(session, [TenantDrop(1, versions=[(subject, KeyClass.MAIN, 1)])], change)
    return key.open_tenant(session, 1).subjects([subject], KeyClass.MAIN)[subject]


def test_a_newer_version_takes_the_place_of_the_old_one(
    session: Session, admin: psycopg.Connection, keys: TenantKeys
) -> None:
    people = add_subjects(keys, session, 3)
    subject = next(iter(people))
    newer = newer_version(session, keys, subject)
    assert newer.version == 2
    old = people[subject].key
    assert newer.key != old
    assert old not in all_keys(session).values()
    assert key.verify(session).findings == ()
    marks = [row[0] for row in admin.execute("SELECT mark FROM vault.tombstone")]
    drop_subjects(session, 1, [subject])
    assert len(marks) == 1
    more = [row[0] for row in admin.execute("SELECT mark FROM vault.tombstone")]
    assert len(more) == 2, "a superseded version and an erased subject are told apart"


def test_own_slots_of_a_tenant_stay(session: Session, keys: TenantKeys) -> None:
    own, duty = tenant_nodes(queries("key").key_no(session.conn, tenant_id=1))
    before = all_keys(session)
    rotate(session, plan_rotation(session))
    after = all_keys(session)
    for slot in range(8):
        assert before[own, slot] == after[own, slot]
        assert before[duty, slot] == after[duty, slot]
    assert after[own, INDEX_SLOT] == key.open_tenant(session, 1).index_key
    leaf, slot = locate(own, Counter.SUBJECTS.first, 5000)
    assert leaf not in blobs(session)
    assert before[own, Counter.SUBJECTS.first + 2] != after[own, Counter.SUBJECTS.first + 2]
