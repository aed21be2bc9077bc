"""Which database, reached how: an embedded one, a superuser's DSN, or an everyday login's DSN."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from .. import embedded
from ..config import Paths, Profile, check_dsn
from ..connect import Connection, admit, clock_of, dial
from ..db import Session, queries
from ..errors import RefusedError
from ..profile.libpq import DEFAULT, effective, same_database
from ..profile.production import demand_encrypted, demand_tls
from .login import check_login_name, is_login_name, password_of

DATABASE = "luactl"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What is wanted."""

    profile: str
    """Name of the profile to make or to finish."""
    dsn: str | None = None
    """A superuser's DSN, or an everyday login's to a database that is ready; None: an embedded one."""
    login: str | None = None
    """Name of the everyday login; None: the operating system's user name."""
    throwaway: bool = False
    """The home may be deleted by whoever made it, and its clock moved."""
    clock_shift: timedelta = timedelta(0)
    """How far the home's clock is ahead, in whole seconds; throw-away homes only."""


@dataclass(frozen=True)
class Target:
    """The database that is being made ready, and the profile that will name it."""

    paths: Paths
    profile: Profile
    """As it is to be."""
    existing: Profile | None
    """As config.toml has it."""
    login: str
    """The everyday login."""
    conn: Connection | None
    """What the work is done through; None: a dry run found no server yet."""
    new: bool = False
    """Whether server or database were missing."""
    makes: bool = True
    """Whether the connection has the rights to make anything in the database."""

    @property
    def session(self) -> Session:
        """The session of the work itself."""
        if self.conn is None:
            raise ValueError("a dry run has no connection")
        return Session(self.conn, self.conn.info.user, clock_of(self.profile), self.profile, "init")

    @property
    def reach(self) -> str:
        """DSN by which the everyday login reaches the server that runs now."""
        port = f" port={self.session.conn.info.port}" if self.profile.embedded else ""
        return self.profile.dsn + port


@contextmanager
def embedded_target(
    paths: Paths, options: Options, existing: Profile | None, say: Say, *, dry_run: bool
) -> Iterator[Target]:
    """Yield the embedded database and its superuser's connection; unless `dry_run`, the server is made.

    Raises RefusedError when the profile names another kind of database, NoConnectionError.
    """
    if existing and not existing.embedded:
        raise RefusedError(
            f"profile {options.profile!r} names a server of your own",
            hint="repeat with --dsn to finish it, or choose another name: `luactl --profile NAME init`",
        )
    if existing and existing.server_name != options.profile:
        raise RefusedError(
            f"profile {options.profile!r} uses the embedded server of profile {existing.server!r}",
            hint=f"`luactl --profile {existing.server} init` finishes that one",
        )
    server = embedded.Server(paths.server(options.profile), embedded.bundled_binaries())
    login = options.login or _login_of(existing) or user_name()
    check_login_name(login)
    passfile = paths.passfile(options.profile)
    dsn = embedded.conninfo(server, DATABASE, login, passfile)
    profile = existing or fresh_profile(paths, options, dsn, embedded=True)
    new = not server.data.is_dir()
    target = Target(paths, replace(profile, dsn=dsn, passfile=passfile), existing, login, None, new=True)
    if dry_run and new:
        yield target
        return
    port = embedded.start(server, say, may_create=not dry_run)
    with closing(_superuser(server, port, "postgres")) as conn:
        if not queries("init").has_database(conn, name=DATABASE):
            if dry_run:
                yield target
                return
            conn.execute(f"CREATE DATABASE {DATABASE}")
            new = True
    with closing(_superuser(server, port, DATABASE)) as conn:
        yield replace(target, conn=conn, new=new)


def _superuser(server: embedded.Server, port: int, database: str) -> Connection:
    dsn = embedded.superuser_conninfo(server, database, port)
    return dial(dsn, passfile=None, profile=f"{server.base.name} (as its superuser)", command="init")


@contextmanager
def dsn_target(paths: Paths, options: Options, existing: Profile | None, say: Say) -> Iterator[Target]:
    """Yield the database of a DSN and the connection that it gives.

    Raises RefusedError when the profile names another database or the DSN's rights do not suffice.
    """
    dsn = options.dsn or ""
    given = check_dsn(dsn)
    if existing and not same_database(existing, dsn):
        raise RefusedError(
            f"profile {options.profile!r} names another database",
            hint="choose another name: `luactl --profile NAME init --dsn …`",
        )
    if existing:
        demand_tls(replace(existing, dsn=dsn))
    with closing(dial(dsn, passfile=None, profile=options.profile, command="init")) as conn:
        if existing:
            demand_encrypted(conn, existing)
        if queries("init").is_superuser(conn):
            yield _superuser_target(paths, options, existing, given, conn)
        else:
            yield _everyday_target(paths, options, existing, conn, say)


def _superuser_target(
    paths: Paths, options: Options, existing: Profile | None, given: dict[str, str], conn: Connection
) -> Target:
    from psycopg.conninfo import make_conninfo

    login = options.login or _login_of(existing) or _free_login(conn)
    check_login_name(login)
    passfile = paths.passfile(options.profile)
    ours = queries("init").login(conn, login=login) is None or password_of(passfile, login) is not None
    kept = {name: value for name, value in given.items() if name not in ("user", "passfile")}
    dsn = make_conninfo("", user=login, **kept)
    if existing and login == _login_of(existing):
        dsn = existing.dsn  # as somebody wrote it: it may name a service or a client certificate
    profile = existing or fresh_profile(paths, options, dsn, embedded=False)
    profile = replace(profile, dsn=dsn, passfile=passfile if ours else None)
    return Target(paths, profile, existing, login, conn)


def _everyday_target(
    paths: Paths, options: Options, existing: Profile | None, conn: Connection, say: Say
) -> Target:
    """Return the target of a DSN without superuser rights: the database must be ready for its login."""
    login = conn.info.user
    if options.login and options.login != login:
        raise RefusedError(
            f"{login!r} may not make other logins", hint="repeat with a superuser's DSN, or without --login"
        )
    try:
        admit(conn)
    except RefusedError as error:
        raise RefusedError(
            f"{login!r} is no superuser, and the database is not ready: {error.what}",
            hint=f"a superuser must first run `luactl init --dsn … --login {login}` on a key host",
        ) from error
    dsn = options.dsn or ""
    profile = existing or fresh_profile(paths, options, dsn, embedded=False)
    if existing is None:
        say("this host gets no keys: sealed values can be opened on key hosts only")
        profile = replace(profile, holders=(), books=(), anchors=())
    return Target(paths, replace(profile, dsn=dsn), existing, login, conn, makes=False)


def user_name() -> str:
    """Return the operating system's name of who runs this, unless it is reserved or the superuser's."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = f"uid{os.geteuid()}"
    return name if is_login_name(name) and name != embedded.SUPERUSER else DATABASE


def _login_of(existing: Profile | None) -> str | None:
    """Return the login that a profile names by itself or by a service; None where it is left to libpq."""
    named = {each.setting: each for each in effective(existing)} if existing else {}
    return named["user"].value if "user" in named and named["user"].origin != DEFAULT else None


def _free_login(conn: Connection) -> str:
    """Return the default login, or another name if row security would not bind that one."""
    known = queries("init").login(conn, login=user_name())
    return DATABASE if known is not None and known[1] else user_name()


def fresh_profile(paths: Paths, options: Options, dsn: str, *, embedded: bool) -> Profile:
    """Return a new profile with its keys in folders of the home."""
    keys = paths.keys / options.profile
    return Profile(
        name=options.profile,
        dsn=dsn,
        embedded=embedded,
        production=False,
        throwaway=options.throwaway,
        holders=(f"file:{keys / 'holder'}",),
        books=(keys / "book",),
        anchors=(f"file:{keys / 'anchor'}",),
        signing_key=keys / "ledger.key",
        clock_shift=options.clock_shift,
    )
