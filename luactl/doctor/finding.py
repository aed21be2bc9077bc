"""What a check is given, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..clock import Clock
from ..config import Paths, Profile
from ..connect import Connection
from ..db import Session


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, and how to mend it."""

    what: str
    hint: str


@dataclass(frozen=True)
class Look:
    """Everything that a check may look at."""

    paths: Paths
    profile: Profile
    environ: Mapping[str, str]
    clock: Clock
    """The host's own clock, which no profile moves."""
    usage: Callable[[Path], Any]
    """Total and free bytes of the disk that a path lies on, as shutil.disk_usage."""
    conn: Connection | None = None
    session: Session | None = None

    def at(self, conn: Connection) -> Look:
        """Return the same look with a connection."""
        return replace(self, conn=conn)

    def inside(self, session: Session) -> Look:
        """Return the same look with a session that the database admitted."""
        return replace(self, session=session)

    @property
    def connection(self) -> Connection:
        """The connection, for checks that run only with one."""
        if self.conn is None:
            raise ValueError("this check needs a connection")
        return self.conn

    @property
    def opened(self) -> Session:
        """The session, for checks that run only with one."""
        if self.session is None:
            raise ValueError("this check needs a session")
        return self.session
