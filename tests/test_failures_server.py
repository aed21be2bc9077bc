"""Bad days of the server: restarts, crashes, standbys, no room for anybody, a DBA's time-outs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg
import pytest
from conftest import FAST, Connection, Home, TestServer, make_keyed, migrated_server
from psycopg.conninfo import make_conninfo
from support_failures import CREATE, T, erasing, listening, met, once, practice, until_nobody_is_there
from support_ruin import bring_back, caught_up, follow, halt, restart, standby, taken
from support_wait import until
from support_whole import Done, changes, luactl, snapshot

from luactl import embedded, ledger, log
from luactl.config import check_dsn, load_profile
from luactl.connect import enter, open_session
from luactl.db import transaction
from luactl.errors import NoConnectionError

SLOTS = "24"
SUSPEND = ("tenant", "suspend", "smile", "--reason", "bills", "--yes")


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    """A server of this module's own."""
    settings = [(name, SLOTS if name == "max_connections" else value) for name, value in FAST]
    with migrated_server(
        [*settings, ("wal_level", "replica"), ("superuser_reserved_connections", "6")]
    ) as made:
        yield made


@pytest.fixture(scope="module")
def keyed(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with keys, on this module's own server."""
    return make_keyed(server, tmp_path_factory)


@pytest.fixture
def smile(home: Home, tmp_path: Path) -> str:
    """The subject id of somebody in a tenant with history."""
    return practice(tmp_path, "interaction")


def done_again(args: Sequence[str]) -> None:
    done = luactl(*args)
    assert done.code == 0, done.err
    for check in ("key status", "key verify", "ledger verify"):
        found = luactl(*check.split())
        assert found.code == 0, found.err


# -- it goes away --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "failure"),
    [
        ("fast", "server restarted in the middle"),
        ("immediate", "server stopped at once"),
        ("kill", "server killed (-9)"),
    ],
)
@pytest.mark.parametrize("step", ["rows changed", "epoch committed"])
def test_a_restart_in_the_middle(
    server: TestServer, home: Home, smile: str, how: str, failure: str, step: str
) -> None:
    with listening(once(step, lambda: restart(server, how))):
        done = luactl(*erasing(smile))
    met(done, failure if step == "rows changed" else "server gone after the commit of an epoch")
    done_again(erasing(smile))


def test_one_backend_is_killed(server: TestServer, home: Home, smile: str, admin: Connection) -> None:
    """As by the kernel that is out of memory: Postgres then ends all others too."""
    serving = "SELECT pid FROM pg_stat_activity WHERE application_name = 'luactl erasure run'"

    def kill() -> None:
        row = admin.execute(serving).fetchone()
        assert row is not None
        os.kill(row[0], signal.SIGKILL)
        until(admin_is_gone)
        until(lambda: answers(server))

    def admin_is_gone() -> bool:
        try:
            admin.execute("SELECT 1")
        except psycopg.OperationalError:
            return True
        return False

    with listening(once("rows changed", kill)):
        met(luactl(*erasing(smile)), "a server process killed by the kernel")
    done_again(erasing(smile))


def answers(server: TestServer) -> bool:
    try:
        server.admin().close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_server_that_is_gone(server: TestServer, home: Home) -> None:
    halt(server, "fast")
    try:
        for args in (CREATE, ("tenant", "list"), ("ledger", "integrate"), ("key", "recover", "--yes")):
            met(luactl(*args), "server is down")
    finally:
        bring_back(server)
    done_again(CREATE)


def test_following_goes_on_after_the_server_was_killed(
    server: TestServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed with an entry that nobody has seen yet, and one that was never committed."""
    monkeypatch.setattr("luactl.log.waker.RETRY", 0.0)
    said: list[str] = []

    def write(action: str, *, commits: bool = True) -> None:
        with open_session("test", command="test") as session, transaction(session, durable=True):
            ledger.append(session, ledger.Entry(action))
            if not commits:
                restart(server, "kill")

    def die() -> None:
        write("x.before")
        with suppress(NoConnectionError, psycopg.OperationalError):
            write("x.never", commits=False)

    with open_session("test", command="test") as session, log.Waker(session, said.append) as waker:
        rounds = iter([die, partial(write, "x.after")])

        def wait() -> None:
            waker.wait(0)
            next(rounds, lambda: None)()

        shown = log.tail(session, log.parse("action:x.*", session.clock.now()), 0, wait, said.append)
        assert [next(shown).action, next(shown).action] == ["x.before", "x.after"]
        shown.close()
    assert "connected again" in said


def test_a_server_that_is_stopping(server: TestServer, home: Home, admin: Connection) -> None:
    """A smart shutdown waits for those who are in, and lets nobody else in."""
    server.rest()
    pid = embedded.status(server.server).pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    until(lambda: not answers(server))
    met(luactl("tenant", "list"), "server is starting or stopping")
    admin.close()
    until(lambda: embedded.status(server.server).pid is None)
    bring_back(server)
    done_again(CREATE)


# -- it is another one than one thinks -----------------------------------------------------------------------


def test_a_standby_is_read_and_not_written(server: TestServer, home: Home, smile: str) -> None:
    reading = (
        ("tenant", "list"), ("tenant", "show", "smile"), ("access", "list"), ("ledger", "status"),
        ("key", "status"), ("retention", "list", *T), ("subject", "show", smile, *T), ("db", "status"),
    )  # fmt: skip
    changing = (
        ("tenant", "create", "two", "--name", "Two", "--country", "DE", "--contact", "office"),
        ("tenant", "suspend", "smile", "--reason", "none", "--yes"), ("ledger", "integrate"),
        ("retention", "set", *T, "--class", "interaction", "--months", "30", "--yes"), erasing(smile),
        ("retention", "purge", "--all", "--yes"), ("key", "recover", "--yes"),
        ("crm", "customer", "list", *T),
    )  # fmt: skip
    with standby(server) as follower:
        caught_up(server, follower)
        follow(home, follower)
        for args in reading:
            done = luactl(*args)
            assert done.code == 0, (args, done.err)
        for args in changing:
            met(luactl(*args), "read-only standby")
        assert "standby" in luactl("doctor").out
        follows_by_polling(server, follower)
        follow(home, server)
    done_again(erasing(smile))


def follows_by_polling(server: TestServer, follower: TestServer) -> None:
    """A standby sends no notifications, and tells only what nothing older may still change."""
    copy = load_profile("test")
    primary = replace(copy, dsn=make_conninfo(copy.dsn, port=server.port))
    with enter(copy, command="test") as session, log.Waker(session) as waker:

        def wait() -> None:
            assert not waker.wait(0)
            with enter(primary, command="test") as writing, transaction(writing, durable=True):
                ledger.append(writing, ledger.Entry(next(actions)))
            caught_up(server, follower)

        actions = iter(["x.one", "x.two", "x.three"])
        shown = log.tail(session, log.parse("action:x.*", session.clock.now()), 0, wait)
        assert [next(shown).action for _ in range(3)] == ["x.one", "x.two", "x.three"]
        assert waker.polls is not None
        assert "standby" in waker.polls


def test_a_database_that_was_made_read_only(
    server: TestServer, home: Home, database: str, admin: Connection
) -> None:
    admin.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on".encode())
    met(luactl(*CREATE), "database made read-only by its DBA")
    admin.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only".encode())
    done_again(CREATE)


# -- there is no room ----------------------------------------------------------------------------------------


def test_all_connections_are_taken(server: TestServer, home: Home) -> None:
    with taken(server, home.profile.dsn):
        for args in (CREATE, ("tenant", "list"), ("ledger", "integrate")):
            met(luactl(*args), "all connections taken")
    done_again(CREATE)


def test_the_last_connections_are_reserved(server: TestServer, home: Home, admin: Connection) -> None:
    """Others than superusers hear that what is left is not for them."""
    with taken(server, home.profile.dsn):
        assert admin.execute("SELECT 1").fetchone() == (1,)
        assert "reserved" in str(refusal(home))
        met(luactl("tenant", "list"), "only reserved connections left")


def refusal(home: Home) -> psycopg.Error:
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(home.profile.dsn)
    return caught.value


def test_there_is_one_connection_left(server: TestServer, home: Home, smile: str, admin: Connection) -> None:
    """What needs a lock needs two."""
    before = snapshot(admin)
    with taken(server, home.profile.dsn, leave=1):
        assert luactl("tenant", "list").code == 0
        for args in (("ledger", "integrate"), erasing(smile)):
            met(luactl(*args), "one connection left")
    assert changes(before, snapshot(admin)) == []
    done_again(erasing(smile))


def test_a_login_with_a_limit(server: TestServer, home: Home, admin: Connection) -> None:
    login = check_dsn(home.profile.dsn)["user"]
    admin.execute(f"ALTER ROLE {login} CONNECTION LIMIT 0".encode())
    met(luactl("tenant", "list"), "login has all the connections it may have")


# -- its DBA has set limits ----------------------------------------------------------------------------------


def with_limit(
    home: Home, server: TestServer, database: str, admin: Connection, name: str, act: Callable[[], object]
) -> Done:
    """Run a change under a limit of the database's; `act` is what takes too long, just before its commit."""
    assert luactl(*CREATE).code == 0
    admin.execute(f"ALTER DATABASE {database} SET {name} = '150ms'".encode())
    try:
        with listening(once("about to commit", act)):
            return luactl(*SUSPEND)
    finally:
        admin.execute(f"ALTER DATABASE {database} RESET {name}".encode())


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("idle_in_transaction_session_timeout", "idle_in_transaction_session_timeout"),
        ("transaction_timeout", "transaction_timeout"),
    ],
)
def test_a_time_out_of_the_dba(
    server: TestServer, home: Home, database: str, admin: Connection, name: str, failure: str
) -> None:
    if admin.info.server_version < 170000 and name == "transaction_timeout":
        pytest.skip("transaction_timeout came with Postgres 17")
    done = with_limit(home, server, database, admin, name, lambda: until_nobody_is_there(admin))
    met(done, failure)
    done_again(SUSPEND)


def test_a_statement_time_out(server: TestServer, home: Home, database: str, admin: Connection) -> None:
    admin.execute(f"ALTER DATABASE {database} SET statement_timeout = '150ms'".encode())
    with closing(server.admin(database)) as other, other.transaction():
        other.execute("LOCK TABLE lua.migration")
        met(luactl(*CREATE), "statement_timeout")
    admin.execute(f"ALTER DATABASE {database} RESET statement_timeout".encode())
    done_again(CREATE)
