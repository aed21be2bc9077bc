"""What a dedicated tenant has to itself: partitions, the CRM's login for it, and staff who are admitted.

Functions of the database make roles and partitions; administrators may call them (docs/design/dedicated.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from .. import db
from ..db import Session, queries, transaction
from ..errors import BusyError, RefusedError
from .register import FIRST_DEDICATED, known

Connection = psycopg.Connection[tuple[object, ...]]
SHORT_WAIT = "200ms"
"""How long others may queue up behind a partition that waits for its locks; then the next try."""
PATIENCE = 15.0
"""Seconds of tries."""
PAUSE = 0.1


@dataclass(frozen=True)
class StaffChange:
    """What admitting or dismissing staff does, or did."""

    slug: str
    """The tenant."""
    login: str
    """Of whom."""
    admitted: bool
    """Whether the login may work on the tenant, with the rights that it has, afterwards."""
    changed: bool
    """False when it was so already and nothing was written."""


@dataclass(frozen=True)
class Fault:
    """Something that the isolation of dedicated tenants lacks, or has too much of."""

    slug: str | None
    """The tenant; None: the partition of all pooled ones."""
    what: str
    """What is wrong."""
    mend: str
    """What mends it: SQL for a superuser, unless it names a function of administrators."""


def faults(session: Session) -> list[Fault]:
    """Return what is not as creating dedicated tenants made it; needs a right to see all tenants."""
    return [Fault(*row) for row in queries("tenant").faults(session.conn)]


def make_roles(session: Session, tenant_id: int) -> None:
    """Make login and staff role of a new tenant, in the running transaction; the creator becomes its staff.

    Raises DuplicateObject when the server has one of these roles, InsufficientPrivilege for a creator without
    an undertaking in force.
    """
    queries("tenant").make_roles(session.conn, tenant_id=tenant_id, at=session.clock.now())


def demand_bound(session: Session) -> None:
    """Refuse beforehand, as `make_roles` does, a creator who would be admitted and is not bound."""
    queries("tenant").require_bound(session.conn, at=session.clock.now())


def make_partitions(session: Session, tenant_id: int) -> None:
    """Make a tenant's partitions in the running transaction, which then keeps everybody off these tables.

    Raises BusyError when a long statement of others stood in the way all the time.
    """
    _in_short_tries(session, lambda conn: queries("tenant").make_partitions(conn, tenant_id=tenant_id))


def own(session: Session, tenant_id: int) -> tuple[str, ...]:
    """Return the tables and roles that a dedicated tenant has to itself, by name."""
    noun, who = queries("tenant"), {"tenant_id": tenant_id}
    found = [row[0] for row in noun.partitions(session.conn, **who)]
    return (*found, *(row[0] for row in noun.own_roles(session.conn, **who)))


def drop_own(session: Session, tenant_id: int) -> int:
    """Drop partitions, then roles of a dedicated tenant that ends, in the running transaction; count them.

    From the partitions to the commit everybody else is kept off these tables; afterwards no row of the
    tenant shows to anybody. What is gone already is no error. Raises RefusedError where a partition has rows
    or a role something of its own elsewhere, BusyError as `make_partitions` does.
    """
    noun, who = queries("tenant"), {"tenant_id": tenant_id}
    counts: list[int] = []
    try:
        _in_short_tries(session, lambda conn: counts.append(noun.drop_partitions(conn, **who)))
        counts.append(noun.drop_roles(session.conn, **who))
    except (psycopg.errors.CheckViolation, psycopg.errors.DependentObjectsStillExist) as error:
        raise RefusedError(
            f"what tenant {tenant_id} has to itself cannot go: {error.diag.message_primary}",
            hint="a superuser gives away what hangs on it (REASSIGN OWNED, DROP OWNED), then run it again",
        ) from error
    return sum(counts)


def _in_short_tries(session: Session, change: Callable[[Connection], object]) -> None:
    """Do something to tables that are in use.

    Each try waits but shortly for its locks, so that nobody queues up behind it for long. Raises BusyError
    when a long statement of others stood in the way all the time.
    """
    conn, deadline = session.conn, time.monotonic() + PATIENCE
    while True:
        try:
            with conn.transaction():
                _lock_timeout(conn, SHORT_WAIT)
                change(conn)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if time.monotonic() > deadline:
                raise BusyError(
                    "others are at work in the tables of customers' data, which must be still a moment",
                    hint="run it again when no long import or dump is under way; nothing was changed",
                ) from error
            time.sleep(PAUSE)
        else:
            _lock_timeout(conn, db.LOCK_TIMEOUT)
            return


def _lock_timeout(conn: Connection, value: str) -> None:
    conn.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(value)))


def dedicated_id(session: Session, slug: str) -> int:
    """Return the id of a dedicated tenant. Raises NotFoundError, and RefusedError for a pooled one."""
    tenant_id = known(session, slug)[0]
    if tenant_id < FIRST_DEDICATED:
        raise RefusedError(
            f"tenant {slug} is pooled: it has no login and no staff of its own",
            hint="group roles alone decide who reaches pooled tenants (docs/reference/roles.md)",
        )
    return tenant_id


def admit(session: Session, slug: str, login: str, *, dry_run: bool = False) -> StaffChange:
    """Let a login work on a dedicated tenant with the rights that it has. Needs lua_admin.

    Raises NotFoundError, and RefusedError for a pooled tenant, and for who is no login of staff. The database
    refuses whoever is nobody's login, or has no undertaking in force.
    """
    return _change(session, slug, login, True, dry_run)


def dismiss(session: Session, slug: str, login: str, *, dry_run: bool = False) -> StaffChange:
    """Take back an admission. Needs lua_admin.

    Raises NotFoundError, and RefusedError for a pooled tenant, and where somebody else's grant stays.
    """
    return _change(session, slug, login, False, dry_run)


def _change(session: Session, slug: str, login: str, admitted: bool, dry_run: bool) -> StaffChange:
    from ..ledger import Entry, append

    tenant_id = dedicated_id(session, slug)
    verb = "admit" if admitted else "dismiss"
    changed = False
    with transaction(session) as conn:
        try:
            which = {"tenant_id": tenant_id, "login": login}
            if admitted:
                changed = queries("tenant").admit(conn, **which, at=session.clock.now())
            else:
                changed = queries("tenant").dismiss(conn, **which)
        except psycopg.errors.InvalidRoleSpecification as error:
            raise RefusedError(
                str(error.diag.message_primary),
                hint="`luactl access list` shows the logins, `luactl doctor` what a tenant lacks",
            ) from error
        if dry_run:
            raise psycopg.Rollback
        if changed:
            about = f"tenant:{slug}"
            append(session, Entry(f"tenant.{verb}", tenant_id, about, detail={"login": login}))
    return StaffChange(slug, login, admitted, changed)
