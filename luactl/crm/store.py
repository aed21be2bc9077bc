"""Writes customers: claims their keys, seals them, and sends each table's rows as one statement.

Row security rules COPY out, so rows travel as arrays. One transaction and one ledger entry a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from ..db import queries, transaction
from ..key import KeyClass, RetentionClass
from ..key.blind import Indexer, version_for
from ..key.seal import Sealer
from ..ledger import Entry, append
from ..ledger.entry import new_id
from ..subject import indexes
from ..tenant import active
from .customer import ACTION, Customer, Job, account, known_digests, read_customers, refuse_known_table
from .ids import uuid7s
from .reading import Progress, batched
from .report import Options
from .retry import again

Columns = dict[str, list[Any]]


class Writer:
    """Writes batches of customers of one tenant, all with indexes of one width."""

    def __init__(self, job: Job) -> None:
        """Prepare keys and indexes; runs in a transaction of its own."""
        self.job = job
        tenant = job.tenant
        period = job.keys.period(RetentionClass.CONTACT, 0)
        with transaction(job.session, tenant.tenant_id) as conn:
            there = queries("crm").contact_count(conn, tenant_id=tenant.tenant_id)
        self.version = version_for(there + max(job.table.source.lines() - 1, 1))
        self._indexer = Indexer(job.keys.index_key, self.version, tenant.country)
        self._sealer = Sealer(tenant.tenant_id, "crm.contact", "personal", KeyClass.MAIN, period)

    def write(self, customers: Sequence[Customer], entry_id: UUID) -> list[UUID]:
        """Insert new customers in the transaction that is open; returns their subject ids."""
        session, tenant_id = self.job.session, self.job.tenant.tenant_id
        at = session.clock.now()
        subject_ids, contact_ids = uuid7s(at, len(customers)), uuid7s(at, len(customers))
        conn, q = session.conn, queries("crm")
        common = {"tenant_id": tenant_id, "entry_id": entry_id, "at": at, "subject_ids": subject_ids}
        q.insert_subjects(conn, **common)
        columns = self._seal(customers, subject_ids, contact_ids)
        q.insert_contacts(conn, **common, **columns, contact_ids=contact_ids, index_version=self.version)
        marks = [customer.digest for customer in customers]
        if self.job.has_ids:
            q.insert_contact_keys(conn, tenant_id=tenant_id, digests=marks, subject_ids=subject_ids)
        return subject_ids

    def _seal(
        self, customers: Sequence[Customer], subject_ids: list[UUID], contact_ids: list[UUID]
    ) -> Columns:
        claimed = self.job.keys.claim(subject_ids, KeyClass.MAIN, new=True)
        seal, indexer = self._sealer.seal, self._indexer
        columns: Columns = {"personals": [], "emails": [], "phones": [], "names": []}
        personals, emails, phones, names = columns.values()
        for customer, subject_id, contact_id in zip(customers, subject_ids, contact_ids, strict=True):
            email, phone, name = indexes(indexer, customer.fields)
            personals.append(seal(subject_id, claimed[subject_id], contact_id, customer.fields))
            emails.append(email)
            phones.append("{" + ",".join(map(str, phone)) + "}")
            names.append("{" + ",".join(map(str, name)) + "}")
        return columns


def _entry(job: Job, entry_id: UUID, imported: int, already_there: int) -> Entry:
    detail = {"imported": imported, "already_there": already_there}
    return Entry(ACTION, job.tenant.tenant_id, object=f"tenant:{job.tenant.slug}", detail=detail, id=entry_id)


def store_apart(job: Job, options: Options, progress: Progress) -> None:
    """Write each batch in a transaction of its own; what is committed stays when a later one fails."""
    writer = Writer(job)
    for batch in batched(read_customers(job), options.batch):
        known = again(partial(_store_batch, job, writer, batch))
        account(job.tally, len(batch), known)
        job.tally.transactions += len(batch) > known
        progress(len(batch))


def _store_batch(job: Job, writer: Writer, batch: list[Customer]) -> int:
    """Write those of a batch that are new; returns how many were there already."""
    active(job.session, job.tenant.slug)
    with transaction(job.session, job.tenant.tenant_id):
        known = known_digests(job, batch)
    fresh = [customer for customer in batch if customer.digest not in known]
    if not fresh:
        return len(known)
    job.keys.reserve(KeyClass.MAIN, len(fresh))
    entry_id = new_id(job.session.clock.now())
    with transaction(job.session, job.tenant.tenant_id):
        writer.write(fresh, entry_id)
        append(job.session, _entry(job, entry_id, len(fresh), len(known)))
    return len(known)


def store_together(job: Job, options: Options, progress: Progress) -> None:
    """Write everything in one transaction, batch by batch."""
    writer = Writer(job)
    again(lambda: _store_all(job, writer, options.batch, progress))


def _store_all(job: Job, writer: Writer, size: int, progress: Progress) -> None:
    job.begin_again()
    tally = job.tally
    job.keys.reserve(KeyClass.MAIN, max(job.table.source.lines(), 1))
    entry_id = new_id(job.session.clock.now())
    with transaction(job.session, job.tenant.tenant_id) as conn:
        if not job.has_ids:
            refuse_known_table(job)
        first: UUID | None = None
        for batch in batched(read_customers(job), size):
            known = known_digests(job, batch)
            fresh = [customer for customer in batch if customer.digest not in known]
            written = writer.write(fresh, entry_id) if fresh else []
            first = first or next(iter(written), None)
            account(tally, len(batch), len(known))
            progress(len(batch))
        if first is None:
            return
        if not job.has_ids:
            queries("crm").insert_contact_keys(
                conn, tenant_id=job.tenant.tenant_id, digests=[job.table_digest()], subject_ids=[first]
            )
        append(job.session, _entry(job, entry_id, tally.imported, tally.already_there))
    tally.transactions = 1
