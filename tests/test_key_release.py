"""Keys released to a person: opened without the root, ended by new keys, and what is left to who kept all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from conftest import Home, TestServer, new_login
from support_key import add_subjects, add_tenant, drop_subjects
from support_staff import on_record
from test_key_rekey import all_keys

from luactl import key
from luactl.clock import Clock
from luactl.connect import explain
from luactl.db import Session, queries
from luactl.errors import Exit, NotFoundError, RefusedError, UsageError
from luactl.key import KeyClass, RetentionClass, SealError, TenantDrop, TenantKeys, person, release
from luactl.key.node import OpenNode
from luactl.key.path import tenant_nodes
from luactl.key.rotate import plan_rotation, rotate

HOUR = timedelta(hours=1)


@pytest.fixture
def keys(session: Session, admin: psycopg.Connection) -> TenantKeys:
    return add_tenant(session, admin, 1)


@pytest.fixture
def guest(server: TestServer, database: str, home: Home, admin: psycopg.Connection) -> Iterator[Session]:
    """Somebody bound, on a host without holders and books, with a key pair of their own."""
    from luactl.connect import dial

    passfile = home.paths.passfile("test")
    login = new_login(server, passfile, ("lua_operator", "lua_accounting"))
    profile = replace(
        home.profile, name="guest", dsn=server.dsn(database, login, passfile), holders=(), books=()
    )
    on_record(admin, login)
    person.make(person.person_file("guest"))
    with closing(dial(profile.dsn, passfile=passfile, profile="guest", command="test")) as conn:
        from luactl.clock import SystemClock

        yield Session(conn, login, SystemClock(), profile, "test")


def wanted(guest: Session, tenant_id: int = 1) -> release.NewRelease:
    mine = person.load(person.person_file("guest"))
    assert mine is not None
    return release.NewRelease(tenant_id, guest.actor, mine.public, HOUR, "ticket 4711")


def give(session: Session, guest: Session, tenant_id: int = 1, **changed: Any) -> release.Release:
    return release.give(session, replace(wanted(guest, tenant_id), **changed))


class Later(Clock):
    """A clock that is ahead."""

    def __init__(self, clock: Clock, ahead: timedelta) -> None:
        self._clock, self._ahead = clock, ahead

    def now(self) -> Any:
        return self._clock.now() + self._ahead


def later(session: Session, ahead: timedelta = HOUR) -> Session:
    return replace(session, clock=Later(session.clock, ahead))


def test_who_has_neither_root_nor_release_opens_nothing(guest: Session, keys: TenantKeys) -> None:
    with pytest.raises(RefusedError, match="no keys of this tenant are released") as caught:
        key.open_tenant(guest, 1)
    assert caught.value.exit is Exit.REFUSED
    person.person_file("guest").unlink()
    with pytest.raises(RefusedError, match="holds no keys"):
        key.open_tenant(guest, 1)


def test_a_release_opens_one_tenant_and_makes_nothing(
    session: Session, admin: psycopg.Connection, guest: Session, keys: TenantKeys
) -> None:
    people = add_subjects(keys, session, 70)
    duty = add_subjects(keys, session, 2, KeyClass.ACCOUNTING)
    period = keys.period(RetentionClass.INTERACTION, 202607)
    add_tenant(session, admin, 2)
    given = give(session, guest)
    assert (given.state, given.opens) == ("running", ("main", "special", "accounting", "medical-record"))
    opened = key.open_tenant(guest, 1)
    assert opened.subjects(people, KeyClass.MAIN) == people
    assert opened.subjects(duty, KeyClass.ACCOUNTING) == duty
    assert opened.existing_period(RetentionClass.INTERACTION, 202607) == period
    assert opened.index_key == keys.index_key
    with pytest.raises(RefusedError, match="no keys of this tenant"):
        key.open_tenant(guest, 2)
    with pytest.raises(RefusedError, match="on a key host only"):
        add_subjects(opened, guest, 1)
    with pytest.raises(RefusedError, match="holds no keys"):
        key.drop(guest, [], lambda _epoch: None)


@pytest.mark.parametrize("part", release.PARTS)
def test_a_class_may_be_released_alone(
    session: Session, guest: Session, keys: TenantKeys, part: release.Part
) -> None:
    people = add_subjects(keys, session, 2)
    duty = add_subjects(keys, session, 2, KeyClass.ACCOUNTING)
    key_class = KeyClass.ACCOUNTING if part == "duty" else KeyClass.SPECIAL
    assert release.parts_of(key_class) == (part,)
    give(session, guest, parts=(part,))
    opened = key.open_tenant(guest, 1)
    mine, others = (people, duty) if part == "tenant" else (duty, people)
    classes = (KeyClass.MAIN, KeyClass.ACCOUNTING)
    own, other = classes if part == "tenant" else classes[::-1]
    assert opened.subjects(mine, own) == mine
    assert opened.reaches(own)
    assert not opened.reaches(other)
    with pytest.raises(RefusedError, match="were not released to you"):
        opened.subjects(others, other)


def test_nobody_is_given_keys_who_is_not_bound(
    session: Session, admin: psycopg.Connection, guest: Session, keys: TenantKeys
) -> None:
    """Neither by the command nor by whoever types SQL: rows are the function's alone to write."""
    admin.execute("UPDATE lua.undertaking SET withdrawn_at = now()")
    for refused in (lambda: give(session, guest), lambda: release.plan(session, "one", wanted(guest))):
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            refused()
        told = explain(caught.value)
        assert told.exit is Exit.REFUSED
        assert "no undertaking of confidentiality is in force for" in told.what
        assert "luactl staff show" in str(told.hint)
    for table in ("release", "release_key"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for table"):
            session.conn.execute(f"INSERT INTO vault.{table} (tenant_id) VALUES (1)".encode())
    admin.execute("UPDATE lua.undertaking SET withdrawn_at = NULL; UPDATE lua.person SET ended_at = now()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="belongs to nobody in force"):
        give(session, guest)
    assert release.list_(session) == []


def test_it_goes_on_through_epochs_that_others_turn(
    session: Session, guest: Session, keys: TenantKeys
) -> None:
    people = add_subjects(keys, session, 3)
    first, *rest = people
    give(session, guest)
    opened = key.open_tenant(guest, 1)
    drop_subjects(session, 1, [first])
    left = {one: people[one] for one in rest}
    assert opened.subjects(people, KeyClass.MAIN) == left
    rotate(session, plan_rotation(session))
    assert opened.subjects(people, KeyClass.MAIN) == left
    assert key.open_tenant(guest, 1).subjects(people, KeyClass.MAIN) == left
    assert release.list_(session)[0].state == "running"


def test_it_runs_out(session: Session, guest: Session, keys: TenantKeys) -> None:
    people = add_subjects(keys, session, 2)
    given = give(session, guest)
    assert key.open_tenant(guest, 1).subjects(people, KeyClass.MAIN) == people
    with pytest.raises(RefusedError, match="expired at"):
        key.open_tenant(later(guest), 1)
    found = release.find(later(session), given.release_id)
    assert (found.state, found.ended_at) == ("expired", None)
    plan = plan_rotation(later(session), everything=False)
    assert (plan.expired, plan.everything) == (1, False)
    drop_subjects(later(session), 1, [])  # any epoch takes it back
    found = release.find(session, given.release_id)
    assert (found.state, found.end_reason, found.ended_epoch) == ("ended", "expired", 2)
    with pytest.raises(RefusedError, match="no keys of this tenant"):
        key.open_tenant(guest, 1)
    assert key.verify(session).findings == ()


def test_it_is_revoked(session: Session, admin: psycopg.Connection, guest: Session, keys: TenantKeys) -> None:
    given = give(session, guest)
    with pytest.raises(NotFoundError, match="no release"):
        release.revoke(session, uuid4())
    done = release.revoke(session, given.release_id)
    assert done.change is not None
    assert (done.release.state, done.release.end_reason) == ("ended", "revoked")
    assert done.release.ended_by == session.actor
    with pytest.raises(RefusedError, match="no keys of this tenant"):
        key.open_tenant(guest, 1)
    with pytest.raises(RefusedError, match="ended with epoch 2"):
        release.revoke(session, given.release_id)
    actions = admin.execute(
        "SELECT action, outcome FROM ledger.entry WHERE action LIKE 'key.release%' ORDER BY id"
    )
    assert actions.fetchall() == [
        ("key.release.add", "done"),
        ("key.release.revoke", "intent"),
        ("key.release.revoke", "done"),
    ]


@pytest.mark.parametrize("step", ["epoch committed", "root destroyed at holder 1"])
def test_a_revocation_that_was_cut_short_is_finished(
    session: Session, admin: psycopg.Connection, guest: Session, keys: TenantKeys, step: str
) -> None:
    """Its keys, and what the ledger says of it; then it is over for good."""
    given = give(session, guest)

    def stop(name: str) -> None:
        if name == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        release.revoke(replace(session, step=stop), given.release_id)
    assert release.revoke(session, given.release_id).release.state == "ended"
    assert key.status(session).state is key.State.SETTLED
    told = "SELECT outcome FROM ledger.entry WHERE action = 'key.release.revoke' ORDER BY id"
    assert admin.execute(told).fetchall() == [("intent",), ("done",)]
    with pytest.raises(RefusedError, match="ended with epoch 2"):
        release.revoke(session, given.release_id)


def test_the_end_of_a_tenant_ends_its_releases(session: Session, guest: Session, keys: TenantKeys) -> None:
    given = give(session, guest)
    key.drop(session, [TenantDrop(1, whole=True)], lambda _epoch: None)
    assert release.find(session, given.release_id).end_reason == "tenant ended"


class Attacker:
    """Has every node version that ever was, and a node key that he kept: opens all that it leads to."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.ever: set[tuple[bytes, int, bytes]] = set()
        self.tree_id: bytes = session.conn.execute("SELECT tree_id FROM vault.tree").fetchone()[0].bytes  # type: ignore[index]

    def look(self) -> None:
        """Copy the whole table of nodes, as whoever has every backup does."""
        self.ever |= set(self.session.conn.execute("SELECT path, version, blob FROM vault.node").fetchall())

    def reach(self, path: bytes, node_key: bytes) -> set[bytes]:
        found: set[bytes] = set()
        tried = [(path, node_key)]
        while tried:
            at, secret = tried.pop()
            for where, version, blob in self.ever:
                if where != at:
                    continue
                try:
                    children = OpenNode(self.tree_id, at, version, blob, secret).keys()
                except SealError:
                    continue
                for slot, child in enumerate(children):
                    if child is not None and child not in found:
                        found.add(child)
                        tried.append((at + bytes([slot]), child))
        return found


def test_an_expired_release_and_all_old_nodes_open_nothing_new(
    session: Session, admin: psycopg.Connection, guest: Session, keys: TenantKeys
) -> None:
    before = add_subjects(keys, session, 70)
    erased, *rest = before
    drop_subjects(session, 1, [erased])
    given = give(session, guest)
    kept = key.open_tenant(guest, 1)
    own = tenant_nodes(queries("key").key_no(session.conn, tenant_id=1))[0]
    node_key = kept._nodes.key_of(own)
    attacker = Attacker(session)
    attacker.look()
    release.revoke(session, given.release_id)
    attacker.look()
    later_people = add_subjects(key.open_tenant(session, 1), session, 200)
    new_period = key.open_tenant(session, 1).period(RetentionClass.INTERACTION, 202609)
    drop_subjects(session, 1, [rest[0]])
    attacker.look()
    rows = admin.execute("SELECT sealed FROM vault.release_key").fetchall()
    assert rows == [], "nothing is sealed to them any more"
    reached = attacker.reach(own, node_key)
    assert {before[one].key for one in rest} <= reached, "what was released could be opened, and kept"
    assert before[erased].key not in reached
    assert not {one.key for one in later_people.values()} & reached
    assert new_period.key not in reached
    own_slots = {all_keys(session)[own, slot] for slot in range(8)}
    assert (reached & set(all_keys(session).values())) <= {one.key for one in before.values()} | own_slots


def test_the_attacker_would_reach_more_if_nothing_were_re_keyed(
    session: Session, guest: Session, keys: TenantKeys
) -> None:
    """The proof above is not vacuous: while the release runs, people who come later are within reach."""
    give(session, guest)
    own = tenant_nodes(queries("key").key_no(session.conn, tenant_id=1))[0]
    node_key = key.open_tenant(guest, 1)._nodes.key_of(own)
    people = add_subjects(keys, session, 3)
    attacker = Attacker(session)
    attacker.look()
    assert {one.key for one in people.values()} <= attacker.reach(own, node_key)


@pytest.mark.parametrize(
    ("changed", "error", "what"),
    [
        ({"duration": timedelta(seconds=1)}, UsageError, "at least a minute"),
        ({"duration": timedelta(days=32)}, UsageError, "at most 31 days"),
        ({"purpose": "  "}, UsageError, "a purpose"),
        ({"person": "nobody_at_all"}, NotFoundError, "nobody logs in as 'nobody_at_all'"),
        ({"tenant_id": 77}, NotFoundError, "no tenant 77"),
        ({"public_key": bytes(32)}, UsageError, "no point that can be used"),
    ],
)
def test_what_cannot_be_released(
    session: Session, guest: Session, keys: TenantKeys, changed: dict[str, Any], error: type, what: str
) -> None:
    with pytest.raises(error, match=what):
        give(session, guest, **changed)
    assert release.list_(session) == []


def test_only_officer_and_administrator_release(
    login: Callable[..., Session], session: Session, guest: Session, keys: TenantKeys
) -> None:
    operator = login("lua_operator")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        give(operator, guest)
    assert give(login("lua_dpo"), guest).state == "running"
    assert [one.person for one in release.list_(login("lua_auditor"))] == [guest.actor]


def test_nobody_releases_in_anothers_name(
    login: Callable[..., Session], session: Session, guest: Session, keys: TenantKeys
) -> None:
    officer = login("lua_dpo")
    assert give(replace(officer, actor=session.actor), guest).released_by == officer.actor


def test_a_key_pair_is_private_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "person.key"
    assert person.load(file) is None
    made = person.make(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert person.load(file) == made
    with pytest.raises(RefusedError, match="already"):
        person.make(file)
    assert person.read_public(person.public_text(made.public) + "\n") == made.public
    for text in ("", "ssh-ed25519 AAAA", "luactl-person-1 AAAA", file.read_text()):
        with pytest.raises(UsageError):
            person.read_public(text)
    file.chmod(0o644)
    with pytest.raises(RefusedError, match="others may read"):
        person.load(file)
    file.chmod(0o600)
    file.write_text("luactl-person-secret-1 AAAA")
    with pytest.raises(RefusedError, match="no person's key pair"):
        person.load(file)


def test_a_sealed_key_opens_in_its_place_only(tmp_path: Path) -> None:
    mine, theirs = person.make(tmp_path / "a"), person.make(tmp_path / "b")
    tree, one, path = os.urandom(16), os.urandom(16), b"\x08\x05"
    sealed = person.seal_to(mine.public, bytes(range(32)), person.bound(tree, one, path, 3))
    assert len(sealed) == 93
    assert person.open_sealed(mine, sealed, person.bound(tree, one, path, 3)) == bytes(range(32))
    wrong = [
        (theirs, sealed, person.bound(tree, one, path, 3)),
        (mine, sealed, person.bound(tree, one, path, 4)),
        (mine, sealed, person.bound(tree, os.urandom(16), path, 3)),
        (mine, sealed, person.bound(os.urandom(16), one, path, 3)),
        (mine, sealed[:-1] + bytes([sealed[-1] ^ 1]), person.bound(tree, one, path, 3)),
        (mine, sealed[1:], person.bound(tree, one, path, 3)),
    ]
    for who, frame, place in wrong:
        with pytest.raises(SealError):
            person.open_sealed(who, frame, place)
    assert isinstance(UUID(bytes=one), UUID)


def test_somebody_without_the_root_works_with_what_was_released(
    session: Session, admin: psycopg.Connection, guest: Session
) -> None:
    """The whole way of a command: search, record, open; and a reading leaves its entry."""
    from support_subject import add_people

    from luactl import subject, tenant

    tenant.create(session, tenant.NewTenant("shop", "Shop", "DE", "someone"))
    shop = tenant.find(session, "shop")
    (luisa,) = add_people(session, shop, [{"name": "Luisa", "email": "luisa@example.org"}], 0)

    def find(by: Session) -> list[UUID]:
        return [one.subject_id for one in subject.find(by, shop, "name", "luisa", purpose="ticket 4711")]

    with pytest.raises(RefusedError, match="no keys of this tenant"):
        find(guest)
    given = give(session, guest, shop.tenant_id)
    assert find(guest) == [luisa]
    reads = admin.execute(
        "SELECT count(*) FROM ledger.entry WHERE action = 'read' AND actor = %s", [guest.actor]
    )
    assert reads.fetchone() == (1,)
    release.revoke(session, given.release_id)
    with pytest.raises(RefusedError, match="no keys of this tenant"):
        find(guest)
