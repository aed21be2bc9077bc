"""Bad days of locks and clocks: somebody holds what a command needs, a host goes by a wrong time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from conftest import Connection, Home, TestServer
from support_failures import T, erasing, met, practice
from support_whole import changes, luactl, snapshot

from luactl import db
from luactl.clock import ShiftedClock
from luactl.key.root import TREE_LOCK
from luactl.ledger.integrate import LEDGER_LOCK
from luactl.retention.purging import PURGE_LOCK

PURGE = ("retention", "purge", "--all", "--yes")
SUSPEND = ("tenant", "suspend", "smile", "--reason", "bills", "--yes")


@pytest.fixture
def smile(home: Home, tmp_path: Path) -> str:
    """The subject id of somebody in a tenant with history."""
    return practice(tmp_path, "interaction")


@contextmanager
def holding(server: TestServer, database: str, *statements: str) -> Iterator[None]:
    """Hold locks in a session that has a name, as the programs of others have."""
    with closing(psycopg.connect(server.admin_dsn(database), application_name="nightly report")) as other:
        for statement in statements:
            other.execute(statement.encode())
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits 10 s for a lock here."""
    monkeypatch.setattr(db, "LOCK_TIMEOUT", "200ms")


def refused(args: Sequence[str], failure: str, who: str, admin: Connection, *held: Any) -> None:
    """Run a command while somebody holds what it needs: it says who, and changes nothing."""
    before = snapshot(admin)
    with holding(*held):
        done = luactl(*args)
    assert who in met(done, failure).err
    assert {one.table for one in changes(before, snapshot(admin))} <= {"vault.counter"}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("statement", "failure"),
    [
        ("SELECT FROM lua.tenant FOR UPDATE", "row locked by somebody"),
        ("LOCK TABLE lua.tenant", "table locked by somebody"),
    ],
)
def test_a_row_or_a_table(
    server: TestServer, database: str, admin: Connection, smile: str, statement: str, failure: str
) -> None:
    refused(SUSPEND, failure, "nightly report, pid ", admin, server, database, statement)
    assert luactl(*SUSPEND).code == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "failure", ["lock of the tree held", "lock of the log held", "lock of the purge held"]
)
def test_a_lock_of_ours(
    server: TestServer, database: str, admin: Connection, smile: str, failure: str
) -> None:
    key, args = {
        "tree": (TREE_LOCK, erasing(smile)), "log": (LEDGER_LOCK, ("ledger", "integrate")),
        "purge": (PURGE_LOCK, PURGE),
    }[failure.split()[3]]  # fmt: skip
    lock = f"SELECT pg_advisory_xact_lock({key})"
    refused(args, failure, "postgres (nightly report, pid ", admin, server, database, lock)
    assert luactl(*args).code == 0


@pytest.mark.usefixtures("impatient")
def test_a_certificate_waits_for_the_log(server: TestServer, database: str, smile: str) -> None:
    """The erasure itself stands; its certificate is completed by running it again."""
    with holding(server, database, f"SELECT pg_advisory_xact_lock({LEDGER_LOCK})"):
        done = luactl(*erasing(smile), "-o", "json")
    assert (done.code, bool(done.data["pending"])) == (0, True)
    assert luactl(*erasing(smile), "-o", "json").data["pending"] is None


# -- clocks --------------------------------------------------------------------------------------------------


@contextmanager
def off_by(**shift: float) -> Iterator[None]:
    """Set this host's clock wrong."""
    wrong = ShiftedClock(timedelta(**shift))
    with patch("luactl.connect.SystemClock", lambda: wrong):
        yield


@pytest.mark.parametrize(
    ("days", "failure"), [(400, "clock far ahead of the server's"), (-400, "clock far behind the server's")]
)
def test_a_clock_that_is_far_off(admin: Connection, smile: str, days: int, failure: str) -> None:
    before = snapshot(admin)
    with off_by(days=days):
        for args in (PURGE, SUSPEND, erasing(smile), ("ledger", "integrate"), ("tenant", "list")):
            met(luactl(*args), failure)
    assert changes(before, snapshot(admin)) == []


@pytest.mark.parametrize("minutes", [50, -50])
def test_a_clock_that_jumps_a_little(admin: Connection, smile: str, minutes: int) -> None:
    """Back and forth within the hour: the log stays whole, nothing goes early, waivers end when they end."""
    waive = ("promise", "waive", "10.1", "--reason", "mending", "--until", "2099-01-01", "--yes")
    with off_by(minutes=minutes):
        assert luactl(*SUSPEND).code == 0
        assert luactl("ledger", "integrate").code == 0
        assert luactl(*waive).code == 0
        held = luactl(
            "hold", "place", *T, "--subject", smile, "--reference", "4 O 1/26", "--yes", "-o", "json"
        )
    assert luactl("tenant", "resume", "smile", "--yes").code == 0
    assert luactl("ledger", "integrate").code == 0
    assert luactl("ledger", "verify").code == 0
    assert "clock" in luactl("doctor").out
    for args in (
        ("promise", "unwaive", "10.1", "--yes"),
        ("hold", "release", held.data["hold_id"], "--reason", "settled", "--yes"),
    ):
        done = luactl(*args)
        assert done.code == 0, done.err


def test_the_database_keeps_what_a_clock_that_jumps_within_a_session_would_purge(
    admin: Connection, smile: str
) -> None:
    """Whoever is in already, as a screen that is open for days: the server's own clock has the last word."""
    admin.execute("UPDATE lua.deployment SET throwaway = false")
    before = snapshot(admin)
    with patch("luactl.connect.clock_of", lambda profile: ShiftedClock(timedelta(days=400))):
        met(luactl(*PURGE), "clock jumps ahead within a session")
    assert changes(before, snapshot(admin)) == []
