"""What `restore check` does, on copies of a database that stand for backups: fast, and at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from conftest import Home, TestServer
from psycopg import sql
from support_erasure import erase, later, person, practice
from support_wait import drop_database, leave

from luactl import crm, key, ledger, restore, retention
from luactl.connect import open_session
from luactl.db import Session, transaction
from luactl.errors import RefusedError
from luactl.key.drop import drop
from luactl.key.lay import lay_over, plan_laying
from luactl.key.status import State
from luactl.tenant import Tenant, find


@dataclass
class Backups:
    """Copies of the test's database, put back in its place; keys and anchors stay what they are."""

    server: TestServer
    database: str
    home: Home
    session: Session

    def take(self, name: str) -> None:
        self.session.conn.close()
        with closing(self.server.admin()) as conn:
            leave(conn, self.database)  # a template has no other visitors
        self._run("CREATE DATABASE {} TEMPLATE {}", f"{self.database}_{name}", self.database)
        self._open()

    def put_back(self, name: str) -> Session:
        self.session.conn.close()
        with closing(self.server.admin()) as conn:
            drop_database(conn, self.database)
        self._run("CREATE DATABASE {} TEMPLATE {}", self.database, f"{self.database}_{name}")
        self._run("GRANT CONNECT ON DATABASE {} TO lua_operator", self.database)
        return self._open()

    def _run(self, text: str, *names: str) -> None:
        with closing(self.server.admin()) as conn:
            conn.execute(sql.SQL(text).format(*map(sql.Identifier, names)))

    def _open(self) -> Session:
        from luactl.connect import admit, clock_of, connect

        conn = connect(self.home.profile, command="test")
        self.session = Session(conn, admit(conn), clock_of(self.home.profile), self.home.profile, "test")
        return self.session

    def close(self) -> None:
        self.session.conn.close()
        with closing(self.server.admin()) as conn:
            copies = conn.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"{self.database}_"]
            ).fetchall()
            for (name,) in copies:
                drop_database(conn, name)


@pytest.fixture
def backups(server: TestServer, database: str, home: Home) -> Iterator[Backups]:
    with open_session("test", command="test") as first:
        practice(first)
        ledger.integrate(first)
        made = Backups(server, database, home, first)
        try:
            yield made
        finally:
            made.close()


def emails(session: Session, tenant: Tenant) -> set[str | None]:
    return {one.email for one in crm.list_customers(session, tenant, 0).rows}


EVERYBODY = {"nele@praxis.example", "bruno@loja.example", "zoe@studio.example"}


def lose_an_erasure(backups: Backups, tmp_path: Path) -> Session:
    """Take a backup, erase somebody, and put the backup back."""
    backups.take("monday")
    session = backups.session
    smile = find(session, "smile")
    erase(session, smile, person(session, smile, "1"), tmp_path)
    ledger.integrate(session)
    return backups.put_back("monday")


def test_who_lives_opens_again_and_who_was_erased_does_not(backups: Backups, tmp_path: Path) -> None:
    session = lose_an_erasure(backups, tmp_path)
    assert key.status(session).state is State.BEHIND
    done = restore.check(session, tmp_path)
    assert (done.findings, done.replayed[0].people) == ((), 1)
    assert emails(session, find(session, "smile")) == EVERYBODY - {"nele@praxis.example"}
    assert key.verify(session).findings == ()
    assert restore.plan(session).is_clean


def test_the_book_alone_makes_nobody_readable_who_was_erased(backups: Backups, tmp_path: Path) -> None:
    session = lose_an_erasure(backups, tmp_path)
    laying = lay_over(session)
    assert laying is not None
    assert (laying.epoch_from, laying.epoch_to) == (1, 2)
    key.recover(session)
    assert emails(session, find(session, "smile")) == EVERYBODY - {"nele@praxis.example"}
    assert plan_laying(session) is None


def test_a_plan_changes_nothing(backups: Backups, tmp_path: Path) -> None:
    session = lose_an_erasure(backups, tmp_path)
    before = session.conn.execute("SELECT count(*), max(id::text) FROM ledger.entry").fetchone()
    plan = restore.plan(session)
    assert plan.keys is not None
    assert [one.missing > 0 for one in plan.lost] == [True]
    assert key.status(session).state is State.BEHIND
    assert session.conn.execute("SELECT count(*), max(id::text) FROM ledger.entry").fetchone() == before


def slots(session: Session, tenant: Tenant) -> set[int]:
    with transaction(session, tenant.tenant_id) as conn:
        rows = conn.execute("SELECT slot_no FROM vault.slot WHERE key_class = 1").fetchall()
    return {row[0] for row in rows}


def test_no_number_that_sealed_a_lost_row_is_used_again(backups: Backups, tmp_path: Path) -> None:
    from support_erasure import table

    backups.take("monday")
    session = backups.session
    smile = find(session, "smile")
    crm.import_customers(session, smile, table("CustomerId,Email\n8,lost@row.example\n"), crm.Options())
    lost = slots(session, smile)
    erase(session, smile, person(session, smile, "1"), tmp_path)
    session = backups.put_back("monday")
    kept = slots(session, smile)
    restore.check(session, tmp_path)
    crm.import_customers(session, smile, table("CustomerId,Email\n9,ida@berg.example\n"), crm.Options())
    fresh = slots(session, smile) - kept
    assert len(fresh) == 1
    assert fresh.isdisjoint(lost)


def test_a_purged_period_goes_again(backups: Backups, tmp_path: Path) -> None:
    backups.take("monday")
    moved = later(backups.session, 4)
    purged = retention.purge(moved, retention.plan(moved, [find(moved, "smile")]))
    assert purged.interactions > 0
    session = later(backups.put_back("monday"), 4)
    done = restore.check(session, tmp_path)
    assert done.findings == ()
    assert done.replayed[0].rows >= purged.interactions
    assert retention.plan(session, [find(session, "smile")]).tenants == ()


def test_a_tenant_that_had_ended_is_named(backups: Backups, tmp_path: Path) -> None:
    practice(backups.session, "gone")
    backups.take("monday")
    session = backups.session
    gone = find(session, "gone")
    with closing(backups.server.admin(backups.database)) as owner:
        drop(replace(session, conn=owner), [key.TenantDrop(gone.tenant_id, whole=True)], lambda _epoch: None)
    session = backups.put_back("monday")
    plan = restore.plan(session)
    assert plan.keys is not None
    assert plan.keys.pruned == 2
    done = restore.check(session, tmp_path)
    assert done.findings[0].startswith("tenant gone had ended")
    assert emails(session, find(session, "smile")) == EVERYBODY
    assert not any(one.startswith("node") for one in done.findings)


def test_the_log_goes_on_under_a_new_name_and_tells_what_is_missing(backups: Backups, tmp_path: Path) -> None:
    session = lose_an_erasure(backups, tmp_path)
    plan = restore.plan(session)
    done = restore.check(session, tmp_path)
    checked = ledger.verify(session)
    assert (checked.ok, checked.origin) == (True, done.origin)
    assert [(one.origin, one.kept, one.size) for one in checked.lost] == [
        (one.origin, one.kept, one.size) for one in plan.lost
    ]
    assert ledger.status(session).anchors[0].current


def test_a_second_restore_to_before_the_first_one_is_told_too(backups: Backups, tmp_path: Path) -> None:
    session = lose_an_erasure(backups, tmp_path)
    first = restore.check(session, tmp_path)
    session = backups.put_back("monday")
    second = restore.check(session, tmp_path)
    assert second.findings == ()
    assert {one.origin for one in second.plan.lost} >= {first.origin}
    assert ledger.verify(session).ok
    assert emails(session, find(session, "smile")) == EVERYBODY - {"nele@praxis.example"}


def test_what_contradicts_an_anchor_is_never_explained_away(backups: Backups, tmp_path: Path) -> None:
    session = lose_an_erasure(backups, tmp_path)
    with closing(backups.server.admin(backups.database)) as owner:
        owner.execute("UPDATE ledger.checkpoint SET root = sha256(root)")
    with pytest.raises(RefusedError, match="holds another history"):
        restore.check(session, tmp_path)
    assert key.status(session).state is State.BEHIND


def test_a_fork_does_not_cover_more_than_it_tells(backups: Backups, tmp_path: Path) -> None:
    """Whoever rewrites the log and calls it a restore is found by what else the old name signed."""
    session = lose_an_erasure(backups, tmp_path)
    anchor = Path(session.profile.anchors[0].removeprefix("file:"))
    notes = anchor.read_bytes()
    anchor.write_bytes(notes[: notes.rindex(b"lua-crm.ledger/")])
    restore.check(session, tmp_path)
    forked = anchor.read_bytes()
    anchor.write_bytes(notes + forked[len(notes[: notes.rindex(b"lua-crm.ledger/")]) :])
    found = ledger.verify(session)
    assert not found.ok


def test_without_the_root_of_the_book_nothing_is_touched(backups: Backups, tmp_path: Path) -> None:
    session = lose_an_erasure(backups, tmp_path)
    holder = Path(session.profile.holders[0].removeprefix("file:"))
    for file in holder.iterdir():
        file.rename(tmp_path / file.name)
    with pytest.raises(RefusedError, match="no holder has the root of epoch 2"):
        restore.check(session, tmp_path)


def test_without_a_book_as_new_as_the_holders_it_says_so(backups: Backups, tmp_path: Path) -> None:
    import shutil

    book = backups.home.profile.books[0]
    shutil.copytree(book, tmp_path / "old")
    session = lose_an_erasure(backups, tmp_path)
    shutil.rmtree(book)
    shutil.copytree(tmp_path / "old", book)
    with pytest.raises(RefusedError, match="no key book has"):
        restore.check(session, tmp_path)


@pytest.mark.parametrize("roles", [("lua_operator", "lua_auditor"), ("lua_dpo",)])
def test_only_administrators_lay_a_book(
    backups: Backups, tmp_path: Path, login: Callable[..., Session], roles: tuple[str, ...]
) -> None:
    lose_an_erasure(backups, tmp_path)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        lay_over(login(*roles))


class CutError(Exception):
    """Stands for a crash after a step."""


@pytest.mark.long
def test_cut_short_after_any_step_it_is_finished_by_running_it_again(
    backups: Backups, tmp_path: Path
) -> None:
    backups.take("start")
    steps: list[str] = []
    session = lose_an_erasure(backups, tmp_path / "c")
    backups.take("restored")
    keys = backups.home.profile.holders[0].removeprefix("file:")
    import shutil

    shutil.copytree(Path(keys).parent, tmp_path / "keys")
    session = backups.put_back("restored")
    restore.check(replace(session, step=steps.append), tmp_path / "plain")
    assert len(steps) > 5

    def stop_at(number: int) -> Callable[[str], None]:
        left = iter(range(number))

        def step(_name: str) -> None:
            if next(left, None) is None:
                raise CutError

        return step

    for number in range(0, len(steps), 3):
        session = backups.put_back("restored")
        shutil.rmtree(Path(keys).parent)
        shutil.copytree(tmp_path / "keys", Path(keys).parent)
        with pytest.raises(CutError):
            restore.check(replace(session, step=stop_at(number)), tmp_path / f"c{number}")
        done = restore.check(session, tmp_path / f"d{number}")
        assert done.findings == (), steps[number]
        assert emails(session, find(session, "smile")) == EVERYBODY - {"nele@praxis.example"}
        assert ledger.verify(session).ok, steps[number]


def test_of_a_node_that_both_sides_wrote_the_one_that_opens_stays(backups: Backups, tmp_path: Path) -> None:
    """A CRM with keys at hand may have written nodes between the restore and its check."""
    from luactl.key.book import open_books
    from luactl.key.holder import open_holders
    from luactl.key.lay import _Chain
    from luactl.key.node import BLOB_SIZE, seal_node, top_key
    from luactl.key.root import read_root

    session = lose_an_erasure(backups, tmp_path)
    tree_id, book = key.status(session).tree_id, open_books(session.profile.books)[0]
    top = top_key(read_root(open_holders(session.profile.holders), tree_id, 2), tree_id.bytes, 2)
    chain, there = _Chain(book, tree_id, top), dict(book.nodes())
    with closing(backups.server.admin(backups.database)) as owner:
        ours = dict(owner.execute("SELECT path, version FROM vault.node").fetchall())
        one, two = [path for path in sorted(there, reverse=True) if ours.get(path) == there[path][0]][:2]
        parent = top
        for depth in range(len(one)):
            parent = chain._open(one[:depth], parent).key(one[depth])
        again = seal_node(tree_id.bytes, one, ours[one], parent, chain._open(one, parent).keys())
        for path, blob in ((one, again), (two, bytes(BLOB_SIZE - 1) + b"x")):
            owner.execute("UPDATE vault.node SET blob = %s WHERE path = %s", [blob, path])
    laying = lay_over(session)
    assert laying is not None
    assert laying.kept == 1
    with closing(backups.server.admin(backups.database)) as owner:
        now = dict(owner.execute("SELECT path, blob FROM vault.node").fetchall())
    assert (now[one], now[two]) == (again, there[two][2])
    key.recover(session)
    assert emails(session, find(session, "smile")) == EVERYBODY - {"nele@praxis.example"}
