"""One tenant with all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import instruction
from ..db import Session, queries, transaction
from ..instruction import Instruction
from .register import DeletionRule, Role, Tenant, in_context, known, own_login

if TYPE_CHECKING:
    from psycopg import Connection

TABLES = (
    "crm.subject",
    "crm.contact",
    "crm.interaction",
    "crm.invoice",
    "crm.invoice_line",
    "crm.contact_key",
    "vault.slot",
    "vault.period",
)
"""What sizes are told of, in the order of their counts."""
UNCONFIRMED = timedelta(days=14)
"""A notice that its processor has not confirmed for so long is told as unfinished work."""


@dataclass(frozen=True)
class Size:
    """How much of one table belongs to the tenant."""

    table: str
    """With its schema."""
    rows: int
    """Counted."""
    estimated_bytes: int
    """The rows times what an average row of the table takes up, its indexes included; of a dedicated tenant's
    own partition all that it takes up."""


@dataclass(frozen=True)
class Partition:
    """A table that holds one dedicated tenant's rows and nobody else's."""

    table: str
    """With its schema."""
    bytes: int
    """On disk, indexes included."""


@dataclass(frozen=True)
class Activity:
    """One entry of the ledger, in short."""

    at: datetime
    """When it was written."""
    action: str
    """What was done."""
    actor: str
    """The login that did it."""


@dataclass(frozen=True)
class OpenWork:
    """Work on keys that was cut short: run again, it is finished."""

    kind: str
    """erasure, purge, termination, or notice: one that its processor has not confirmed for 14 days."""
    id: UUID
    """Of the erasure, purge, termination or notice."""
    since: datetime
    """When it was begun."""


@dataclass(frozen=True)
class Detail:
    """A tenant with all that belongs to it, in counts."""

    tenant: Tenant
    """The register's row."""
    roles: tuple[Role, ...]
    """Roles for the tenant's own users."""
    rules: tuple[DeletionRule, ...]
    """How long what is kept."""
    instructions: tuple[Instruction, ...]
    """What the tenant ordered."""
    subjects: int
    """Living data subjects."""
    erased: int
    """Erased data subjects."""
    contacts: int
    """Contacts."""
    interactions: int
    """Interactions."""
    invoices: int
    """Invoices, those included that only a duty keeps."""
    key_no: int
    """Number in the key tree: subtree item 2n, duty subtree item 2n + 1."""
    subject_keys: int
    """Living keys of the classes main and special."""
    duty_keys: int
    """Living keys of the duty classes."""
    period_keys: int
    """Living keys of retention periods."""
    dropped_keys: int
    """Keys of subjects and periods that erasures and purges destroyed, of all classes."""
    age_days: int
    """Whole days since the tenant was created."""
    estimated_bytes: int
    """What the tenant's rows take up, their indexes included: an estimate, the sum of `sizes`."""
    sizes: tuple[Size, ...]
    """The same by table."""
    newest: Activity | None
    """The newest ledger entry about the tenant that the login may read; None without any."""
    unfinished: tuple[OpenWork, ...]
    """What was begun and not finished, and notices that nobody confirmed, oldest first."""
    login: str | None
    """The login of the CRM for a dedicated tenant; None for a pooled one."""
    staff: tuple[str, ...]
    """Logins that may work on a dedicated tenant; empty for a pooled one, which group roles alone open."""
    partitions: tuple[Partition, ...]
    """A dedicated tenant's own tables; empty for a pooled one."""
    open_requests: int
    """Requests of data subjects that wait for an answer."""
    overdue_requests: int
    """Those of them whose last day is over."""


def overdue(session: Session) -> datetime:
    """Return the instant of which notices to processors should be confirmed by now."""
    return session.clock.now() - UNCONFIRMED


def show(session: Session, slug: str) -> Detail:
    """Return a tenant with rules, roles and instructions, and counts of the rest.

    Raises NotFoundError, and RefusedError for a dedicated tenant that this login is not admitted to.
    """
    tenant_id, key_no = known(session, slug)
    in_context(session, tenant_id)  # or refused
    q = queries("tenant")
    with transaction(session, tenant_id) as conn:
        tenant = Tenant(*q.tenant(conn, tenant_id=tenant_id))
        roles = tuple(Role(role, tuple(some)) for role, some in q.roles(conn, tenant_id=tenant_id))
        rules = tuple(DeletionRule(*row) for row in q.rules(conn, tenant_id=tenant_id))
        orders = tuple(instruction.read(session, tenant_id))
        subjects, erased, contacts, interactions, *others = map(int, q.counts(conn, tenant_id=tenant_id))
        people, duties, periods, dropped = q.key_counts(conn, tenant_id=tenant_id)
        newest = q.newest_entry(conn, tenant_id=tenant_id)
        work = q.open_work(conn, tenant_id=tenant_id, before=overdue(session))
        unfinished = tuple(OpenWork(*row) for row in work)
        rows = (subjects + erased, contacts, interactions, *others, people + duties, periods)
        sizes = _sizes(conn, tenant_id, rows)
        staff = tuple(row[0] for row in q.staff(conn, tenant_id=tenant_id))
        requests = q.open_requests(conn, tenant_id=tenant_id, today=session.clock.now().date())
        partitions = tuple(Partition(*row) for row in q.partitions(conn, tenant_id=tenant_id))
    return Detail(
        tenant,
        roles,
        rules,
        orders,
        subjects,
        erased,
        contacts,
        interactions,
        others[0],
        key_no,
        people,
        duties,
        periods,
        dropped,
        (session.clock.now() - tenant.created_at).days,
        sum(size.estimated_bytes for size in sizes),
        sizes,
        None if newest is None else Activity(*newest),
        unfinished,
        own_login(tenant_id),
        staff,
        partitions,
        *requests,
    )


def _sizes(conn: Connection[Any], tenant_id: int, counts: tuple[int, ...]) -> tuple[Size, ...]:
    """Return the sizes of TABLES by the tenant's counts of rows.

    What Postgres believes to be in a table may lag behind; that the tenant's rows are in it is known.
    """
    totals = queries("tenant").table_sizes(conn, tenant_id=tenant_id, tables=list(TABLES))
    return tuple(
        Size(table, rows, taken if own else int(taken * rows / max(believed or 0, rows, 1)))
        for (table, taken, believed, own), rows in zip(totals, counts, strict=True)
    )
