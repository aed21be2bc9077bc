"""Random histories of everything that can happen to keys, against somebody who keeps every node ever written.

Claims, erasures, purges, rectifications, ends of tenants, rotations, releases, and SIGKILL between any two
steps, on a real database. In the end: with today's root the attacker reaches the living keys and none that
was ever dropped; with an older root also what died since, and nothing that died before; with released keys
nothing that came after the release had ended.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from conftest import GROUP_ROLES, TEMPLATE, TestServer, isolated, new_login, test_profile
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from psycopg import sql
from support_key import STEPS, add_subjects, add_tenant
from support_staff import on_record
from support_wait import drop_database
from test_key_release import Later

from luactl import key
from luactl.clock import SystemClock
from luactl.connect import dial
from luactl.db import Session, queries
from luactl.key import KeyClass, RetentionClass, SealError, TenantDrop, person, release
from luactl.key.holder import open_holders
from luactl.key.node import OpenNode, top_key
from luactl.key.path import TOP, tenant_nodes
from luactl.key.rotate import plan_rotation, rotate
from luactl.ledger import create_origin

MONTHS = (202607, 202608, 202609)
Claim = tuple[int, UUID, KeyClass]
Drop = Callable[[Session], object]


@dataclass
class Copies:
    """What the attacker has: every version of every node, and every root that ever was."""

    tree_id: bytes
    ever: dict[bytes, set[tuple[int, bytes]]] = field(default_factory=lambda: defaultdict(set))
    roots: dict[int, bytes] = field(default_factory=dict)

    def reach(self, path: bytes, secret: bytes) -> set[bytes]:
        """Every key that opens anything from there."""
        found: set[bytes] = set()
        tried = [(path, secret)]
        while tried:
            at, node_key = tried.pop()
            for version, blob in self.ever.get(at, ()):
                try:
                    children = OpenNode(self.tree_id, at, version, blob, node_key).keys()
                except SealError:
                    continue
                for slot, child in enumerate(children):
                    if child is not None and child not in found:
                        found.add(child)
                        tried.append((at + bytes([slot]), child))
        return found


@dataclass
class Given:
    """A release, and what the model knows of it."""

    release_id: UUID
    path: bytes
    node_key: bytes
    born: int
    """How many keys had been claimed when it was given …"""
    dead_before: set[bytes]
    ended_at: int | None = None
    """… and when it ended."""


@contextmanager
def fresh(server: TestServer, login: str, passfile: Path) -> Iterator[Session]:
    """A session on a database of its own, with two holders and a book, key tree and ledger made."""
    name, folder = f"h_{secrets.token_hex(6)}", Path(tempfile.mkdtemp(prefix="luactl-history-"))
    identifier = sql.Identifier(name)
    with closing(server.admin()) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(identifier, sql.Identifier(TEMPLATE)))
        groups = sql.SQL(", ").join(map(sql.Identifier, GROUP_ROLES))
        conn.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(identifier, groups))
    profile = test_profile(folder, server, name, login, passfile)
    profile = replace(profile, holders=(f"file:{folder / 'one'}", f"file:{folder / 'two'}"))
    try:
        with closing(server.admin(name)) as admin:
            made = Session(admin, "postgres", SystemClock(), profile, "init")
            key.create_tree(made)
            create_origin(made)
        with closing(dial(profile.dsn, passfile=passfile, profile="test", command="test")) as conn:
            yield Session(conn, login, SystemClock(), profile, "test")
    finally:
        with closing(server.admin()) as conn:
            drop_database(conn, name)
        shutil.rmtree(folder)


class Histories(RuleBasedStateMachine):
    """One history; `server`, the logins and `passfile` come from the test."""

    server: TestServer
    login: str
    guest: str
    """To whom keys are released."""
    passfile: Path

    def __init__(self) -> None:
        super().__init__()
        self.context = fresh(self.server, self.login, self.passfile)
        self.session = self.context.__enter__()
        self.admin = self.server.admin(self.session.conn.info.dbname)
        on_record(self.admin, self.guest)
        tree_id = key.status(self.session).tree_id
        self.copies = Copies(tree_id.bytes)
        self.tenants: list[int] = []
        self.ended: set[int] = set()
        self.living: dict[Claim, bytes] = {}
        self.periods: dict[tuple[int, int], bytes] = {}
        self.claimed: list[bytes] = []
        self.dead: set[bytes] = set()
        self.lived_under: dict[int, set[bytes]] = {}
        self.dead_before: dict[int, set[bytes]] = {1: set()}
        self.given: list[Given] = []
        self.person = person.make(self.session.profile.signing_key.parents[1] / "person.key")
        self.look()
        self.tenant()

    # What the model keeps

    def alive(self) -> set[bytes]:
        return {*self.living.values(), *self.periods.values()}

    def look(self) -> None:
        """The attacker copies every node; today's root is noted."""
        for path, version, blob in self.session.conn.execute("SELECT path, version, blob FROM vault.node"):
            self.copies.ever[path].add((version, blob))
        epoch = self.epoch()
        root = open_holders(self.session.profile.holders)[0].get(UUID(bytes=self.copies.tree_id), epoch)
        self.copies.roots[epoch] = bytes(root)

    def epoch(self) -> int:
        found: int = queries("key").epoch(self.session.conn)
        return found

    def born(self, keys: dict[Any, bytes]) -> None:
        self.claimed += keys.values()
        self.look()

    def turn(self, drop: Drop, gone: Callable[[], None], kill_at: str | None) -> None:
        """Turn an epoch by `drop`, perhaps killed at a step; `gone` tells the model what died."""
        before, lived = self.epoch(), self.alive()
        if kill_at is None:
            drop(self.session)
        else:
            killed(self.session, drop, kill_at)
            key.recover(self.session)
        assert key.status(self.session).state is key.State.SETTLED
        if self.epoch() > before:
            assert self.epoch() == before + 1
            self.lived_under[before] = lived
            gone()
            self.dead |= lived - self.alive()
            self.dead_before[before + 1] = set(self.dead)
            self.close_releases()
        self.look()

    def close_releases(self) -> None:
        ended = {one.release_id for one in release.list_(self.session) if one.ended_at}
        for one in self.given:
            if one.release_id in ended and one.ended_at is None:
                one.ended_at = len(self.claimed)

    # What happens

    kills = st.sampled_from([None, None, None, *STEPS])

    @rule()
    @precondition(lambda self: len(self.tenants) < 3)
    def tenant(self) -> None:
        number = len(self.tenants) + len(self.ended) + 1
        add_tenant(self.session, self.admin, number)
        self.tenants.append(number)
        self.look()

    @rule(
        data=st.data(),
        count=st.sampled_from([1, 2, 5, 70]),
        key_class=st.sampled_from([KeyClass.MAIN, KeyClass.SPECIAL, KeyClass.ACCOUNTING]),
    )
    @precondition(lambda self: self.tenants)
    def claim(self, data: st.DataObject, count: int, key_class: KeyClass) -> None:
        number = data.draw(st.sampled_from(self.tenants))
        found = add_subjects(key.open_tenant(self.session, number), self.session, count, key_class)
        claims = {(number, subject, key_class): one.key for subject, one in found.items()}
        self.living |= claims
        self.born(claims)

    @rule(data=st.data(), month=st.sampled_from(MONTHS))
    @precondition(lambda self: self.tenants)
    def period(self, data: st.DataObject, month: int) -> None:
        number = data.draw(st.sampled_from(self.tenants))
        one = key.open_tenant(self.session, number).period(RetentionClass.INTERACTION, month)
        if (number, one.period_id) not in self.periods:
            self.periods[number, one.period_id] = one.key
            self.born({0: one.key})

    @rule(data=st.data(), size=st.integers(1, 4), kill_at=kills)
    @precondition(lambda self: self.living)
    def erase(self, data: st.DataObject, size: int, kill_at: str | None) -> None:
        victims = data.draw(
            st.lists(st.sampled_from(list(self.living)), min_size=1, max_size=size, unique=True)
        )
        periods = (
            data.draw(st.lists(st.sampled_from(sorted(self.periods)), max_size=1)) if self.periods else []
        )
        tenants = {one[0] for one in (*victims, *periods)}
        drops = [
            TenantDrop(
                number,
                [(subject, key_class) for at, subject, key_class in victims if at == number],
                [identifier for at, identifier in periods if at == number],
            )
            for number in sorted(tenants)
        ]

        def gone() -> None:
            for victim in victims:
                del self.living[victim]
            for one in periods:
                del self.periods[one]

        self.turn(lambda session: key.drop(session, drops, lambda _epoch: None), gone, kill_at)

    @rule(data=st.data(), kill_at=kills)
    @precondition(lambda self: self.living)
    def rectify(self, data: st.DataObject, kill_at: str | None) -> None:
        number, subject, key_class = data.draw(st.sampled_from(list(self.living)))
        keys = key.open_tenant(self.session, number)
        old = keys.subjects([subject], key_class)[subject]

        def drop(session: Session) -> None:
            mine = key.open_tenant(session, number)
            mine.reserve(key_class, 1)

            def change(_epoch: int) -> None:
                mine.claim_newer(subject, key_class, old.version + 1)

            key.drop(session, [TenantDrop(number, versions=[(subject, key_class, old.version)])], change)

        def gone() -> None:
            newer = key.open_tenant(self.session, number).subjects([subject], key_class)[subject]
            assert newer.version == old.version + 1
            self.living[number, subject, key_class] = newer.key
            self.claimed.append(newer.key)

        self.turn(drop, gone, kill_at)

    @rule(data=st.data(), kill_at=kills)
    @precondition(lambda self: len(self.tenants) > 1)
    def end_tenant(self, data: st.DataObject, kill_at: str | None) -> None:
        number = data.draw(st.sampled_from(self.tenants))

        def gone() -> None:
            self.tenants.remove(number)
            self.ended.add(number)
            self.living = {claim: one for claim, one in self.living.items() if claim[0] != number}
            self.periods = {at: one for at, one in self.periods.items() if at[0] != number}

        drops = [TenantDrop(number, whole=True)]
        self.turn(lambda session: key.drop(session, drops, lambda _epoch: None), gone, kill_at)

    @rule(kill_at=kills)
    def rotate(self, kill_at: str | None) -> None:
        self.turn(lambda session: rotate(session, plan_rotation(session)), lambda: None, kill_at)

    @rule(data=st.data(), part=st.sampled_from(release.PARTS))
    @precondition(lambda self: self.tenants)
    def release(self, data: st.DataObject, part: release.Part) -> None:
        number = data.draw(st.sampled_from(self.tenants))
        new = release.NewRelease(number, self.guest, self.person.public, timedelta(hours=1), "why", (part,))
        made = release.give(self.session, new)
        path = tenant_nodes(queries("key").key_no(self.session.conn, tenant_id=number))[part == "duty"]
        version, sealed = self.admin.execute(
            "SELECT version, sealed FROM vault.release_key WHERE release_id = %s", [made.release_id]
        ).fetchone()  # type: ignore[misc]
        place = person.bound(self.copies.tree_id, made.release_id.bytes, path, version)
        node_key = person.open_sealed(self.person, sealed, place)
        self.given.append(Given(made.release_id, path, node_key, len(self.claimed), set(self.dead)))

    @rule(data=st.data())
    @precondition(lambda self: any(one.ended_at is None for one in self.given))
    def revoke(self, data: st.DataObject) -> None:
        running = [one.release_id for one in self.given if one.ended_at is None]
        which = data.draw(st.sampled_from(running))
        self.turn(lambda session: release.revoke(session, which), lambda: None, None)
        self.newcomers()

    @rule(kill_at=kills)
    @precondition(lambda self: any(one.ended_at is None for one in self.given))
    def expire(self, kill_at: str | None) -> None:
        """All run out, and the next epoch takes them back."""

        def drop(session: Session) -> None:
            late = replace(session, clock=Later(session.clock, timedelta(hours=2)))
            rotate(late, plan_rotation(late, everything=False))

        self.turn(drop, lambda: None, kill_at)
        self.newcomers()

    def newcomers(self) -> None:
        """Somebody comes to each tenant: whom nobody may reach who had keys before."""
        for number in self.tenants:
            found = add_subjects(key.open_tenant(self.session, number), self.session, 1)
            claims = {(number, subject, KeyClass.MAIN): one.key for subject, one in found.items()}
            self.living |= claims
            self.born(claims)

    # What the attacker has in the end

    def teardown(self) -> None:
        try:
            self.judge()
        finally:
            self.admin.close()
            self.context.__exit__(None, None, None)

    def judge(self) -> None:
        """Compare what each root reaches with what lived under it."""
        claimed, now = set(self.claimed), self.epoch()
        self.lived_under[now] = self.alive()
        for epoch, root in self.copies.roots.items():
            reached = self.copies.reach(TOP, top_key(root, self.copies.tree_id, epoch))
            assert reached >= self.lived_under[epoch], f"a living key was lost under root {epoch}"
            assert not reached & self.dead_before[epoch], f"a dropped key was reached with root {epoch}"
            if epoch == now:
                assert reached & claimed == self.alive(), "today's root reaches exactly the living"
        for one in self.given:
            reached = self.copies.reach(one.path, one.node_key)
            assert not reached & one.dead_before, "what was dropped before the release was reached"
            if one.ended_at is not None:
                assert not reached & set(self.claimed[one.ended_at :]), "what came after its end was reached"
        assert key.verify(self.session).findings == ()


def killed(session: Session, drop: Drop, at: str) -> None:
    """Do it in a process that kills itself at a step, if it comes that far."""
    child = os.fork()
    if child == 0:
        try:

            def step(name: str) -> None:
                if name == at:
                    os.kill(os.getpid(), signal.SIGKILL)

            profile = session.profile
            conn = dial(profile.dsn, passfile=profile.passfile, profile="test", command="test")
            drop(replace(session, conn=conn, step=step))
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(3)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the killed process failed before"


def run(server: TestServer, folder: Path, monkeypatch: pytest.MonkeyPatch, examples: int, steps: int) -> None:
    environ = isolated(folder / "home")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    Histories.server, Histories.passfile = server, folder / "passfile"
    Histories.login = new_login(server, Histories.passfile, GROUP_ROLES)
    Histories.guest = new_login(server, Histories.passfile, ("lua_operator",))
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Histories,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=(Phase.generate,),  # a shorter history would take many minutes to find
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_what_an_attacker_reaches(
    server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(server, tmp_path, monkeypatch, 6, 14)


@pytest.mark.long
def test_what_an_attacker_reaches_in_many_histories(
    server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(server, tmp_path, monkeypatch, 60, 20)
