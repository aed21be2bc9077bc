"""Through PgBouncer in transaction mode: nothing that luactl does relies on the server's session."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Connection, Home, TestServer, run_program
from psycopg import sql
from support_erasure import BILL_LINES, BILLS, PEOPLE, VISITS
from support_pooler import Pooler, pooler, through

from luactl import db, key, ledger, retention, schema
from luactl.clock import SystemClock
from luactl.config import save_profile, write_private
from luactl.connect import open_session
from luactl.db import Session, transaction
from luactl.errors import BusyError, Exit, LuactlError, NoConnectionError
from luactl.exclusive import hold
from luactl.key.holder import open_holders
from luactl.key.root import TREE_LOCK
from luactl.ledger.integrate import LEDGER_LOCK
from luactl.retention.purging import PURGE_LOCK
from luactl.tenant import list_

LOCK = int.from_bytes(b"test/one", "big")
BUSY = BusyError("somebody else has it", hint="wait")
LOST = """SELECT pg_terminate_backend(pid, 9000) FROM pg_stat_activity WHERE datname = current_database()
          AND application_name LIKE 'luactl-lock%' AND state = 'idle in transaction'"""
WORKERS = 2


@pytest.fixture(scope="module")
def bouncer(server: TestServer) -> Iterator[Pooler]:
    with pooler(server) as running:
        yield running


@pytest.fixture
def pooled(bouncer: Pooler, home: Home) -> Home:
    """A home that reaches its database through the pooler only."""
    return through(bouncer, home)


@pytest.fixture
def session(pooled: Home) -> Iterator[Session]:
    with open_session("test", command="test") as opened:
        yield opened


def luactl(home: Home, *args: str, stdin: str = "", code: int = 0) -> str:
    """Run a command in a process of its own; return what it printed."""
    done = run_program(home.environ, *args, stdin=stdin)
    assert done.returncode == code, (args, done.stderr)
    return done.stdout


def at_once(home: Home, commands: Sequence[tuple[str, ...]]) -> list[int]:
    """Run commands in processes at the same time; return their exit codes, sorted."""
    with ThreadPoolExecutor(len(commands)) as pool:
        done = list(pool.map(lambda args: run_program(home.environ, *args), commands))
    codes = [one.returncode for one in done]
    assert set(codes) <= {0, Exit.BUSY}, [one.stderr for one in done]
    return sorted(codes)


def practice(home: Home, folder: Path) -> list[str]:
    """Make a tenant with three people by commands alone; return their subject ids."""
    for name, text in (("people", PEOPLE), ("visits", VISITS), ("bills", BILLS), ("lines", BILL_LINES)):
        (folder / name).write_text(text)
    given = ("--name", "Smile", "--country", "DE", "--contact", "office@smile.example")
    luactl(home, "tenant", "create", "smile", *given)
    at = ("--tenant", "smile")
    luactl(home, "crm", "customer", "import", str(folder / "people"), *at)
    luactl(home, "crm", "interaction", "import", str(folder / "visits"), *at)
    lines = ("--lines", str(folder / "lines"))
    luactl(home, "crm", "invoice", "import", str(folder / "bills"), *lines, *at)
    return [find(home, name) for name in ("nele@praxis.example", "bruno@loja.example", "zoe@studio.example")]


def find(home: Home, email: str) -> str:
    """Return the subject id of an e-mail address, asked for on standard input."""
    out = luactl(home, "-o", "json", "subject", "find", "--tenant", "smile", "--email", "-", stdin=email)
    subject: str = json.loads(out)["data"][0]["subject_id"]
    return subject


def erasing(subject: str) -> tuple[str, ...]:
    return ("erasure", "run", "--tenant", "smile", "--subject", subject, "--instruction", "t 1", "--yes")


def count(admin: Connection, table: str) -> int:
    row = admin.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row
    return int(row[0])


def test_a_lock_of_the_session_would_keep_nobody_out(bouncer: Pooler, pooled: Home) -> None:
    """Why all of this is needed, and that the pooler of these tests behaves as feared."""
    with closing(bouncer.connect(pooled.profile)) as one, closing(bouncer.connect(pooled.profile)) as two:
        taken = [conn.execute("SELECT pg_try_advisory_lock(1)").fetchone() for conn in (one, two)]
        assert taken == [(True,), (True,)]


def test_our_lock_keeps_others_out(bouncer: Pooler, pooled: Home) -> None:
    with closing(bouncer.connect(pooled.profile)) as one, closing(bouncer.connect(pooled.profile)) as two:
        with hold(one, LOCK, BUSY) as held:
            for _ in range(3):
                one.execute("SELECT 1")
                for wait in (False, True):
                    with pytest.raises(BusyError), hold(two, LOCK, BUSY, lock_timeout="20ms", wait=wait):
                        pytest.fail("two have it")
            held.check(one)
        with hold(two, LOCK, BUSY, wait=False) as next_one:
            next_one.check(two)
            assert next_one.holder != held.holder
            with pytest.raises(BusyError, match="was lost"):
                held.check(one)


def test_our_lock_is_one_of_this_database(session: Session, server: TestServer) -> None:
    with closing(server.admin()) as elsewhere, hold(elsewhere, LOCK, BUSY) as held, ExitStack() as stack:
        stack.enter_context(hold(session.conn, LOCK, BUSY, wait=False))
        with pytest.raises(BusyError, match="was lost"):
            held.check(session.conn)


def test_a_lock_is_not_taken_within_a_transaction(session: Session) -> None:
    with transaction(session), pytest.raises(RuntimeError), hold(session.conn, LOCK, BUSY):
        pytest.fail("it was")


def test_statements_are_not_prepared_behind_a_pooler(bouncer: Pooler, session: Session) -> None:
    """Once its server session is taken by somebody else, a prepared statement would not be there."""
    for _ in range(9):
        assert session.conn.execute("SELECT %s::int", (1,)).fetchone() == (1,)
    with closing(bouncer.connect(session.profile)) as other, other.transaction():
        other.execute("SELECT 1")
        assert session.conn.execute("SELECT %s::int", (1,)).fetchone() == (1,)


def test_without_a_pooler_they_are(home: Home) -> None:
    with open_session("test", command="test") as direct:
        for _ in range(9):
            direct.conn.execute("SELECT %s::int", (1,))
        row = direct.conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    assert row == (1,)


def test_the_main_job(pooled: Home, tmp_path: Path, admin: Connection) -> None:
    people = practice(pooled, tmp_path)
    luactl(pooled, *erasing(people[0]))
    assert (
        luactl(pooled, "-o", "json", "crm", "customer", "list", "--tenant", "smile").count("subject_id") == 2
    )
    luactl(pooled, "retention", "purge", "--all", "--yes")
    assert count(admin, "crm.interaction") == 1
    luactl(pooled, "ledger", "integrate")
    for noun in ("ledger", "key"):
        luactl(pooled, noun, "verify")
    assert "settled" in luactl(pooled, "key", "status")
    luactl(pooled, "log", "search", "--tenant", "smile")
    luactl(pooled, "access", "list")


def test_erasures_and_imports_at_once(pooled: Home, tmp_path: Path, admin: Connection) -> None:
    """Two people are erased while a table with both and new people comes in: epochs turn one by one."""
    people = practice(pooled, tmp_path)
    rows = "".join(f"{n},Kaja,Lind,,kaja{n}@lind.example,,Tartu\n" for n in range(10, 400))
    (tmp_path / "more").write_text(PEOPLE.splitlines(keepends=True)[0] + rows)
    more = ("crm", "customer", "import", str(tmp_path / "more"), "--tenant", "smile")
    assert at_once(pooled, [erasing(people[0]), more, erasing(people[1])]) == [0, 0, 0]
    assert count(admin, "crm.contact") == 391
    with open_session("test", command="test") as session:
        assert (key.status(session).state, key.status(session).epoch) == ("settled", 3)
        assert key.verify(session).findings == ()


def test_two_purges_at_once(pooled: Home, tmp_path: Path, admin: Connection) -> None:
    practice(pooled, tmp_path)
    assert at_once(pooled, [("retention", "purge", "--all", "--yes")] * WORKERS)[0] == 0
    assert (count(admin, "crm.interaction"), count(admin, "crm.invoice")) == (2, 2)
    with open_session("test", command="test") as session:
        assert key.verify(session).findings == ()
        assert not any(one.rows for one in retention.plan(session, list_(session)).periods)


def test_integrators_at_once_number_each_entry_once(pooled: Home, tmp_path: Path, admin: Connection) -> None:
    practice(pooled, tmp_path)
    entries = count(admin, "ledger.entry")
    assert at_once(pooled, [("ledger", "integrate")] * WORKERS) == [0] * WORKERS
    assert count(admin, "ledger.leaf") == entries
    luactl(pooled, "ledger", "verify")


@pytest.mark.parametrize("work", ["integrate", "purge", "drop", "recover", "migrate"])
def test_while_one_is_at_it_nobody_else_is(
    bouncer: Pooler, session: Session, admin: Connection, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    lock, start = {
        "integrate": (LEDGER_LOCK, lambda: ledger.integrate(session)),
        "purge": (PURGE_LOCK, lambda: retention.purge(session, retention.plan(session, []))),
        "drop": (TREE_LOCK, lambda: key.drop(session, [], lambda _epoch: None)),
        "recover": (TREE_LOCK, lambda: key.recover(session)),
        "migrate": (
            schema.LOCK_KEY,
            lambda: schema.migrate(session.conn, SystemClock(), lock_timeout="20ms"),
        ),
    }[work]
    monkeypatch.setattr(db, "LOCK_TIMEOUT", "20ms")
    with closing(bouncer.connect(session.profile)) as other, hold(other, lock, BUSY):
        other.execute("SELECT 1")
        with pytest.raises(BusyError):
            start()


@pytest.mark.parametrize(
    ("at", "roots"),
    [("root placed at holder 1", [1]), ("epoch committed", [1, 2]), ("read back", [1, 2])],
)
def test_a_drop_that_loses_its_lock_goes_no_further(
    session: Session, pooled: Home, admin: Connection, at: str, roots: list[int]
) -> None:
    """Before the commit all is as it was; after it the old root stays, until somebody has the lock again."""

    def lose(step: str) -> None:
        if step == at:
            assert admin.execute(LOST).fetchall() == [(True,)]

    with pytest.raises(LuactlError, match="held the lock was lost") as caught:
        key.drop(replace(session, step=lose), [], lambda _epoch: None)
    assert isinstance(caught.value, BusyError if roots == [1] else key.UnfinishedError)
    (holder,) = open_holders(pooled.profile.holders)
    assert holder.epochs() == roots
    key.recover(session)
    assert (key.status(session).state, holder.epochs()) == ("settled", roots[-1:])


def test_a_drop_that_lost_its_lock_spares_the_root_of_the_next_one(session: Session, pooled: Home) -> None:
    (holder,) = open_holders(pooled.profile.holders)
    tree_id = key.status(session).tree_id
    theirs = bytearray(os.urandom(32))

    def overtake(step: str) -> None:
        if step == "claims given up":
            holder.destroy(2)
            holder.put(tree_id, 2, theirs)
            raise BusyError("cut off", hint="run it again")

    with pytest.raises(BusyError, match="cut off"):
        key.drop(replace(session, step=overtake), [], lambda _epoch: None)
    assert holder.get(tree_id, 2) == theirs


def test_a_recovery_that_loses_its_lock_destroys_nothing(
    session: Session, pooled: Home, admin: Connection
) -> None:
    (holder,) = open_holders(pooled.profile.holders)
    holder.put(key.status(session).tree_id, 2, bytearray(os.urandom(32)))

    def lose(outcome: str, _recovery: key.Recovery) -> None:
        if outcome == "intent":
            admin.execute(LOST)

    with pytest.raises(BusyError, match="held the lock was lost"):
        key.recover(session, lose)
    assert holder.epochs() == [1, 2]


def test_a_login_that_gets_in_only_once_is_told(pooled: Home, home: Home, admin: Connection) -> None:
    """Directly, since the pooler logs in for everybody."""
    save_profile(home.paths, home.profile)
    with open_session("test", command="test") as session:
        admin.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 1").format(sql.Identifier(session.actor)))
        with pytest.raises(NoConnectionError, match=r"no second connection for the lock: .*too many"):
            key.recover(session)


def test_a_pool_for_one_ends_with_a_clear_error(server: TestServer, home: Home) -> None:
    with pooler(server, default_pool_size="1", query_wait_timeout="1") as narrow:
        small = through(narrow, home)
        luactl(small, "tenant", "list")
        done = run_program(small.environ, "key", "recover", "--yes")
    assert (done.returncode, "default_pool_size" in done.stderr) == (Exit.BUSY, True), done.stderr


def test_session_mode_does_as_well(server: TestServer, home: Home) -> None:
    with pooler(server, pool_mode="session") as generous:
        whole = through(generous, home)
        given = ("--name", "Smile", "--country", "DE", "--contact", "office@smile.example")
        luactl(whole, "tenant", "create", "smile", *given)
        luactl(whole, "ledger", "integrate")
        luactl(whole, "ledger", "verify")


def test_statement_mode_is_refused(server: TestServer, home: Home, admin: Connection) -> None:
    with pooler(server, pool_mode="statement") as wrong:
        given = ("--name", "Smile", "--country", "DE", "--contact", "office@smile.example")
        done = run_program(through(wrong, home).environ, "tenant", "create", "smile", *given)
    assert (done.returncode, "pool_mode = transaction" in done.stderr) == (Exit.REFUSED, True), done.stderr
    assert count(admin, "lua.tenant") == 0


def test_a_wrong_password_is_told(pooled: Home) -> None:
    write_private(pooled.paths.passfile("test"), "*:*:*:*:wrong\n")
    done = run_program(pooled.environ, "tenant", "list")
    assert (done.returncode, "wrong user or password" in done.stderr) == (Exit.NO_CONNECTION, True), (
        done.stderr
    )
