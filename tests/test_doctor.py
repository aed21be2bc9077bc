"""`luactl doctor`: a sound home has no findings, and each check finds its fault."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import GROUP_ROLES, Connection, Home, TestServer, new_login, run_program

from luactl import doctor, ledger
from luactl.clock import ShiftedClock, SystemClock
from luactl.config import find_paths, save_profile
from luactl.db import Session, transaction
from luactl.doctor import server as server_checks
from luactl.doctor.finding import Look
from luactl.errors import Exit

CHECKS = [
    "config", "files", "disk space", "production", "interrupted init", "server", "tls", "versions", "standby",
    "clock", "schema", "owner and definer", "row security", "isolation", "keys", "holders", "key books",
    "ledger", "anchors", "unfinished work",
]  # fmt: skip
Usage = namedtuple("Usage", "total used free")


def found(home: Home, **more: Any) -> dict[str, tuple[str, str]]:
    """Return what was found, by check; what was skipped is none of it."""
    report = doctor.examine("test", home.environ, **more)
    assert report.findings == sum(one.state == "finding" for one in report.checks)
    assert all(one.hint for one in report.checks if one.state == "finding")
    return {one.check: (one.what, one.hint) for one in report.checks if one.state == "finding"}


def test_a_sound_home_has_no_findings(home: Home) -> None:
    report = doctor.examine("test", home.environ)
    assert {one.state for one in report.checks} == {"ok"}
    assert [one.check for one in report.checks] == CHECKS


def test_the_json_shape_is_pinned(home: Home) -> None:
    done = run_program(home.environ, "doctor", "-o", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"]) == (0, "ok")
    assert told["data"].keys() == {"profile", "findings", "checks"}
    assert told["data"]["checks"][0] == {"check": "config", "state": "ok", "what": "", "hint": ""}
    home.paths.config.chmod(0o755)
    done = run_program(home.environ, "doctor")
    assert done.returncode == Exit.FINDINGS
    assert "chmod 700" in done.stdout


def test_config(home: Home) -> None:
    home.paths.config_file.write_text("default_profile = \n")
    report = doctor.examine(None, home.environ)
    assert report.checks[0].state == "finding"
    assert {one.state for one in report.checks[1:]} == {"skipped"}
    assert [one.check for one in report.checks] == CHECKS
    done = run_program(home.environ, "doctor")
    assert done.returncode == Exit.FINDINGS


@pytest.mark.parametrize("name", ["config", "data", "keys"])
def test_open_folders(home: Home, name: str) -> None:
    getattr(home.paths, name).chmod(0o750)
    assert "mode 750" in found(home)["files"][0]


def test_open_and_missing_files(home: Home) -> None:
    home.paths.config_file.chmod(0o620)
    assert "config.toml" in found(home)["files"][0]
    home.paths.config_file.chmod(0o600)
    home.profile.signing_key.chmod(0o640)
    assert "signing.key" in found(home)["files"][0]
    home.profile.signing_key.chmod(0o600)
    passfile = home.paths.passfile("test")
    passfile.unlink()
    assert "missing" in found(home)["files"][0]


def test_a_full_disk(home: Home) -> None:
    assert "512 MiB left" in found(home, usage=lambda path: Usage(1 << 40, 0, 1 << 29))["disk space"][0]
    assert "disk space" not in found(home, usage=lambda path: Usage(1 << 26, 0, 1 << 25))


def change(home: Home, **changes: Any) -> None:
    save_profile(find_paths(home.environ), replace(home.profile, **changes))


def test_production(home: Home) -> None:
    change(home, production=True)
    assert "needs 2" in found(home)["production"][0]


def test_an_interrupted_init(home: Home) -> None:
    (home.paths.keys / "test").mkdir(parents=True)
    (home.paths.keys / "test/unfinished").touch()
    assert "luactl init" in found(home)["interrupted init"][1]


def test_no_server(home: Home) -> None:
    change(home, dsn="host=localhost port=1 dbname=x user=y")
    report = {one.check: one.state for one in doctor.examine("test", home.environ).checks}
    assert report["server"] == "finding"
    assert {report[name] for name in CHECKS[6:]} == {"skipped"}


def test_an_unverified_server(home: Home, server: TestServer) -> None:
    if not server.server.tls:
        pytest.skip("this Postgres was built without TLS")
    change(home, dsn=f"{home.profile.dsn} host=db.example sslmode=require")
    assert "sslmode is require" in found(home)["tls"][0]


def test_an_unencrypted_connection(home: Home, session: Session) -> None:
    class Plain:
        """The connection of another host, which speaks no TLS."""

        info = type("Info", (), {"host": "db.example"})
        pgconn = type("Raw", (), {"ssl_in_use": False})

    look = Look(home.paths, home.profile, home.environ, SystemClock(), shutil.disk_usage, Plain())  # type: ignore[arg-type]
    assert "not encrypted" in next(server_checks.tls(look)).what


def test_another_major_version() -> None:
    assert "Postgres 14" in next(server_checks.unsupported(14)).what
    assert [list(server_checks.unsupported(major)) for major in (15, 17, 18)] == [[], [], []]


def test_a_clock_that_is_off(home: Home) -> None:
    for shift in (timedelta(seconds=-60), timedelta(seconds=60)):
        assert "differ by 60 s" in found(home, clock=ShiftedClock(shift))["clock"][0]
    assert "clock" not in found(home, clock=ShiftedClock(timedelta(seconds=4)))


@pytest.mark.parametrize(
    ("statement", "check", "told"),
    [
        ("DELETE FROM lua.migration WHERE version > 1", "schema", "db migrate"),
        ("INSERT INTO lua.migration VALUES (9999, 'x', 'x', now())", "schema", "upgrade"),
        ("UPDATE lua.migration SET checksum = 'x' WHERE version = 1", "schema", "install the luactl"),
        ("DROP SCHEMA lua CASCADE", "schema", "luactl init"),
        (f"REVOKE ALL ON SCHEMA lua FROM {', '.join(GROUP_ROLES)}", "schema", "membership"),
        ("ALTER TABLE crm.contact NO FORCE ROW LEVEL SECURITY", "row security", "ENABLE, FORCE"),
        ("DELETE FROM lua.sentinel", "row security", "neither superuser nor BYPASSRLS"),
    ],
)  # fmt: skip
def test_schema_and_row_security(
    home: Home, admin: Connection, statement: str, check: str, told: str
) -> None:
    admin.execute(statement.encode())
    assert told in found(home)[check][1]


def test_a_member_of_the_definer(home: Home, admin: Connection, server: TestServer, tmp_path: Path) -> None:
    stranger = new_login(server, tmp_path / "pass", [])
    admin.execute(f"GRANT lua_definer TO {stranger}")
    try:
        assert stranger in found(home)["owner and definer"][0]
    finally:
        admin.execute(f"REVOKE lua_definer FROM {stranger}")


def test_a_standby(home: Home, server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    real = server_checks.queries

    class Reversed:
        """The doctor's queries, with this one answer turned round."""

        def is_standby(self, conn: Connection) -> bool:
            return not real("doctor").is_standby(conn)

        def __getattr__(self, name: str) -> Any:
            return getattr(real("doctor"), name)

    monkeypatch.setattr(server_checks, "queries", lambda noun: Reversed() if noun == "doctor" else real(noun))
    assert "read-only standby" in found(home)["standby"][0]


def holder(home: Home) -> Path:
    return Path(home.profile.holders[0].removeprefix("file:"))


def lose_root(home: Home) -> None:
    next(holder(home).glob("root-*")).unlink()


def lose_holder(home: Home) -> None:
    shutil.rmtree(holder(home))


def open_root(home: Home) -> None:
    next(holder(home).glob("root-*")).chmod(0o644)


def lose_book(home: Home) -> None:
    shutil.rmtree(home.profile.books[0])


def spoil_book(home: Home) -> None:
    next(home.profile.books[0].glob("*.sqlite")).write_bytes(b"not a book" * 100)


def leave_next_root(home: Home) -> None:
    root = next(holder(home).glob("root-*"))
    fresh = root.with_name("root-00000000000000000002.key")
    fresh.write_bytes(b"")
    fresh.chmod(0o600)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (lose_root, "holders"), (lose_holder, "holders"), (open_root, "holders"), (lose_book, "key books"),
        (spoil_book, "key books"), (lose_root, "keys"), (lose_book, "keys"), (leave_next_root, "keys"),
    ],
)  # fmt: skip
def test_keys(home: Home, fault: Callable[[Home], None], check: str) -> None:
    fault(home)
    assert check in found(home)


def test_a_host_without_keys_is_no_fault(home: Home) -> None:
    change(home, holders=(), books=())
    assert not found(home).keys() & {"keys", "holders", "key books"}


def append(session: Session, ago: timedelta) -> None:
    earlier = replace(session, clock=ShiftedClock(-ago))
    with transaction(earlier):
        ledger.append(earlier, ledger.Entry("test.entry"))


def test_a_ledger_that_lags(home: Home, session: Session) -> None:
    append(session, timedelta(hours=23))
    assert "ledger" not in found(home)
    append(session, timedelta(hours=49))
    assert "for 49 h" in found(home)["ledger"][0]
    ledger.integrate(session)
    assert "ledger" not in found(home)


def test_anchors(home: Home, session: Session) -> None:
    append(session, timedelta(0))
    ledger.integrate(session)
    assert "anchors" not in found(home)
    anchor = Path(home.profile.anchors[0].removeprefix("file:"))
    anchor.write_text("")
    assert "lacks the newest checkpoint" in found(home)["anchors"][0]
    anchor.unlink()
    assert "missing" in found(home)["anchors"][0]
    change(home, anchors=())
    assert "no anchor" in found(home)["anchors"][0]


def test_unfinished_work(home: Home, admin: Connection) -> None:
    cli = run_program(
        home.environ,
        "tenant",
        "create",
        "smile",
        "--name",
        "Smile",
        "--country",
        "DE",
        "--contact",
        "o@smile.example",
    )
    assert cli.returncode == 0, cli.stderr
    columns = {
        "tenant_id": "(SELECT tenant_id FROM lua.tenant)", "purge_id": "gen_random_uuid()",
        "state": "'intent'", "requested_by": "session_user", "epoch": "2", "plan": "'{}'",
        "created_at": "now()", "entry_id": "gen_random_uuid()",
    }  # fmt: skip
    question = "SELECT attname::text FROM pg_attribute WHERE attrelid = 'lua.purge'::regclass"
    used = [name for (name,) in admin.execute(question).fetchall() if name in columns]
    values = ", ".join(columns[name] for name in used)
    admin.execute(f"INSERT INTO lua.purge ({', '.join(used)}) VALUES ({values})".encode())
    what, hint = found(home)["unfinished work"]
    assert "purge" in what
    assert "luactl retention purge --tenant smile" in hint


def test_without_rights_a_check_is_skipped(home: Home, server: TestServer) -> None:
    person = new_login(server, home.paths.passfile("test"), ["lua_accounting"])
    from psycopg.conninfo import make_conninfo

    change(home, dsn=make_conninfo(home.profile.dsn, user=person))
    states = {one.check: one.state for one in doctor.examine("test", home.environ).checks}
    assert states["unfinished work"] == "skipped"
    assert states["schema"] == "ok"
