"""Writes invoices: claims accounting keys, seals party and descriptions, one transaction a batch."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

from .. import subject
from ..db import queries, transaction
from ..key import KeyClass, RetentionClass, SubjectKey
from ..key.seal import Sealer
from ..ledger import Entry, append
from ..ledger.entry import new_id
from .customer_view import CustomerView, contacts_of
from .ids import uuid7s

if TYPE_CHECKING:
    from .invoice_record import Invoice, Job

ACTION = "crm.invoice.import"
PURPOSE = "billing party of imported invoices"
PARTY = ("name", "company")
ADDRESS = ("street", "city", "state", "postal_code", "country")


def write(job: Job, fresh: list[Invoice], subjects: dict[bytes, UUID], already_there: int) -> None:
    """Insert invoices and their lines in one transaction with its ledger entry."""
    people = [subjects[one.customer] for one in fresh]
    parties = _parties(job, fresh, people)
    distinct = sorted(set(people))
    missing = len(distinct) - len(job.keys.subjects(distinct, KeyClass.ACCOUNTING))
    job.keys.reserve(KeyClass.ACCOUNTING, missing)
    for year in sorted({one.issued_on.year for one in fresh}):
        job.keys.period(RetentionClass.INVOICE, year)
    entry_id = new_id(job.session.clock.now())
    detail = {
        "imported": len(fresh),
        "already_there": already_there,
        "lines": sum(len(i.lines) for i in fresh),
    }
    with transaction(job.session, job.tenant.tenant_id):
        subject.lock(job.session, job.tenant.tenant_id, distinct)
        claimed = job.keys.claim(distinct, KeyClass.ACCOUNTING)
        _insert(job, fresh, people, parties, claimed, entry_id)
        about = f"tenant:{job.tenant.slug}"
        append(job.session, Entry(ACTION, job.tenant.tenant_id, about, detail=detail, id=entry_id))


def _parties(job: Job, fresh: list[Invoice], people: list[UUID]) -> list[dict[str, str]]:
    """Return whom each invoice is for: as its record says, else its contact, in a recorded read."""
    wanting = {who for one, who in zip(fresh, people, strict=True) if not any(f in one.party for f in PARTY)}
    known: dict[UUID, CustomerView] = {}
    if wanting and queries("crm").opens_contacts(job.session.conn):
        found = contacts_of(job.session, job.tenant, sorted(wanting), PURPOSE)
        known = {contact.subject_id: contact for contact in found}
    return [_party(one.party, known.get(who)) for one, who in zip(fresh, people, strict=True)]


def _party(given: dict[str, str], contact: CustomerView | None) -> dict[str, str]:
    if contact is None or any(name in given for name in PARTY):
        return given
    wanted = PARTY if any(name in given for name in ADDRESS) else PARTY + ADDRESS
    return {**{name: value for name in wanted if (value := getattr(contact, name))}, **given}


def _insert(
    job: Job,
    fresh: list[Invoice],
    people: list[UUID],
    parties: list[dict[str, str]],
    claimed: dict[UUID, SubjectKey],
    entry_id: UUID,
) -> None:
    conn, tenant_id, at = job.session.conn, job.tenant.tenant_id, job.session.clock.now()
    ids = uuid7s(at, len(fresh))
    sealer = cache(lambda table, year: _sealer(job, table, year))
    queries("crm").insert_invoices(
        conn,
        tenant_id=tenant_id,
        entry_id=entry_id,
        at=at,
        invoice_ids=ids,
        subject_ids=people,
        numbers=[one.number for one in fresh],
        dates=[one.issued_on for one in fresh],
        currencies=[one.currency for one in fresh],
        totals=[one.total for one in fresh],
        periods=[one.issued_on.year for one in fresh],
        accountings=[
            sealer("crm.invoice", one.issued_on.year).seal(who, claimed[who], row, party)
            for one, who, row, party in zip(fresh, people, ids, parties, strict=True)
        ],
    )
    rows = [
        (row, no, line, sealer("crm.invoice_line", one.issued_on.year), who)
        for one, who, row in zip(fresh, people, ids, strict=True)
        for no, line in enumerate(one.lines, 1)
    ]
    queries("crm").insert_lines(
        conn,
        tenant_id=tenant_id,
        invoice_ids=[row for row, *_ in rows],
        line_nos=[no for _, no, *_ in rows],
        quantities=[line.quantity for _, _, line, *_ in rows],
        prices=[line.unit_price for _, _, line, *_ in rows],
        accountings=[
            seal.seal(who, claimed[who], f"{row}/{no}", {"description": line.description})
            for row, no, line, seal, who in rows
        ],
    )


def _sealer(job: Job, table: str, year: int) -> Sealer:
    period = job.keys.period(RetentionClass.INVOICE, year)
    return Sealer(job.tenant.tenant_id, table, "accounting", KeyClass.ACCOUNTING, period)
