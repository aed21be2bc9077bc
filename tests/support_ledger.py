"""What the tests of the ledger share: vectors, a database with an origin, and logins with roles."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from conftest import Connection, Home, TestServer, new_login, test_profile

from luactl import ledger
from luactl.clock import SystemClock
from luactl.connect import connect
from luactl.db import Session, transaction
from luactl.ledger import Entry

Actor = Callable[..., Session]


@pytest.fixture
def init(bare_home: Home, admin: Connection) -> Session:
    """The superuser's session of a database with a ledger origin (its creation is entry 0)."""
    session = Session(admin, "postgres", SystemClock(), bare_home.profile, "init")
    ledger.create_origin(session)
    return session


@pytest.fixture
def actor(server: TestServer, database: str, init: Session) -> Iterator[Actor]:
    """`actor("lua_operator")` opens a session as a new login with these roles."""
    opened: list[Session] = []

    def open_as(*roles: str) -> Session:
        passfile = init.profile.passfile
        assert passfile is not None
        name = new_login(server, passfile, roles)
        profile = test_profile(passfile.parents[1], server, database, name, passfile)
        session = Session(connect(profile, command="test"), name, SystemClock(), profile, "test")
        opened.append(session)
        return session

    yield open_as
    for session in opened:
        session.conn.close()


@pytest.fixture
def admin_login(actor: Actor) -> Session:
    return actor("lua_admin")


def vectors(path: str) -> Path:
    """Return a published vector, or skip the test: the files are not part of this repository."""
    base = os.environ.get("LUACTL_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data"
    found = Path(base, "vectors", path)
    if not found.exists():
        pytest.skip(f"no {found}: set LUACTL_SHARED_DATA to the folder of the published vectors")
    return found


def write(session: Session, *actions: str) -> list[UUID]:
    with transaction(session):
        return ledger.append_all(session, [Entry(action=action) for action in actions])


def append(session: Session, entry: Entry) -> UUID:
    with transaction(session):
        return ledger.append(session, entry)


def problems(session: Session, **options: Any) -> list[str]:
    return [finding.problem for finding in ledger.verify(session, **options).findings]


def anchor_file(session: Session) -> Path:
    return Path(session.profile.anchors[0].removeprefix("file:"))
