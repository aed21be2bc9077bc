"""`luactl init`: one home from nothing, finished when interrupted, never written over."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import (
    Connection,
    Home,
    TestServer,
    isolated,
    new_login,
    python_for,
    run_as,
    run_program,
    site_packages,
)
from support_wait import drop_database

from luactl import embedded, init
from luactl.config import Paths, check_dsn, find_paths, load_profile, load_profiles, write_private
from luactl.connect import open_session
from luactl.errors import Exit, LuactlError, NoConnectionError, RefusedError, UsageError
from luactl.init import keyring, login
from luactl.init.target import user_name
from luactl.shipped import OF_PEOPLE

STEPS = ["server", "schema", "keys", "login", "ledger", "profile"]


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of an empty home; an embedded server made in it is stopped at the end."""
    made = isolated(tmp_path / "home")
    for key in set(os.environ) - set(made):
        monkeypatch.delenv(key)
    for key, value in made.items():
        monkeypatch.setenv(key, value)
    yield made
    for folder in (tmp_path / "home" / "data" / "embedded").glob("*"):
        embedded.stop(embedded.Server(folder, embedded.bundled_binaries()))


@pytest.fixture
def paths(environ: dict[str, str]) -> Paths:
    return find_paths(environ)


@pytest.fixture
def empty(server: TestServer) -> Iterator[str]:
    """The superuser's DSN to a database in which nothing ever ran."""
    name = f"init_{secrets.token_hex(4)}"
    with closing(server.admin()) as conn:
        conn.execute(f"CREATE DATABASE {name}")
    yield server.admin_dsn(name)
    with closing(server.admin()) as conn:
        drop_database(conn, name)


def somebody() -> str:
    return f"i_{secrets.token_hex(4)}"


def steps(report: init.Report) -> list[str]:
    return [step.step for step in report.steps]


def snapshot(paths: Paths) -> dict[Path, bytes]:
    """Return every file of config and keys."""
    folders = (paths.config, paths.keys)
    return {file: file.read_bytes() for folder in folders for file in folder.rglob("*") if file.is_file()}


def entries(conn: Connection) -> list[str]:
    return [row[0] for row in conn.execute("SELECT action FROM ledger.entry ORDER BY at, id")]


def test_from_nothing_to_a_working_home_and_again(environ: dict[str, str], paths: Paths) -> None:
    planned = run_program(environ, "-o", "json", "init", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert not Path(environ["LUACTL_HOME"]).exists()

    done = run_program(environ, "-o", "json", "init")
    assert done.returncode == 0, done.stderr
    data: dict[str, Any] = json.loads(done.stdout)["data"]
    assert [step["step"] for step in data["steps"]] == STEPS
    assert json.loads(planned.stdout)["data"] == data
    assert {data["config"], data["data"], data["keys"]} == {
        str(folder) for folder in (paths.config, paths.data, paths.keys)
    }
    for folder in (paths.config, paths.data, paths.keys):
        assert str(folder) in done.stderr

    before = snapshot(paths)
    again = run_program(environ, "-o", "json", "init")
    assert (again.returncode, json.loads(again.stdout)["data"]["steps"]) == (0, [])
    assert "in place already" in again.stderr
    assert snapshot(paths) == before
    assert all(file.stat().st_mode & 0o077 == 0 for file in paths.config.iterdir())

    with open_session(command="test") as session:
        assert session.actor == user_name()
        groups = session.conn.execute(
            "SELECT array_agg(role::text) FROM unnest(%s::text[]) role"
            " WHERE pg_has_role(session_user, role, 'USAGE')",
            ([*OF_PEOPLE, "lua_app", "lua_ai", "lua_owner", "lua_definer"],),
        ).fetchone()
        assert groups == (list(OF_PEOPLE),)
        rights = session.conn.execute(
            "SELECT rolsuper OR rolcreaterole OR rolbypassrls OR rolcreatedb FROM pg_roles"
            " WHERE rolname = session_user"
        ).fetchone()
        assert rights == (False,)
        assert entries(session.conn) == ["init", "ledger.origin.create"]


def test_two_inits_at_once_make_one_home(environ: dict[str, str]) -> None:
    program = Path(sys.executable).parent / "luactl"
    runs = [
        subprocess.Popen(
            [program, "-o", "json", "init"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    told = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], told
    made = sorted(len(json.loads(out)["data"]["steps"]) for out, _err in told)
    assert made == [0, 0, len(STEPS)]
    with open_session(command="test") as session:
        assert entries(session.conn) == ["init", "ledger.origin.create"]


def test_a_superusers_dsn_gets_an_everyday_login(environ: dict[str, str], paths: Paths, empty: str) -> None:
    who = somebody()
    options = init.Options("prod", empty, who)
    planned = init.run(paths, options, dry_run=True)
    assert not paths.config_file.exists()
    report = init.run(paths, options)
    assert steps(report) == steps(planned) == STEPS[1:]
    profile = load_profile(None, environ)
    assert (profile.name, profile.embedded, profile.passfile) == ("prod", False, paths.passfile("prod"))
    assert check_dsn(profile.dsn)["user"] == who
    with open_session(command="test") as session:
        assert session.actor == who
    assert steps(init.run(paths, options)) == []


def test_the_server_sees_only_a_verifier(
    environ: dict[str, str], paths: Paths, empty: str, server: TestServer
) -> None:
    who = somebody()
    init.run(paths, init.Options("local", empty, who))
    with closing(server.admin()) as conn:
        stored = conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (who,)).fetchone()
    assert stored
    assert stored[0].startswith("SCRAM-SHA-256$")
    password = login.password_of(paths.passfile("local"), who)
    assert password
    log = "\n".join(embedded.log_lines(server.server, 100_000))
    assert password not in log
    assert stored[0] not in log


@pytest.mark.parametrize("broken", ["migrate", "make_keys", "_record", "create_origin", "save_profile"])
def test_an_interrupted_init_is_finished_by_the_next(
    environ: dict[str, str], paths: Paths, empty: str, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    from luactl import ledger, schema

    places = {"migrate": schema, "create_origin": ledger}
    options = init.Options("local", empty, somebody())
    with monkeypatch.context() as patch:

        def interrupt(*_args: object, **_more: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(places.get(broken, init), broken, interrupt)
        with pytest.raises(KeyboardInterrupt):
            init.run(paths, options)
    assert load_profiles(paths) == {}
    assert steps(init.run(paths, options))[-1] == "profile"
    assert steps(init.run(paths, options)) == []
    with open_session(command="key status") as session:
        assert entries(session.conn)[-1] == "ledger.origin.create"


def test_a_root_written_before_the_tree_was_is_thrown_away(
    environ: dict[str, str], paths: Paths, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from luactl.key.holder import FileHolder

    options = init.Options("local", empty, somebody())
    with monkeypatch.context() as patch:
        # As if the power failed after the root had reached the disk: nothing tidies up.
        patch.setattr(FileHolder, "destroy", lambda self, epoch: None)
        patch.setattr("luactl.key.tree.seal_node", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            init.run(paths, options)
    torn = list((paths.keys / "local" / "holder").iterdir())
    assert torn
    init.run(paths, options)
    assert steps(init.run(paths, options)) == []
    assert not (paths.keys / "local" / "unfinished").exists()


def test_a_lost_key_book_is_made_anew(environ: dict[str, str], paths: Paths, empty: str) -> None:
    options = init.Options("local", empty, somebody())
    init.run(paths, options)
    shutil.rmtree(paths.keys / "local" / "book")
    assert steps(init.run(paths, options)) == ["keys"]
    assert steps(init.run(paths, options)) == []


def test_a_missing_keyring_is_refused(environ: dict[str, str], paths: Paths, empty: str) -> None:
    options = init.Options("local", empty, somebody())
    init.run(paths, options)
    shutil.rmtree(paths.keys / "local" / "holder")
    with pytest.raises(RefusedError) as caught:
        init.run(paths, options)
    assert (caught.value.exit, bool(caught.value.hint)) == (Exit.REFUSED, True)
    assert not (paths.keys / "local" / "holder").exists()


def test_the_keyring_of_another_database_is_refused(
    environ: dict[str, str], paths: Paths, empty: str, server: TestServer
) -> None:
    options = init.Options("local", empty, somebody())
    init.run(paths, options)
    before = snapshot(paths)
    with closing(server.admin()) as conn:
        name = check_dsn(empty)["dbname"]
        drop_database(conn, name)
        conn.execute(f"CREATE DATABASE {name}")
    with pytest.raises(RefusedError, match="holds roots already"):
        init.run(paths, options)
    assert snapshot(paths) == before


def test_an_everyday_dsn_to_a_ready_database_makes_only_a_profile(
    environ: dict[str, str], paths: Paths, server: TestServer, home: Home
) -> None:
    options = init.Options("second", home.profile.dsn)
    heard: list[str] = []
    assert steps(init.run(paths, options, heard.append)) == ["profile"]
    assert any("no keys" in text for text in heard)
    assert load_profiles(paths)["second"].holders == ()
    with open_session("second", command="test") as session:
        assert session.actor == check_dsn(home.profile.dsn)["user"]
    with pytest.raises(RefusedError, match="may not make other logins"):
        init.run(paths, init.Options("third", home.profile.dsn, "other"))


def test_without_superuser_rights_an_empty_database_stays_empty(
    environ: dict[str, str], paths: Paths, server: TestServer, empty: str
) -> None:
    paths.make()
    passfile = paths.config / "given.pgpass"
    who = new_login(server, passfile, [])
    dsn = server.dsn(check_dsn(empty)["dbname"], who, passfile)
    with pytest.raises(RefusedError, match="is no superuser, and the database is not ready") as caught:
        init.run(paths, init.Options("local", dsn))
    assert f"--login {who}" in str(caught.value.hint)
    assert not paths.config_file.exists()


def test_a_login_that_row_security_does_not_bind_is_refused(
    environ: dict[str, str], paths: Paths, empty: str
) -> None:
    with pytest.raises(RefusedError, match="row security does not bind"):
        init.run(paths, init.Options("local", empty, "postgres"))
    assert not paths.config_file.exists()


def test_a_login_of_somebody_elses_making_keeps_password_and_rights(
    environ: dict[str, str], paths: Paths, empty: str, server: TestServer
) -> None:
    paths.make()
    passfile = paths.config / "given.pgpass"
    who = new_login(server, passfile, ["lua_auditor"])
    options = init.Options("local", f"{empty} passfile={passfile}", who)
    write_private(passfile, passfile.read_text() + embedded_password(server))
    os.environ["PGPASSFILE"] = str(passfile)
    try:
        assert "login" not in steps(init.run(paths, options))
        with open_session(command="test") as session:
            assert session.actor == who
            row = session.conn.execute(
                "SELECT pg_has_role('lua_auditor', 'USAGE'), pg_has_role('lua_admin', 'USAGE')"
            )
            assert row.fetchone() == (True, False)
    finally:
        del os.environ["PGPASSFILE"]
    assert load_profile(None, environ).passfile is None


def embedded_password(server: TestServer) -> str:
    return server.server.superuser_passfile.read_text()


@pytest.mark.parametrize("name", ["lua_owner", "pg_monitor", "public", "", "a\nb", "x" * 64])
def test_reserved_names_are_no_logins(environ: dict[str, str], paths: Paths, empty: str, name: str) -> None:
    if name:
        with pytest.raises(UsageError, match="cannot be the name of a login"):
            init.run(paths, init.Options("local", empty, name))
    with pytest.raises(UsageError):
        login.check_login_name(name)


@pytest.mark.parametrize(
    ("account", "expected"), [("lua_berlin", "luactl"), ("postgres", "luactl"), ("agata", "agata")]
)
def test_an_account_with_a_reserved_name_gets_a_login_all_the_same(
    account: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd((account, "", uid, uid, "", "/", "")))
    assert user_name() == expected


@pytest.mark.parametrize("name", ['O\'Brien "x"', "żaneta", "a:b\\c", "Robert'); DROP ROLE lua_owner;--"])
def test_any_other_name_is_just_a_name(
    environ: dict[str, str], paths: Paths, empty: str, server: TestServer, name: str
) -> None:
    who = f"{name} {secrets.token_hex(3)}"
    init.run(paths, init.Options("local", empty, who))
    with open_session(command="test") as session:
        assert session.actor == who


def test_a_profile_is_never_turned_to_another_database(
    environ: dict[str, str], paths: Paths, empty: str, server: TestServer
) -> None:
    who = somebody()
    init.run(paths, init.Options("local", empty, who))
    with pytest.raises(RefusedError, match="names another database") as caught:
        init.run(paths, init.Options("local", server.admin_dsn("postgres"), who))
    assert "--profile" in str(caught.value.hint)
    with pytest.raises(RefusedError, match="a server of your own"):
        init.run(paths, init.Options("local"))
    assert not paths.server("local").exists()


@pytest.mark.parametrize("name", ["../up", "", "Ümlaut", "a b", "-x"])
def test_profile_names_are_plain(environ: dict[str, str], paths: Paths, name: str) -> None:
    with pytest.raises(UsageError, match="no name for a profile"):
        init.run(paths, init.Options(name))
    assert not paths.config.exists()


def test_wrong_dsns_end_before_anything_is_made(environ: dict[str, str], paths: Paths, empty: str) -> None:
    secret = "hunter2-of-agata"
    done = run_program(environ, "init", "--dsn", f"postgresql://agata:{secret}@localhost/lua")
    assert done.returncode == 2
    assert "PGPASSFILE" in done.stderr
    assert secret not in done.stderr + done.stdout
    with pytest.raises(NoConnectionError, match="the database does not exist"):
        init.run(paths, init.Options("local", psycopg.conninfo.make_conninfo(empty, dbname="nowhere")))
    assert not paths.config_file.exists()
    assert not list(paths.keys.glob("*"))


def test_a_place_that_cannot_be_written_is_told(environ: dict[str, str], tmp_path: Path, empty: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LuactlError, match="cannot write") as caught:
        init.run(find_paths({"LUACTL_HOME": str(tmp_path / "file")}), init.Options("local", empty))
    assert (caught.value.exit, bool(caught.value.hint)) == (Exit.FAILED, True)


def test_keys_are_not_made_where_others_lie(home: Home, admin: Connection) -> None:
    from luactl.clock import SystemClock
    from luactl.db import Session

    session = Session(admin, "postgres", SystemClock(), home.profile, "init")
    assert not keyring.lacks_keys(session, home.paths.keys / "test")
    admin.execute("TRUNCATE vault.tree, vault.node")
    with pytest.raises(RefusedError):
        keyring.make_keys(session, home.paths.keys / "test")
    assert not (home.paths.keys / "test" / "unfinished").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become an ordinary user")
def test_an_ordinary_user_needs_nobody() -> None:
    nobody = pwd.getpwnam("nobody")
    folder = Path(tempfile.mkdtemp(prefix="luactl-ordinary-"))
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    environ = isolated(folder / "home")
    program = (
        f"import site, sys; site.addsitedir({site_packages()!r});"
        "from luactl.commands.main import main; main()"
    )

    def luactl(*arguments: str) -> dict[str, Any]:
        done = run_as(nobody, [python_for(nobody), "-c", program, "-o", "json", *arguments], environ)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)["data"]
        return answer

    try:
        assert luactl("init")["login"] == "nobody"
        assert luactl("tenant", "list") == []
        assert luactl("embedded", "status")["account"] == "nobody"
        assert not luactl("embedded", "stop")["running"]
    finally:
        embedded.stop(embedded.Server(folder / "home/data/embedded/local", embedded.bundled_binaries()))
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
@pytest.mark.parametrize("when", ["at once", "in initdb", "in the first migration"])
def test_a_full_disk_leaves_nothing_that_a_second_run_cannot_finish(tmp_path: Path, when: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk")
    environ = isolated(disk / "home")
    server = embedded.Server(find_paths(environ).server("local"), embedded.bundled_binaries())
    try:
        if when == "in the first migration":
            embedded.start(server, may_create=True)
        left = {"at once": 0, "in initdb": 20 << 20, "in the first migration": 1 << 20}[when]
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - left))
        first = run_program(environ, "init")
        assert (first.returncode, "hint: " in first.stderr) in ((1, True), (3, True)), first.stderr
        assert "fault in luactl" not in first.stderr
        (disk / "filler").unlink()
        second = run_program(environ, "init")
        assert second.returncode == 0, second.stderr
        assert run_program(environ, "tenant", "list").returncode == 0
    finally:
        embedded.stop(server)
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # a dying server may sit in it
