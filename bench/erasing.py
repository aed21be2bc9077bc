"""Erasing 10,000 people, the rows part: ours against SQL by hand, as one set and row by row.

Ours is what an epoch's transaction does with rows: it locks the people, counts, deletes, marks, hides
invoices and leaves the records. There are six tables of data; with claims, records and ledger it touches
twelve. The set by hand deletes, marks and hides with one statement a table and leaves no record; the loop
asks for each person's rows and takes each by its primary key, a person a transaction. Both run as a
superuser, whom row security does not slow down. Keys have a measure of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .crm import _ground
from .measure import Size

if TYPE_CHECKING:
    import psycopg

    from luactl.db import Session
    from luactl.tenant import Tenant

Work = Callable[[], None]
PEOPLE = {Size.FULL: 10_000, Size.SMALL: 500}
OTHERS = 4
"""For each one who is erased so many stay."""
SET = (
    "SELECT FROM crm.subject WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)"
    " ORDER BY subject_id FOR UPDATE",
    "DELETE FROM crm.contact WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)",
    "DELETE FROM crm.contact_key WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)",
    "DELETE FROM crm.interaction WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)",
    "UPDATE crm.subject SET status = 'erased', personal = NULL, erased_at = now(), updated_at = now()"
    " WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)",
    "UPDATE crm.invoice_line l SET retained_at = now() FROM crm.invoice i WHERE i.tenant_id = %(t)s"
    " AND i.subject_id = ANY (%(ids)s) AND l.tenant_id = %(t)s AND l.invoice_id = i.invoice_id",
    "UPDATE crm.invoice SET retained_at = now() WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)",
)
LOOP = (
    ("SELECT contact_id FROM crm.contact WHERE tenant_id = %s AND subject_id = %s",
     "DELETE FROM crm.contact WHERE tenant_id = %s AND contact_id = %s"),
    ("SELECT digest FROM crm.contact_key WHERE tenant_id = %s AND subject_id = %s",
     "DELETE FROM crm.contact_key WHERE tenant_id = %s AND digest = %s"),
    ("SELECT interaction_id FROM crm.interaction WHERE tenant_id = %s AND subject_id = %s",
     "DELETE FROM crm.interaction WHERE tenant_id = %s AND interaction_id = %s"),
    ("SELECT l.invoice_id, l.line_no FROM crm.invoice_line l JOIN crm.invoice i USING (tenant_id, invoice_id)"
     " WHERE i.tenant_id = %s AND i.subject_id = %s",
     "UPDATE crm.invoice_line SET retained_at = now()"
     " WHERE tenant_id = %s AND invoice_id = %s AND line_no = %s"),
    ("SELECT invoice_id FROM crm.invoice WHERE tenant_id = %s AND subject_id = %s",
     "UPDATE crm.invoice SET retained_at = now() WHERE tenant_id = %s AND invoice_id = %s"),
    ("SELECT subject_id FROM crm.subject WHERE tenant_id = %s AND subject_id = %s FOR UPDATE",
     "UPDATE crm.subject SET status = 'erased', personal = NULL, erased_at = now(), updated_at = now()"
     " WHERE tenant_id = %s AND subject_id = %s"),
)  # fmt: skip
FILL = (
    "INSERT INTO crm.subject SELECT %(t)s, md5(%(t)s || 's' || n)::uuid, 'active', %(blob)s,"
    " gen_random_uuid(), now(), now(), NULL FROM generate_series(1, %(n)s) n",
    "INSERT INTO crm.contact SELECT tenant_id, gen_random_uuid(), subject_id, %(blob)s, 4, 1, '{1,2}',"
    " '{3,4}', entry_id, now(), now() FROM crm.subject WHERE tenant_id = %(t)s",
    "INSERT INTO crm.contact_key SELECT tenant_id, sha256(subject_id::text::bytea), subject_id"
    " FROM crm.subject WHERE tenant_id = %(t)s",
    "INSERT INTO crm.interaction SELECT tenant_id, gen_random_uuid(), subject_id, 'note', now(), 202601 + k,"
    " %(blob)s, entry_id, now() FROM crm.subject, generate_series(1, 4) k WHERE tenant_id = %(t)s",
    "INSERT INTO crm.invoice SELECT tenant_id, gen_random_uuid(), subject_id, subject_id::text || k,"
    " '2026-01-01', 'EUR', 1, 2026, %(blob)s, NULL, entry_id, now()"
    " FROM crm.subject, generate_series(1, 2) k WHERE tenant_id = %(t)s",
    "INSERT INTO crm.invoice_line SELECT tenant_id, invoice_id, k, 1, 1, %(blob)s, NULL"
    " FROM crm.invoice, generate_series(1, 2) k WHERE tenant_id = %(t)s",
    "INSERT INTO vault.slot SELECT tenant_id, subject_id, c, 1, row_number() OVER (PARTITION BY c)"
    " FROM crm.subject, unnest(ARRAY[1, 3]) c WHERE tenant_id = %(t)s",
)


@dataclass(frozen=True)
class Ground:
    """A database with tenants full of people."""

    session: Session
    superuser: psycopg.Connection[Any]
    tenants: tuple[Tenant, ...]
    people: int

    def chosen(self, tenant: Tenant) -> list[UUID]:
        """Return who is erased, scattered among those who stay."""
        rows = self.superuser.execute(
            "SELECT subject_id FROM crm.subject WHERE tenant_id = %s ORDER BY md5(subject_id::text) LIMIT %s",
            (tenant.tenant_id, self.people),
        )
        return sorted(row[0] for row in rows)

    def left(self, tenant: Tenant) -> tuple[int, ...]:
        """Return what there is left: contacts, ids, interactions, the living, open invoices and lines."""
        row = self.superuser.execute(
            "SELECT (SELECT count(*) FROM crm.contact WHERE tenant_id = %(t)s),"
            " (SELECT count(*) FROM crm.contact_key WHERE tenant_id = %(t)s),"
            " (SELECT count(*) FROM crm.interaction WHERE tenant_id = %(t)s),"
            " (SELECT count(*) FROM crm.subject WHERE tenant_id = %(t)s AND status = 'active'),"
            " (SELECT count(*) FROM crm.invoice WHERE tenant_id = %(t)s AND retained_at IS NULL),"
            " (SELECT count(*) FROM crm.invoice_line WHERE tenant_id = %(t)s AND retained_at IS NULL)",
            {"t": tenant.tenant_id},
        ).fetchone()
        assert row is not None
        return tuple(row)


@contextmanager
def ground(size: Size, tenants: int) -> Iterator[Ground]:
    """Yield a throw-away database with so many tenants."""
    from luactl.tenant import NewTenant, create, find

    with _ground() as (session, superuser):
        made = []
        for number in range(tenants):
            create(session, NewTenant(f"bench-{number}", "Bench", "DE", "office@bench.example"))
            made.append(find(session, f"bench-{number}"))
            asked = {"t": made[-1].tenant_id, "n": PEOPLE[size] * (1 + OTHERS), "blob": bytes(200)}
            for statement in FILL:
                superuser.execute(statement, asked)
        superuser.execute("VACUUM ANALYZE")
        yield Ground(session, superuser, tuple(made), PEOPLE[size])


def timed(ground: Ground, tenant: Tenant, way: Callable[[Ground, Tenant, list[UUID]], Work]) -> float:
    """Return the seconds of one way. Raises ValueError unless it took all that it should."""
    work = way(ground, tenant, ground.chosen(tenant))
    ground.superuser.execute("CHECKPOINT")
    begun = time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    stay = ground.people * OTHERS
    if ground.left(tenant) != (stay, stay, 4 * stay, stay, 2 * stay, 4 * stay):
        raise ValueError(f"not all rows went: {ground.left(tenant)}")
    return seconds


def ours(ground: Ground, tenant: Tenant, people: list[UUID]) -> Work:
    """Return what luactl does with rows by a plan, in the batches in which it does it."""
    from luactl import erasure
    from luactl.db import transaction
    from luactl.erasure.batch import Act, change, choose, cut
    from luactl.ledger import new_id

    plan = erasure.plan(ground.session, tenant, people, "bench")
    first = Act(tenant.tenant_id, tenant.slug, new_id(ground.session.clock.now()), plan.scope, plan)
    rest = Act(tenant.tenant_id, tenant.slug, first.erasure_id, plan.scope, None)

    def work() -> None:
        for number, batch in enumerate(cut(people, {})):
            act = rest if number else first
            with transaction(ground.session, tenant.tenant_id):
                change(ground.session, act, choose(ground.session, act, batch), 2 + number)

    return work


def as_a_set(ground: Ground, tenant: Tenant, people: list[UUID]) -> Work:
    """Return one statement a table, in one transaction."""

    def work() -> None:
        with ground.superuser.transaction():
            for statement in SET:
                ground.superuser.execute(statement, {"t": tenant.tenant_id, "ids": people})

    return work


def row_by_row(ground: Ground, tenant: Tenant, people: list[UUID]) -> Work:
    """Return a loop that asks for each person's rows, and takes one after the other."""
    conn = ground.superuser

    def work() -> None:
        for one in people:
            with conn.transaction():
                for ask, take in LOOP:
                    for row in conn.execute(ask, (tenant.tenant_id, one)).fetchall():
                        conn.execute(take, (tenant.tenant_id, *row))

    return work
