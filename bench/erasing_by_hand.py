"""What erasing many people's rows is compared with: SQL by hand, as one set and row by row.

Both do what luactl does with rows (`erasing` lists the twelve tables) and keep what it keeps: people are
locked in the order of ids, nobody who is held goes, changes, records and ledger entry are one transaction.
Both run as a superuser, whom row security does not slow down, over TCP with TLS as luactl does, and with
`synchronous_commit` on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .erasing import Ground, Work

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.tenant import Tenant

TENANT = "SELECT FROM lua.tenant WHERE tenant_id = %(t)s FOR SHARE"
HELD = "SELECT count(*) FROM lua.holds_on(%(t)s, %(ids)s)"
ERASURE = (
    "INSERT INTO lua.erasure (tenant_id, erasure_id, instruction, requested_by, state, epoch, plan,"
    " created_at, scope, subjects, digest) VALUES (%(t)s, %(act)s, 'bench', session_user, 'intent', 2, '{}',"
    " %(at)s, 'person', %(ids)s, sha256(%(act)s::text::bytea))"
)
BATCH = (
    "INSERT INTO lua.erasure_batch (tenant_id, erasure_id, epoch, people, gone, keys, at) VALUES (%(t)s,"
    " %(act)s, 2, %(people)s, jsonb_build_object('crm.contact', %(contacts)s::int, 'crm.contact_key',"
    " %(digests)s::int, 'crm.interaction', %(interactions)s::int),"
    " jsonb_build_object('main', %(keys)s::int), %(at)s)"
)
SET = {
    "people": "SELECT FROM crm.subject WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)"
    " AND status = 'active' ORDER BY subject_id FOR UPDATE",
    "tenant": TENANT,
    "contacts": "DELETE FROM crm.contact WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)",
    "digests": "DELETE FROM crm.contact_key WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)",
    "interactions": "DELETE FROM crm.interaction WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)",
    "subjects": "UPDATE crm.subject SET status = 'erased', personal = NULL, erased_at = %(at)s,"
    " updated_at = %(at)s WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)",
    "lines": "UPDATE crm.invoice_line SET retained_at = %(at)s WHERE tenant_id = %(t)s AND invoice_id = ANY"
    " (ARRAY(SELECT i.invoice_id FROM crm.invoice i"
    " WHERE i.tenant_id = %(t)s AND i.subject_id = ANY (%(ids)s)))",
    "invoices": "UPDATE crm.invoice SET retained_at = %(at)s"
    " WHERE tenant_id = %(t)s AND subject_id = ANY (%(ids)s)",
    "erasure": ERASURE,
    "keys": "WITH gone AS (DELETE FROM vault.slot s"
    " WHERE s.tenant_id = %(t)s AND s.subject_id = ANY (%(ids)s) AND (s.key_class < 3 OR NOT EXISTS"
    " (SELECT FROM crm.invoice i WHERE i.tenant_id = %(t)s AND i.subject_id = s.subject_id))"
    " RETURNING s.subject_id, s.key_class, s.version, s.slot_no)"
    " INSERT INTO lua.erasure_subject (tenant_id, erasure_id, subject_id, state, scope, key_classes,"
    " key_versions, key_slots) SELECT %(t)s, %(act)s, subject_id, 'erased', 'person', array_agg(key_class),"
    " array_agg(version), array_agg(slot_no) FROM gone GROUP BY subject_id",
    "batch": BATCH,
}
"""One statement a table, by what it counts."""

CASCADE = (
    ("SELECT * FROM crm.contact WHERE tenant_id = %s AND subject_id = %s",
     "DELETE FROM crm.contact WHERE tenant_id = %s AND contact_id = %s"),
    ("SELECT * FROM crm.contact_key WHERE tenant_id = %s AND subject_id = %s",
     "DELETE FROM crm.contact_key WHERE tenant_id = %s AND digest = %s"),
    ("SELECT * FROM crm.interaction WHERE tenant_id = %s AND subject_id = %s",
     "DELETE FROM crm.interaction WHERE tenant_id = %s AND interaction_id = %s"),
)  # fmt: skip
"""How the rows of a person are found, and how one of them is taken by the key that stands first in it."""
LOCK = "SELECT * FROM crm.subject WHERE tenant_id = %s AND subject_id = %s AND status = 'active' FOR UPDATE"
HOLDS = (
    "SELECT count(*) FROM lua.hold WHERE tenant_id = %s AND released_at IS NULL"
    " AND (subject_id = %s OR scope <> 'subject')"
)
INVOICES = "SELECT * FROM crm.invoice WHERE tenant_id = %s AND subject_id = %s"
LINES = "SELECT * FROM crm.invoice_line WHERE tenant_id = %s AND invoice_id = %s"
HIDE_LINE = (
    "UPDATE crm.invoice_line SET retained_at = %s WHERE tenant_id = %s AND invoice_id = %s AND line_no = %s"
)
HIDE = "UPDATE crm.invoice SET retained_at = %s WHERE tenant_id = %s AND invoice_id = %s"
MARK = (
    "UPDATE crm.subject SET status = 'erased', personal = NULL, erased_at = %s, updated_at = %s"
    " WHERE tenant_id = %s AND subject_id = %s"
)
CLAIMS = "SELECT * FROM vault.slot WHERE tenant_id = %s AND subject_id = %s"
GIVE_UP = (
    "DELETE FROM vault.slot WHERE tenant_id = %s AND subject_id = %s AND key_class = %s AND version = %s"
)
RECORD = (
    "INSERT INTO lua.erasure_subject (tenant_id, erasure_id, subject_id, state, scope, key_classes,"
    " key_versions, key_slots) VALUES (%s, %s, %s, 'erased', 'person', %s, %s, %s)"
)


def _named(ground: Ground, tenant: Tenant, people: list[UUID]) -> tuple[Session, dict[str, Any]]:
    """Return a session of the superuser's, and the parameters that statements go by."""
    from luactl.ledger import new_id
    from luactl.pack import Uuids, teach

    teach(ground.superuser)
    session, at = replace(ground.session, conn=ground.superuser, actor="postgres"), ground.session.clock.now()
    return session, {"t": tenant.tenant_id, "ids": Uuids.of(people), "act": new_id(at), "at": at}


def _append(session: Session, tenant_id: int, act: UUID, people: int) -> None:
    from luactl.ledger import Entry, append

    entry = Entry("erasure.run", tenant_id, f"erasure:{act}", outcome="intent", detail={"people": people})
    append(session, entry)


def as_a_set(ground: Ground, tenant: Tenant, people: list[UUID]) -> Work:
    """Return one statement a table, all in one transaction: the best that set-based SQL does.

    No row comes to the client, no list of keys goes back: claims become records inside the server. One
    transaction for all is faster than batches, though everybody's writers wait until its end.
    """
    session, given = _named(ground, tenant, people)

    def work() -> None:
        conn = ground.superuser
        with conn.transaction():
            counted: dict[str, int] = {}
            for name, statement in SET.items():
                counted[name] = conn.execute(statement, {**given, **counted}).rowcount
                if name == "tenant":
                    _demand_free(conn.execute(HELD, given))
            _append(session, tenant.tenant_id, given["act"], counted["people"])

    return work


def _demand_free(holds: Any) -> None:
    """Raise ValueError when a hold was counted."""
    if holds.fetchone() != (0,):
        raise ValueError("somebody is held")


def row_by_row(ground: Ground, tenant: Tenant, people: list[UUID]) -> Work:
    """Return what the cascade of an ORM does: a transaction a person, a statement a row.

    It locks the person, sees that nobody holds them, asks for their children table by table, whole rows as
    objects are made of, and takes each by its primary key; lines are asked for invoice by invoice. Then the
    record of this person, their ledger entry, and COMMIT: 28 round trips, 16 of which write. The driver
    prepares each statement at its fifth use, so that the server plans it no more.
    No object is built and no callback runs, on which a real ORM spends more.
    """
    session, given = _named(ground, tenant, people)
    conn = ground.superuser

    def work() -> None:
        with conn.transaction():
            conn.execute(ERASURE, given)
        for one in people:
            with conn.transaction():
                _erase(session, given, one)
        counted = {"people": len(people), "contacts": len(people), "digests": len(people)}
        with conn.transaction():
            conn.execute(BATCH, {**given, **counted, "interactions": 4 * len(people), "keys": len(people)})

    return work


def _erase(session: Session, given: dict[str, Any], one: UUID) -> None:
    """Take one person's rows, one after the other."""
    run, at, tenant_id = session.conn.execute, given["at"], given["t"]
    this = (tenant_id, one)
    run(LOCK, this)
    run(TENANT, given)
    _demand_free(run(HOLDS, this))
    for ask, take in CASCADE:
        for row in run(ask, this).fetchall():
            run(take, row[:2])
    invoices = run(INVOICES, this).fetchall()
    for invoice in invoices:
        for line in run(LINES, invoice[:2]).fetchall():
            run(HIDE_LINE, (at, *line[:3]))
        run(HIDE, (at, *invoice[:2]))
    run(MARK, (at, at, *this))
    _give_up(run, given, one, kept=bool(invoices))
    _append(session, tenant_id, given["act"], 1)


def _give_up(run: Any, given: dict[str, Any], one: UUID, *, kept: bool) -> None:
    """Delete a person's claims, and leave on record which they had."""
    keys = [row[2:5] for row in run(CLAIMS, (given["t"], one)).fetchall() if not (kept and row[2] == 3)]
    for key_class, version, _slot in keys:
        run(GIVE_UP, (given["t"], one, key_class, version))
    lists = ([key[part] for key in keys] for part in range(3))
    run(RECORD, (given["t"], given["act"], one, *lists))
