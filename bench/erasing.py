"""Erasing 10,000 people, the rows part: the ground, and what luactl does on it.

The rows part is what an epoch's transaction does with rows, the key tree and its tombstones apart, which have
measures of their own (`key_drop_many`). It writes twelve tables, and so does every way that is compared:

- data: crm.subject (marked), crm.contact, crm.contact_key, crm.interaction (deleted), crm.invoice and
  crm.invoice_line (a duty keeps them: hidden from all but bookkeeping);
- claims on keys: vault.slot (deleted);
- records: lua.erasure, lua.erasure_batch, lua.erasure_subject; ledger.entry, ledger.pending.

It locks lua.tenant, and reads lua.hold. What it is compared with stands in `erasing_by_hand`.
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
FILL = (
    # Ids as luactl makes them, version 7: in the order of time.
    "CREATE OR REPLACE FUNCTION pg_temp.id_of(minute bigint) RETURNS uuid LANGUAGE sql AS $$ SELECT"
    " (lpad(to_hex(1700000000000 + 60000 * minute), 12, '0') || '7' || substr(md5(random()::text), 1, 3)"
    " || '8' || substr(md5(random()::text), 1, 15))::uuid $$",
    "CREATE TEMP TABLE person ON COMMIT DROP AS SELECT n, pg_temp.id_of(n) AS subject_id,"
    " gen_random_uuid() AS entry_id FROM generate_series(1, %(n)s) n",
    "INSERT INTO crm.subject SELECT %(t)s, subject_id, 'active', %(blob)s, entry_id, now(), now(), NULL"
    " FROM person ORDER BY n",
    "INSERT INTO crm.contact SELECT %(t)s, pg_temp.id_of(n), subject_id, %(blob)s, 4, 1, '{1,2}', '{3,4}',"
    " entry_id, now(), now() FROM person ORDER BY n",
    "INSERT INTO crm.contact_key SELECT %(t)s, sha256(subject_id::text::bytea), subject_id"
    " FROM person ORDER BY n",
    "INSERT INTO crm.interaction SELECT %(t)s, pg_temp.id_of(100000 * k + n), subject_id, 'note', now(),"
    " 202601 + k, %(blob)s, entry_id, now() FROM person, generate_series(1, 4) k ORDER BY k, n",
    "INSERT INTO crm.invoice SELECT %(t)s, pg_temp.id_of(100000 * k + n), subject_id, 'R-' || 100000 * k + n,"
    " '2026-01-01', 'EUR', 1, 2026, %(blob)s, NULL, entry_id, now()"
    " FROM person, generate_series(1, 2) k ORDER BY k, n",
    "INSERT INTO crm.invoice_line SELECT tenant_id, invoice_id, k, 1, 1, %(blob)s, NULL"
    " FROM crm.invoice, generate_series(1, 2) k WHERE tenant_id = %(t)s ORDER BY invoice_id, k",
    "INSERT INTO vault.slot SELECT %(t)s, subject_id, c, 1, n FROM person, unnest(ARRAY[1, 3]) c ORDER BY n",
)
"""Who has what: a contact, an external id, four interactions and two invoices of two lines, months apart."""
LEFT = (
    "SELECT (SELECT count(*) FROM crm.contact WHERE tenant_id = %(t)s),"
    " (SELECT count(*) FROM crm.contact_key WHERE tenant_id = %(t)s),"
    " (SELECT count(*) FROM crm.interaction WHERE tenant_id = %(t)s),"
    " (SELECT count(*) FROM crm.subject WHERE tenant_id = %(t)s AND status = 'active'),"
    " (SELECT count(*) FROM crm.invoice WHERE tenant_id = %(t)s AND retained_at IS NULL),"
    " (SELECT count(*) FROM crm.invoice_line WHERE tenant_id = %(t)s AND retained_at IS NULL),"
    " (SELECT count(*) FROM vault.slot WHERE tenant_id = %(t)s AND key_class = 1),"
    " (SELECT count(*) FROM vault.slot WHERE tenant_id = %(t)s AND key_class = 3),"
    " (SELECT count(*) FROM lua.erasure_subject WHERE tenant_id = %(t)s AND state = 'erased'),"
    " (SELECT sum(people)::int FROM lua.erasure_batch WHERE tenant_id = %(t)s)"
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
        """Return the rows that are left as they were, by table, and how many people are recorded."""
        row = self.superuser.execute(LEFT, {"t": tenant.tenant_id}).fetchone()
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
            with superuser.transaction():
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
    gone, stay = ground.people, ground.people * OTHERS
    wanted = (stay, stay, 4 * stay, stay, 2 * stay, 4 * stay, stay, stay + gone, gone, gone)
    if ground.left(tenant) != wanted:
        raise ValueError(f"not all rows went, or more: {ground.left(tenant)} instead of {wanted}")
    return seconds


def ours(ground: Ground, tenant: Tenant, people: list[UUID]) -> Work:
    """Return what luactl does with rows by a plan, in the batches in which it does it."""
    from luactl import erasure
    from luactl.db import queries, transaction
    from luactl.erasure.batch import Act, change, choose, cut
    from luactl.ledger import new_id
    from luactl.pack import Uuids

    plan = erasure.plan(ground.session, tenant, people, "bench")
    first = Act(tenant.tenant_id, tenant.slug, new_id(ground.session.clock.now()), plan.scope, plan)
    rest = Act(tenant.tenant_id, tenant.slug, first.erasure_id, plan.scope, None)

    def work() -> None:
        for number, batch in enumerate(cut(people, {})):
            act = rest if number else first
            with transaction(ground.session, tenant.tenant_id):
                chosen = choose(ground.session, act, batch)
                gone = queries("key").delete_slots(
                    ground.session.conn,
                    tenant_id=tenant.tenant_id,
                    ids=Uuids.of([key[0] for key in chosen.keys]),
                    classes=[key[1] for key in chosen.keys],
                )
                assert len(list(gone)) == len(chosen.keys)
                change(ground.session, act, chosen, 2 + number)

    return work
