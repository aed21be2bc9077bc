"""Profiles: which file has the last word, what libpq makes of it, and what production demands."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from conftest import Home, TestServer, isolated, run_program

from luactl import config, connect, profile
from luactl.config import Profile
from luactl.errors import NotFoundError, RefusedError, UsageError
from luactl.profile import libpq, production

MINE = '[profile.mine]\ndsn = "host=mine dbname=lua"\nsigning_key = "/k"\n'
SYSTEM = '[profile.shared]\ndsn = "host=shared user=app"\nsigning_key = "/s"\nproduction = true\n'
SECRET = "hunter2-of-odalys"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """`files(system=…, user=…, project=…)` writes them and returns the environment that finds them."""

    def write(system: str = "", user: str = "", project: str = "") -> dict[str, str]:
        environ = {"LUACTL_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
        places = {
            tmp_path / "etc.toml": system,
            config.find_paths(environ).config_file: user,
            tmp_path / "work/luactl.toml": project,
        }
        for path, text in places.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if text:
                path.write_text(text)
        (tmp_path / "work/below").mkdir()
        monkeypatch.chdir(tmp_path / "work/below")
        return {**environ, "LUACTL_SYSTEM_CONFIG": str(tmp_path / "etc.toml")}

    return write


def test_the_persons_file_goes_before_the_systems_setting_by_setting(
    files: Callable[..., dict[str, str]],
) -> None:
    environ = files(system=SYSTEM, user='[profile.shared]\ndsn = "host=other"\n')
    found = config.load_profile("shared", environ)
    assert (found.dsn, found.signing_key) == ("host=other", Path("/s"))


def test_production_is_not_taken_back(files: Callable[..., dict[str, str]]) -> None:
    environ = files(system=SYSTEM, user="[profile.shared]\nproduction = false\n")
    assert config.load_profile("shared", environ).production


def test_who_chooses_the_profile(files: Callable[..., dict[str, str]]) -> None:
    environ = files(
        system='default_profile = "shared"\n' + SYSTEM + MINE.replace("mine", "third"),
        user=MINE,
        project='default_profile = "third"\n',
    )
    assert config.load_profile(None, environ).name == "third"
    assert config.load_profile(None, {**environ, "LUACTL_PROJECT_CONFIG": ""}).name == "shared"
    assert config.load_profile(None, {**environ, "LUACTL_PROFILE": "mine"}).name == "mine"
    assert config.load_profile("shared", {**environ, "LUACTL_PROFILE": "mine"}).name == "shared"


def test_a_project_is_not_looked_for_above_the_home_folder(files: Callable[..., dict[str, str]]) -> None:
    environ = files(user=MINE, project='default_profile = "third"\n')
    assert config.project_file(environ) is not None
    assert config.project_file({**environ, "HOME": str(Path.cwd())}) is None


@pytest.mark.parametrize("text", ['[profile.evil]\ndsn = "host=evil"\n', 'holders = ["file:/tmp"]\n'])
def test_a_project_defines_nothing(files: Callable[..., dict[str, str]], text: str) -> None:
    with pytest.raises(UsageError, match="sets "):
        config.load_profile(None, files(user=MINE, project=text))


def test_what_others_may_write_is_not_believed(files: Callable[..., dict[str, str]]) -> None:
    environ = files(system=SYSTEM, user=MINE, project='default_profile = "mine"\n')
    project, system = Path.cwd().parent / "luactl.toml", Path(environ["LUACTL_SYSTEM_CONFIG"])
    project.chmod(0o664)
    with pytest.raises(RefusedError, match="not believed"):
        config.load_profile(None, environ)
    assert config.load_profile("mine", environ).name == "mine"
    system.chmod(0o646)
    with pytest.raises(RefusedError, match="not believed"):
        config.load_profile("mine", environ)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_strangers_file_is_not_believed(files: Callable[..., dict[str, str]]) -> None:
    environ = files(user=MINE, project='default_profile = "mine"\n')
    os.chown(Path.cwd().parent / "luactl.toml", 65534, 65534)
    with pytest.raises(RefusedError, match="somebody else"):
        config.load_profile(None, environ)


def test_add_use_remove(files: Callable[..., dict[str, str]]) -> None:
    environ = files(system=SYSTEM, user="# Odalys asks first\n" + MINE)
    paths = config.find_paths(environ)
    new = profile.NewProfile("two", dsn="host=two", holders=("file:/h",), books=("/b",))
    before = paths.config_file.read_text()
    assert profile.add(paths, new, dry_run=True, environ=environ).changed
    assert profile.use(paths, "shared", dry_run=True, environ=environ).changed
    assert profile.remove(paths, "mine", dry_run=True, environ=environ).changed
    assert paths.config_file.read_text() == before
    profile.add(paths, new, environ=environ)
    profile.use(paths, "two", environ=environ)
    assert config.load_profile(None, environ).holders == ("file:/h",)
    assert not profile.use(paths, "two", environ=environ).changed
    assert [(one.name, one.chosen) for one in profile.list_(paths, None, environ)] == [
        ("shared", False),
        ("mine", False),
        ("two", True),
    ]
    profile.remove(paths, "two", environ=environ)
    text = paths.config_file.read_text()
    assert "two" not in text
    assert text.startswith("# Odalys asks first\n")


def test_what_cannot_be_added_or_removed(files: Callable[..., dict[str, str]]) -> None:
    environ = files(system=SYSTEM, user=MINE)
    paths = config.find_paths(environ)
    refused = (
        (profile.NewProfile("mine", dsn="host=x"), RefusedError, "already"),
        (profile.NewProfile("shared", dsn="host=x"), RefusedError, "already"),
        (profile.NewProfile("No!", dsn="host=x"), UsageError, "no name"),
        (profile.NewProfile("a"), UsageError, "exactly one"),
        (profile.NewProfile("a", dsn="host=x", server="mine"), UsageError, "exactly one"),
        (profile.NewProfile("a", server="mine", user="u"), UsageError, "no embedded server"),
        (profile.NewProfile("a", dsn=f"password={SECRET}"), UsageError, "contains a password"),
        (profile.NewProfile("a", dsn="host=x", books=("rel",)), UsageError, "no absolute path"),
    )
    for new, kind, told in refused:
        with pytest.raises(kind, match=told):
            profile.add(paths, new, environ=environ)
    with pytest.raises(RefusedError, match="not defined in"):
        profile.remove(paths, "shared", environ=environ)
    with pytest.raises(NotFoundError, match="no profile 'nobody'"):
        profile.use(paths, "nobody", environ=environ)
    assert paths.config_file.read_text() == MINE


def test_a_shared_server_is_not_pulled_away(files: Callable[..., dict[str, str]]) -> None:
    environ = files(user=MINE + "embedded = true\n")
    paths = config.find_paths(environ)
    profile.add(paths, profile.NewProfile("job", server="mine", user="night"), environ=environ)
    made = config.load_profile("job", environ)
    assert (made.server_name, made.embedded, made.passfile) == ("mine", True, paths.passfile("job"))
    with pytest.raises(RefusedError, match="used by job"):
        profile.remove(paths, "mine", environ=environ)


def test_another_login_uses_the_same_embedded_server(running_home: Home) -> None:
    home = running_home.path
    added = run_program(
        running_home.environ, "profile", "add", "second", "--server", "local",
        "--user", str(config.check_dsn(running_home.profile.dsn)["user"]),
        "--passfile", str(running_home.paths.passfile("local")),
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    try:
        listed = run_program(running_home.environ, "--profile", "second", "tenant", "list", "-o", "json")
        assert listed.returncode == 0, listed.stderr
        assert not running_home.paths.server("second").exists()
        refused = run_program(running_home.environ, "--profile", "second", "init")
        assert (refused.returncode, "embedded server of profile 'local'" in refused.stderr) == (5, True)
    finally:
        removed = run_program({**isolated(home)}, "profile", "remove", "second", "--yes")
        assert removed.returncode == 0, removed.stderr


def plain(**changes: Any) -> Profile:
    made = Profile("p", "dbname=lua", False, False, False, (), (), (), Path("/k"))
    return replace(made, **changes)


def origins(made: Profile, environ: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {one.setting: (one.value, one.origin) for one in libpq.effective(made, environ)}


def test_libpqs_order_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compared with what libpq itself makes of the same environment."""
    services = tmp_path / "services"
    services.write_text(f"[other]\nport=1\n[crm]\n# host=no\nhost=db.example\nport=6000\npassword={SECRET}\n")
    environ = {
        "HOME": str(tmp_path), "PGSERVICE": "crm", "PGSERVICEFILE": str(services), "PGPORT": "7000",
        "PGUSER": "odalys", "PGSSLMODE": "require", "PGAPPNAME": "x",
    }  # fmt: skip
    shown = origins(plain(dsn="dbname=lua sslmode=verify-full"), environ)
    assert shown["host"] == ("db.example", f"service file {services}")
    assert shown["port"] == ("6000", f"service file {services}")
    assert shown["user"] == ("odalys", "PGUSER")
    assert shown["sslmode"] == ("verify-full", "dsn")
    assert shown["password"] == ("(set)", f"service file {services}")
    assert SECRET not in str(shown)
    from psycopg import pq

    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    conn = pq.PGconn.connect_start(b"dbname=lua sslmode=verify-full hostaddr=127.0.0.1")
    real = {one.keyword.decode(): (one.val or b"").decode() for one in conn.info}
    conn.finish()
    compared = {
        name: value for name, (value, _origin) in shown.items() if name not in ("password", "passfile")
    }
    assert compared == {name: real[name] for name in compared}


def test_the_password_file_is_read_as_libpq_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "pass"
    file.write_text(f"# no\nelse:*:*:*:x\ndb\\:1:5432:*:odal\\\\ys:{SECRET}\n")
    file.chmod(0o600)
    made = plain(dsn="host=db:1 user='odal\\\\ys'", passfile=file)
    assert origins(made, {})["password"] == ("(set)", f"{file}, line 3")
    file.chmod(0o640)
    assert "others may read it" in origins(made, {})["password"][1]


def test_production_demands_verified_tls_before_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: object, **_more: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr("luactl.exclusive.Paired.connect", never)
    for dsn in ("host=db", "host=db sslmode=require", "host=db sslmode=verify-ca"):
        with pytest.raises(RefusedError, match="verify-full"):
            connect.connect(plain(dsn=dsn, production=True), command="test")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    with pytest.raises(AssertionError, match="connected"):
        connect.connect(plain(dsn="host=db", production=True), command="test")


def test_production_demands_tls_on_the_connection_itself(
    bare_home: Home, server: TestServer, tmp_path: Path
) -> None:
    if server.server.tls:  # the Postgres 18 of these tests was built without
        with closing(connect.connect(replace(bare_home.profile, production=True), command="test")) as conn:
            assert conn.pgconn.ssl_in_use
    # libpq speaks no TLS on a socket, whatever sslmode says.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / ".s.PGSQL.5432"))
        listener.listen()
        admitting = Thread(target=admit_anybody, args=(listener,))
        admitting.start()
        with pytest.raises(RefusedError, match="has none"):
            connect.connect(
                plain(dsn=f"host={tmp_path} user=u sslmode=verify-full", production=True), command="test"
            )
        admitting.join()


def admit_anybody(listener: socket.socket) -> None:
    """Speak just enough of the protocol for a connection to stand: authenticated, ready."""
    conn, _address = listener.accept()
    with conn:
        conn.recv(8192)
        conn.sendall(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")
        conn.recv(8192)


def places(tmp_path: Path, **changes: Any) -> Profile:
    return plain(
        production=True,
        holders=(f"file:{tmp_path}/a/holder", f"file:{tmp_path}/b/holder"),
        books=(tmp_path / "a/book", tmp_path / "b/book"),
        **changes,
    )


def test_what_production_demands_of_key_places(tmp_path: Path) -> None:
    good, none = places(tmp_path), {"XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)}
    assert list(production.problems(good, none)) == []
    faults = {
        "1 holders of the root": replace(good, holders=good.holders[:1]),
        "1 key books": replace(good, books=good.books[:1]),
        "not apart": replace(good, books=(tmp_path / "a/book", tmp_path / "a/book/inner")),
        "one file system": replace(good, embedded=True),
    }
    for told, made in faults.items():
        assert told in " ".join(production.problems(made, none))
    apart = {tmp_path / "data/luactl/embedded/p": 1}
    ours = replace(good, embedded=True)
    assert list(production.problems(ours, none, lambda path: apart.get(path, 2))) == []
    home = {"LUACTL_HOME": str(tmp_path)}
    assert "under one tree" in " ".join(production.problems(ours, home, lambda path: hash(path)))


def test_no_key_changes_in_production_with_one_holder(home: Home) -> None:
    from luactl import key
    from luactl.db import Session

    made = replace(home.profile, production=True)
    with closing(connect.connect(home.profile, command="test")) as conn:
        session = Session(conn, conn.info.user, connect.clock_of(made), made, "test")
        for change in (
            lambda: key.reserve_tenants(session),
            lambda: key.drop(session, [], lambda epoch: None),
            lambda: key.create_tree(session),
        ):
            with pytest.raises(RefusedError, match="needs 2"):
                change()
        assert key.status(session).state is key.State.SETTLED
        assert key.status(session).epoch == 1


def test_the_person_at_a_production_terminal_is_asked_even_with_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    from luactl.commands import diagnostics
    from luactl.commands.settings import begin
    from luactl.errors import LuactlError

    asked: list[str] = []
    monkeypatch.setattr(diagnostics, "is_interactive", lambda: True)
    monkeypatch.setattr(diagnostics, "ask", lambda question: asked.append(question) or "smile")
    chosen = begin()
    diagnostics.confirm("Purge?", yes=True, name="smile")
    assert asked == []
    chosen.production = True
    diagnostics.confirm("Purge?", yes=True, name="smile")
    assert asked == ["Purge? Type smile to go on:"]
    with pytest.raises(LuactlError, match="not confirmed"):
        diagnostics.confirm("Purge?", yes=True, name="other")
    monkeypatch.setattr(diagnostics, "is_interactive", lambda: False)
    diagnostics.confirm("Purge?", yes=True, name="other")
    assert len(asked) == 2
    with pytest.raises(UsageError, match="--yes"):
        diagnostics.confirm("Purge?", yes=False, name="other")
    begin()


def test_the_command_line(bare_home: Home) -> None:
    shown = run_program(bare_home.environ, "profile", "show", "--origin")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("SETTING\tVALUE\tORIGIN\n")
    assert "password\t(set)\t" in shown.stdout
    secret = (bare_home.paths.passfile("test")).read_text().rpartition(":")[2].strip()
    assert secret not in shown.stdout + shown.stderr
    gone = run_program(bare_home.environ, "profile", "remove", "test")
    assert (gone.returncode, "--yes" in gone.stderr) == (2, True)


def test_a_production_home_from_the_first_step_on(
    server: TestServer, database: str, tmp_path: Path, admin: object
) -> None:
    if not server.server.tls:
        pytest.skip("this Postgres was built without TLS")
    environ = isolated(tmp_path / "home")
    places = [
        f"{kind}{tmp_path}/{name}" for kind, name in (("file:", "a"), ("file:", "b"), ("", "c"), ("", "d"))
    ]
    dsn = server.dsn(database, f"p_{database}", tmp_path / "none").replace(f"passfile={tmp_path}/none", "")
    command = [
        "profile",
        "add",
        "prod",
        "--production",
        "--dsn",
        dsn,
        "--holder",
        places[0],
        "--book",
        places[2],
    ]
    command += ["--anchor", f"file:{tmp_path}/e"]
    assert run_program(environ, *command).returncode == 0
    init = ("init", "--dsn", server.admin_dsn(database))
    refused = run_program(environ, *init)
    assert (refused.returncode, "needs 2" in refused.stderr) == (5, True)
    assert run_program(environ, "profile", "remove", "prod", "--yes").returncode == 0
    made = run_program(environ, *command, "--holder", places[1], "--book", places[3])
    assert made.returncode == 0, made.stderr
    plain = run_program(
        environ, "init", "--dsn", server.admin_dsn(database).replace("verify-full", "require")
    )
    assert (plain.returncode, "verify-full" in plain.stderr) == (5, True)
    done = run_program(environ, *init)
    assert done.returncode == 0, done.stderr
    new = ("tenant", "create", "smile", "--name", "Smile", "--country", "DE", "--contact", "o@smile.example")
    done = run_program(environ, *new)
    assert done.returncode == 0, done.stderr
    examined = run_program(environ, "doctor", "-o", "csv")
    assert [line for line in examined.stdout.splitlines() if ",finding," in line] == [], examined.stdout
    for line in run_program(environ, "key", "status", "-o", "jsonl").stdout.splitlines():
        assert '"state":"settled"' in line
