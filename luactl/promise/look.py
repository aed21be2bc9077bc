"""What probes work with: the look that they leave, roles to try as, and attempts that are undone.

The verdict follows from the look alone: one attempt that got through breaks the promise, one thing that could
not be seen makes it not observable, and so does a look in which nothing was tried. Kept is what remains.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg.sql import SQL, Composable, Identifier
from psycopg.sql import Literal as Value

from ..db import Session, queries, transaction
from ..shipped import GROUPS

if TYPE_CHECKING:
    from ..tenant import Tenant

Connection = psycopg.Connection[tuple[Any, ...]]
State = Literal["kept", "broken", "not observable", "waived"]
TIMEOUT = 10
"""Seconds that an attempt to log in waits for the server."""
NO_FILE = "/dev/null/none"
"""A path at which no file can be: none is the default to libpq, and of /dev/null it complains on stderr."""
MOST = 50
"""How many findings, and how many reasons, a look keeps; it counts the rest."""


@dataclass
class Look:
    """What one probe tried and saw."""

    attempts: int = 0
    """How many attempts had a result."""
    saw: str = ""
    """In one line, for a promise that is kept."""
    broken: list[str] = field(default_factory=list)
    """Attempts that went through although they must not; the first 50."""
    unseen: list[str] = field(default_factory=list)
    """What could not be tried or seen, and why; the first 50."""
    evidence: dict[str, Any] = field(default_factory=dict)
    """Figures and names; never anything personal."""
    findings: int = 0
    """How many there are in all."""
    blanks: int = 0
    """How many things were not seen in all."""

    def tried(self, attempts: int = 1) -> None:
        """Count attempts that had a result."""
        self.attempts += attempts

    def breaks(self, what: str) -> None:
        """Note something that breaks the promise."""
        self.findings += 1
        if len(self.broken) < MOST:
            self.broken.append(what)

    def misses(self, why: str) -> None:
        """Note something that could not be tried or seen."""
        self.blanks += 1
        if len(self.unseen) < MOST:
            self.unseen.append(why)

    @property
    def state(self) -> State:
        """What follows from it."""
        if self.findings:
            return "broken"
        return "not observable" if self.blanks or not self.attempts else "kept"

    @property
    def why(self) -> str:
        """Say in one line why it is in that state."""
        if self.findings:
            return _first(self.broken, self.findings)
        if self.blanks:
            return _first(self.unseen, self.blanks)
        return self.saw if self.attempts else self.saw or "there is nothing to try it on"


def _first(lines: list[str], count: int) -> str:
    return lines[0] if count == 1 else f"{lines[0]} (and {count - 1:,} more)"


@dataclass(frozen=True)
class Tried:
    """What one attempt came to."""

    rows: list[tuple[Any, ...]]
    """Rows that came back."""
    count: int
    """Rows returned or changed."""
    error: psycopg.Error | None
    """What stopped it."""

    @property
    def refused(self) -> bool:
        """Whether a right was missing, or row security said no."""
        return isinstance(self.error, psycopg.errors.InsufficientPrivilege)

    @property
    def no_right(self) -> bool:
        """Whether a privilege was missing: what row security refuses got past that."""
        said = self.error.diag.message_primary if self.error else None
        return self.refused and (said or "").startswith("permission denied for")


@cache
def statements(probe: str) -> Any:
    """Load the named statements of `sql/probes/<probe>.sql`."""
    import aiosql

    text = files("luactl.sql").joinpath("probes", f"{probe}.sql").read_text(encoding="utf-8")
    return aiosql.from_str(text, "psycopg", mandatory_parameters=False)


@contextmanager
def undone(session: Session, tenant_id: int | None = None) -> Iterator[Connection]:
    """Run a transaction, in a tenant's context if one is given, and roll it back."""
    with transaction(session, tenant_id) as conn:
        yield conn
        raise psycopg.Rollback


def attempt(conn: Connection, statement: Composable, role: str | None = None, tenant: object = None) -> Tried:
    """Try a statement within the running transaction and undo it.

    `role` is become for the while, else the login's own; `tenant` is the context, else the one that there is.
    Raises what the connection's loss raises.
    """
    steps: list[Composable] = [SQL("SAVEPOINT attempt")]
    if tenant is not None:
        steps.append(SQL("SET LOCAL lua.tenant_id = {}").format(Value(tenant)))
    if role is not None:
        steps.append(SQL("SET LOCAL ROLE {}").format(Identifier(role)))
    result = Tried([], 0, None)
    try:
        cursor = conn.execute(SQL("; ").join([*steps, statement]))
        while cursor.nextset():
            pass
        result = Tried(cursor.fetchall() if cursor.description else [], cursor.rowcount, None)
    except psycopg.Error as error:
        if conn.closed:
            raise
        result = Tried([], 0, error)
    conn.execute("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt")
    return result


def knock(session: Session, name: str, password: str = "") -> str | None:
    """Try to log in by that name and password, and with nothing else that could let us in.

    Returns why not, as it was said, in lower case; None: it is let in.
    """
    info = session.conn.info
    try:
        psycopg.connect(
            host=info.host,
            hostaddr=info.hostaddr,
            port=info.port,
            dbname=info.dbname,
            user=name,
            password=password,
            passfile=NO_FILE,
            sslcertmode="disable",
            gssencmode="disable",
            connect_timeout=TIMEOUT,
        ).close()
    except psycopg.OperationalError as error:
        return str(error).lower()
    return None


def roles(session: Session, look: Look, *, all_of_them: bool) -> list[str]:
    """Return the group roles that this login may become; with `all_of_them` each other one is a blank."""
    with undone(session) as conn:
        may = {row[0] for row in queries("promise").may_become(conn, roles=list(GROUPS))}
    found = [role for role in GROUPS if role in may]
    others = [role for role in GROUPS if role not in may]
    look.evidence["tried_as"] = found
    if others and all_of_them:
        look.misses(f"{session.actor} cannot become {', '.join(others)}, so nothing was tried as them")
    return found


def tenants(session: Session, look: Look) -> list[Tenant]:
    """Return all tenants, and leave their number as evidence."""
    from ..tenant import list_

    found = list_(session)
    look.evidence["tenants"] = len(found)
    if not found:
        look.misses("there is no tenant yet")
    return found


def enter(conn: Connection, tenant: Tenant, look: Look) -> bool:
    """Whether a tenant's rows show to this login in its context; a blank where a dedicated one's do not."""
    if list(queries("tenant").open_to_me(conn, tenant_ids=[tenant.tenant_id])):
        return True
    from ..tenant import ADMISSION

    look.misses(f"the rows of {tenant.slug} show to its own staff alone: {ADMISSION}")
    return False
