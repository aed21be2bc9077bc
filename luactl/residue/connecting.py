"""The connection of a database administrator: by a DSN of its own, or as an embedded server's superuser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from .. import embedded
from ..config import Profile, check_dsn
from ..connect import Connection, clock_of, connect, dial, server_of
from ..db import Session
from .reaching import Reach, reach


@contextmanager
def administrator(
    profile: Profile, dsn: str | None, lock_timeout: int, say: Callable[[str], None] = lambda text: None
) -> Iterator[Reach]:
    """Open a session that may see the server's files; no statement of it waits longer for a lock.

    The time-out (seconds) is part of the connection: VACUUM FULL runs in no transaction that could have one.
    Raises NoConnectionError, RefusedError.
    """
    with closing(_connection(profile, dsn, lock_timeout, say)) as conn:
        yield reach(Session(conn, conn.info.user, clock_of(profile), profile, "erasure residue"))


def _connection(
    profile: Profile, dsn: str | None, lock_timeout: int, say: Callable[[str], None]
) -> Connection:
    if dsn is None and profile.embedded:
        server = server_of(profile)
        port = embedded.start(server, say)
        own = embedded.superuser_conninfo(server, check_dsn(profile.dsn)["dbname"], port)
        name = f"{profile.name} (as its superuser)"
        return dial(_patient(own, lock_timeout), passfile=None, profile=name, command="erasure residue")
    own = _patient(profile.dsn if dsn is None else dsn, lock_timeout)
    passfile = profile.passfile if dsn is None else None
    return connect(replace(profile, dsn=own, passfile=passfile), command="erasure residue", say=say)


def _patient(dsn: str, lock_timeout: int) -> str:
    from psycopg.conninfo import make_conninfo

    given = check_dsn(dsn).get("options", "")
    return make_conninfo(
        dsn, options=f"{given} -c lock_timeout={lock_timeout}s -c statement_timeout=0".strip()
    )
