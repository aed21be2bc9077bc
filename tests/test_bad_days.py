"""Bad days: servers, disks, keys and people that go away in the middle. Nothing is left half done.

Each test ends with the same command run again: what was cut short is finished, and the checks of keys and
ledger find nothing wrong.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from conftest import Connection, Home, TestServer, isolated
from support_erasure import BILLS, PEOPLE, VISITS
from support_wait import drop_database
from support_whole import Done, changes, luactl, snapshot

from luactl import schema
from luactl.config import save_profile, write_private
from luactl.crm.report import BATCH
from luactl.db import LOCK_TIMEOUT
from luactl.key.holder import open_holders

PROGRAM = [sys.executable, "-m", "luactl.commands.main"]
HEADER = b"CustomerId,LastName\n"
PATIENCE = 60.0
LOCK_SECONDS = float(LOCK_TIMEOUT.removesuffix("s"))
PAGE = os.sysconf("SC_PAGESIZE")
T = ("--tenant", "smile")
OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'luactl %'"
WAITS = f"SELECT pid {OURS} AND wait_event_type = 'Lock'".encode()


@dataclass(frozen=True)
class Bad:
    """A way to end a command from outside, and the exit code that it then has."""

    name: str
    code: int

    def strike(self, process: subprocess.Popen[bytes], admin: Connection) -> None:
        """End the command, or the server's side of it."""
        if self.name in ("pg_terminate_backend", "pg_cancel_backend"):
            admin.execute(f"SELECT {self.name}(pid) {OURS} AND wait_event_type = 'Lock'".encode())
        else:
            process.send_signal(signal.Signals[self.name])


INTERRUPTED = Bad("SIGINT", 130)
KILLED = Bad("SIGKILL", -9)
LOST = Bad("pg_terminate_backend", 3)
CANCELLED = Bad("pg_cancel_backend", 4)
STRIKES = pytest.mark.parametrize(
    "bad",
    [
        pytest.param(bad, marks=[] if bad is KILLED else [pytest.mark.long], id=bad.name)
        for bad in (INTERRUPTED, KILLED, LOST, CANCELLED)
    ],
)


@contextmanager
def started(home: Home, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a process of its own; it is killed at the end if it still runs."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*PROGRAM, *args], env=home.environ, stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finished(process: subprocess.Popen[bytes]) -> Done:
    out, err = process.communicate(timeout=PATIENCE)
    return Done(process.returncode, out.decode(), err.decode())


def until(question: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Return once the answer is yes. Fails when the process ended before, or nobody has patience any more."""
    deadline = time.monotonic() + PATIENCE
    while not question():
        assert process is None or process.poll() is None, finished(process)
        assert time.monotonic() < deadline


def number(admin: Connection, query: str) -> int:
    row = admin.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0] or 0)


def ended(done: Done, code: int, *told: str) -> Done:
    """Check the exit code, and that a failure tells what and what next."""
    assert done.code == code, done.err
    if code not in (0, 6, -9, 130):
        assert re.search(r"^error: .+\nhint: .+", done.err, re.MULTILINE), done.err
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    for words in told:
        assert words in done.err
    return done


def sound() -> None:
    """Nothing is wrong with keys and ledger."""
    for check in ("key status", "key verify", "ledger verify"):
        ended(luactl(*check.split()), 0)


def new_tenant() -> None:
    ended(luactl("tenant", "create", "smile", "--name", "S", "--country", "DE", "--contact", "office"), 0)


def practice(folder: Path) -> None:
    """Make a tenant with three people, visits and invoices, some of them long due."""
    new_tenant()
    for noun, text in (("customer", PEOPLE), ("interaction", VISITS), ("invoice", BILLS)):
        (folder / f"{noun}.csv").write_text(text)
        ended(luactl("crm", noun, "import", str(folder / f"{noun}.csv"), *T), 0)


@pytest.fixture
def smile(home: Home, tmp_path: Path) -> str:
    """The subject id of somebody in a tenant with history."""
    practice(tmp_path)
    people = luactl("crm", "customer", "list", *T, "-o", "json").data
    return str(next(one["subject_id"] for one in people if one["external_id"] == "1"))


def erasing(subject: str) -> tuple[str, ...]:
    return ("erasure", "run", *T, "--subject", subject, "--instruction", "ticket", "--yes")


PURGE = ("retention", "purge", "--all", "--yes")


# -- in the middle of a command ------------------------------------------------------------------------------


def people_of(first: int, last: int) -> bytes:
    return b"".join(b"c%d,Muster%d\n" % (n, n) for n in range(first, last))


def whole_batches(admin: Connection) -> int:
    """Return how many people went in: each batch is there with its entry, or not at all."""
    contacts = number(admin, "SELECT count(*) FROM crm.contact")
    assert number(admin, "SELECT count(*) FROM crm.subject") == contacts
    assert number(admin, "SELECT count(*) FROM crm.contact_key") == contacts
    told = "sum((convert_from(body, 'UTF8')::jsonb #>> '{detail,imported}')::bigint)"
    assert contacts == number(admin, f"SELECT {told} FROM ledger.entry WHERE action = 'crm.customer.import'")
    return contacts


def cut_short(
    home: Home, server: TestServer, database: str, lock: str, bad: Bad, args: Sequence[str]
) -> None:
    """Let a command wait for somebody else's lock, and end it there."""
    with closing(server.admin(database)) as admin, closing(server.admin(database)) as other:
        with other.transaction():
            other.execute(lock.encode())
            with started(home, *args) as process:
                until(lambda: admin.execute(WAITS).fetchone() is not None, process)
                bad.strike(process, admin)
                begun = time.monotonic()
                ended(finished(process), bad.code)
                assert time.monotonic() - begun < LOCK_SECONDS, "it was waited for the lock's time-out"
        # The server notices a client that was killed only when it has something to tell.
        until(lambda: admin.execute(f"SELECT pid {OURS} AND state <> 'idle'".encode()).fetchone() is None)


HOLD_SECOND_BATCH = """
    CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        IF EXISTS (SELECT FROM ledger.entry WHERE action = 'crm.customer.import') THEN
            PERFORM pg_advisory_xact_lock_shared(4711);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER hold AFTER INSERT ON crm.contact FOR EACH STATEMENT EXECUTE FUNCTION public.hold();
    GRANT USAGE ON SCHEMA public TO PUBLIC"""


@STRIKES
def test_an_import_that_is_cut_short(
    home: Home, server: TestServer, database: str, admin: Connection, tmp_path: Path, bad: Bad
) -> None:
    """The first batch stays and the second, of which rows are written already, leaves nothing."""
    new_tenant()
    # Where it matters, much is sealed while the server waits: Ctrl-C then strikes between statements.
    total = (2 * BATCH if bad is INTERRUPTED else BATCH) + 10
    (tmp_path / "all.csv").write_bytes(HEADER + people_of(0, total))
    args = ("crm", "customer", "import", str(tmp_path / "all.csv"), *T)
    admin.execute(HOLD_SECOND_BATCH)
    cut_short(home, server, database, "SELECT pg_advisory_xact_lock(4711)", bad, args)
    assert whole_batches(admin) == BATCH
    again = luactl(*args, "-o", "json")
    assert ended(again, 0).data["already_there"] == BATCH
    assert whole_batches(admin) == total
    sound()


@STRIKES
def test_an_erasure_that_is_cut_short(
    home: Home, server: TestServer, database: str, admin: Connection, smile: str, bad: Bad
) -> None:
    before = snapshot(admin)
    cut_short(home, server, database, "SELECT FROM crm.interaction FOR UPDATE", bad, erasing(smile))
    assert changes(before, snapshot(admin)) == []
    ended(luactl("crm", "customer", "show", smile, *T), 0)
    done = ended(luactl(*erasing(smile), "-o", "json"), 0).data
    ended(luactl("erasure", "verify", done["erasure_id"]), 0)
    ended(luactl("verify", done["certificate"]), 0)
    sound()


@STRIKES
def test_a_purge_that_is_cut_short(
    home: Home, server: TestServer, database: str, admin: Connection, smile: str, bad: Bad
) -> None:
    """Held at its first row it leaves all rows; held at the keys it has deleted rows and drops no key."""
    planned = luactl(*PURGE, "--dry-run", "-o", "json").data
    before = snapshot(admin)
    cut_short(home, server, database, "SELECT FROM crm.interaction FOR UPDATE", bad, PURGE)
    assert changes(before, snapshot(admin)) == []
    cut_short(home, server, database, "SELECT FROM vault.period FOR UPDATE", bad, PURGE)
    gone = [one.table for one in changes(before, snapshot(admin)) if one.how == "delete"]
    assert "crm.interaction" in gone
    assert "vault.period" not in gone
    done = ended(luactl(*PURGE, "-o", "json"), 0).data
    assert done["keys"] == sum(one["key"] for one in planned)
    assert ended(luactl(*PURGE, "--dry-run", "-o", "json"), 0).data == []
    sound()


@pytest.mark.long
@pytest.mark.parametrize("work", ["import", "purge"])
def test_killed_at_any_time(home: Home, admin: Connection, smile: str, tmp_path: Path, work: str) -> None:
    """Killed after ever longer: whatever was done then, running it to its end completes it."""
    table, total = tmp_path / "all.csv", 4 * BATCH
    table.write_bytes(HEADER + people_of(0, total))
    args = ("crm", "customer", "import", str(table), *T) if work == "import" else PURGE
    for tenths in range(1, 25):
        with started(home, *args) as process:
            try:
                process.wait(tenths / 10)
            except subprocess.TimeoutExpired:
                process.kill()
            assert ended(finished(process), process.returncode).code in (0, -9)
        whole_batches(admin)
    ended(luactl(*args), 0)
    assert whole_batches(admin) == (total + 3 if work == "import" else 3)
    sound()


# -- the way to the database ---------------------------------------------------------------------------------

EVERY_KIND = (
    ("tenant", "list"), ("tenant", "suspend", "smile", "--reason", "none", "--yes"), PURGE,
    ("crm", "customer", "list", *T), ("ledger", "integrate"), ("key", "recover", "--yes"), ("log", "search"),
    ("access", "list"),
    ("erasure", "run", *T, "--subject", str(uuid4()), "--instruction", "ticket", "--yes"),
)  # fmt: skip


def test_a_wrong_password(home: Home) -> None:
    passfile = home.paths.passfile("test")
    write_private(passfile, passfile.read_text().rpartition(":")[0] + ":hunter2-of-agata\n")
    for args in EVERY_KIND:
        assert "hunter2" not in ended(luactl(*args), 3, "wrong user or password").err


def test_a_database_that_was_dropped(
    home: Home, server: TestServer, database: str, admin: Connection
) -> None:
    admin.close()
    with closing(server.admin()) as conn:
        drop_database(conn, database)
    for args in EVERY_KIND:
        ended(luactl(*args), 3, "the database does not exist there")


def test_a_schema_that_is_newer(home: Home, admin: Connection) -> None:
    admin.execute(
        "INSERT INTO lua.migration VALUES (%s, 'later', 'x', now())", (schema.newest_version() + 1,)
    )
    before = snapshot(admin)
    for args in EVERY_KIND:
        ended(luactl(*args), 5, "upgrade luactl")
    assert changes(before, snapshot(admin)) == []


# -- keys ----------------------------------------------------------------------------------------------------


def opening(smile: str, folder: Path) -> tuple[tuple[str, ...], ...]:
    """Return the commands that need keys."""
    return (
        ("crm", "customer", "list", *T), ("subject", "find", *T, "--name", "Nele"), erasing(smile), PURGE,
        ("crm", "customer", "import", str(folder / "customer.csv"), *T), ("key", "recover", "--yes"),
        ("tenant", "create", "two", "--name", "Two", "--country", "DE", "--contact", "office"),
    )  # fmt: skip


@pytest.mark.parametrize("how", ["missing", "foreign", "no holder in the profile"])
def test_a_keyring_that_does_not_fit(
    home: Home, admin: Connection, smile: str, tmp_path: Path, how: str
) -> None:
    """Nothing opens and nothing changes; what needs no key works all the same."""
    holder = open_holders(home.profile.holders)[0]
    if how == "no holder in the profile":
        save_profile(home.paths, replace(home.profile, holders=()))
    else:
        holder.directory.rename(tmp_path / "elsewhere")
    if how == "foreign":
        holder.prepare()
        holder.put(uuid4(), 1, secrets.token_bytes(32))
    before = snapshot(admin)
    for args in opening(smile, tmp_path):
        assert "unexpected" not in ended(luactl(*args), 5).err
    # Numbers of keys that were handed out for nothing are never given back.
    assert {one.table for one in changes(before, snapshot(admin))} <= {"vault.counter"}
    ended(luactl("tenant", "list"), 0)
    ended(luactl("log", "search"), 0)


# -- disks ---------------------------------------------------------------------------------------------------


def on_a_disk(how: str, folder: Path) -> list[str]:
    """Return a command that runs the rest of its line with this folder on a full or a read-only disk."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    copy = f"{folder}.copy"
    pages = sum(-(-file.stat().st_size // PAGE) for file in folder.rglob("*") if file.is_file())
    full = (
        f'mount -t tmpfs -o size={(pages + 1) * PAGE} tmpfs "{folder}"; cp -a "{copy}/." "{folder}";'
        f' cat /dev/zero > "{folder}/filler" 2>/dev/null || true'
    )
    read_only = f'mount --bind "{folder}" "{folder}" && mount -o remount,ro,bind "{folder}"'
    mount = full if how == "full" else read_only
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    command = ["unshare", "-m", "sh", "-ec", f'{mount}; exec "$@"', "sh"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace here")
    return command


def on_bad_disk(home: Home, how: str, folder: Path, args: Sequence[str]) -> Done:
    command = [*on_a_disk(how, folder), *PROGRAM, *args]
    done = subprocess.run(
        command, env=home.environ, capture_output=True, check=False, stdin=subprocess.DEVNULL
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("how", ["full", "read-only"])
@pytest.mark.parametrize("what", ["holder", "book", "certificates"])
def test_an_erasure_that_cannot_write(home: Home, admin: Connection, smile: str, how: str, what: str) -> None:
    folders = {
        "holder": open_holders(home.profile.holders)[0].directory,
        "book": home.profile.books[0],
        "certificates": home.paths.data / "certificates",
    }
    folders["certificates"].mkdir(exist_ok=True)
    before = snapshot(admin)
    ended(on_bad_disk(home, how, folders[what], erasing(smile)), 1)
    found = {one.table for one in changes(before, snapshot(admin))}
    if what == "holder":
        assert found == set()
        ended(luactl("crm", "customer", "show", smile, *T), 0)
    else:
        assert "crm.contact" in found
    done = ended(luactl(*erasing(smile), "-o", "json"), 0).data
    ended(luactl("verify", done["certificate"]), 0)
    ended(luactl("erasure", "verify", done["erasure_id"]), 0)
    sound()


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_an_anchor_that_cannot_be_written(home: Home, admin: Connection, smile: str, how: str) -> None:
    """The log goes on, the anchor is named, and gets the checkpoint when it is back."""
    anchor = Path(home.profile.anchors[0].removeprefix("file:"))
    away = anchor.parent.parent / "anchors" / "anchor"
    away.parent.mkdir()
    anchor.rename(away)
    save_profile(home.paths, replace(home.profile, anchors=(f"file:{away}",)))
    ended(on_bad_disk(home, how, away.parent, ("ledger", "integrate")), 1, "anchor")
    assert number(admin, "SELECT count(*) FROM ledger.pending") == 0
    ended(luactl("ledger", "integrate"), 0)
    sound()


# -- two at once ---------------------------------------------------------------------------------------------


def both(environ: dict[str, str], *args: str) -> list[Done]:
    """Run the same command twice at once."""
    pipe = subprocess.PIPE
    two = [
        subprocess.Popen([*PROGRAM, *args], env=environ, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        for _ in range(2)
    ]
    return [finished(one) for one in two]


def one_or_both(done: Sequence[Done]) -> None:
    """At least one went through; the other did too, or says that it must come again."""
    assert 0 in {one.code for one in done}, [one.err for one in done]
    for one in done:
        ended(one, 0 if one.code == 0 else 4)


def test_two_imports_of_one_file(home: Home, admin: Connection, tmp_path: Path) -> None:
    new_tenant()
    (tmp_path / "all.csv").write_bytes(HEADER + people_of(0, BATCH + 10))
    args = ("crm", "customer", "import", str(tmp_path / "all.csv"), *T)
    one_or_both(both(home.environ, *args))
    ended(luactl(*args), 0)
    assert whole_batches(admin) == BATCH + 10
    sound()


@pytest.mark.parametrize("what", ["erasure", "purge", "integrate"])
def test_two_runs_at_once(home: Home, admin: Connection, smile: str, what: str) -> None:
    runs: dict[str, tuple[str, ...]] = {
        "erasure": erasing(smile), "purge": PURGE, "integrate": ("ledger", "integrate")
    }  # fmt: skip
    one_or_both(both(home.environ, *runs[what]))
    ended(luactl(*runs[what]), 0)
    assert number(admin, "SELECT count(*) FROM lua.erasure WHERE state = 'done'") == (what == "erasure")
    assert number(admin, "SELECT count(*) FROM lua.purge WHERE state = 'done'") == (what == "purge")
    sound()


def test_two_inits_at_once(server: TestServer, tmp_path: Path) -> None:
    name, environ = f"init_{secrets.token_hex(4)}", isolated(tmp_path / "home")
    with closing(server.admin()) as conn:
        conn.execute(f"CREATE DATABASE {name}".encode())
    try:
        args = ("init", "--dsn", server.admin_dsn(name), "--login", name)
        one_or_both(both(environ, *args))
        assert [ended(one, 0).out for one in both(environ, "tenant", "list")]
        with psycopg.connect(server.admin_dsn(name)) as conn:
            found: Any = conn.execute("SELECT action FROM ledger.entry ORDER BY at, id").fetchall()
            assert found == [("init",), ("ledger.origin.create",)]
    finally:
        with closing(server.admin()) as conn:
            drop_database(conn, name)
