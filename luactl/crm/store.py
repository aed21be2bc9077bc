"""Writes customers: claims their keys, seals them, and sends each table's rows as one statement.

Row security rules COPY out, so rows travel as arrays. While the server inserts some, the next are sealed. One
transaction and one ledger entry a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple
from uuid import UUID

from ..db import pipeline, queries, transaction
from ..key import KeyClass, RetentionClass
from ..key.blind import Indexer, version_for
from ..key.seal import Sealer
from ..ledger import Entry, append, new_id
from ..pack import Bytes, Numbers, Texts, Uuids, teach
from ..subject import indexes
from ..table import Progress, batched
from ..tenant import active
from .ahead import ahead
from .customer_record import Job, account, known_digests, read_customers, refuse_known_table
from .ids import uuid7s
from .reading import new_tally
from .report import Options, Tally
from .retry import again

ACTION = "crm.customer.import"
STATEMENT = 2_500
REMEMBERED = 50_000


class Remembering(Indexer):
    """An Indexer that remembers names: in one table most of them come again and again."""

    def __init__(self, index_key: bytes, version: int, region: str) -> None:
        super().__init__(index_key, version, region)
        self._known: dict[str, list[int]] = {}

    def names(self, values: Iterable[str | None]) -> list[int]:
        """Return what the Indexer returns: the indexes of several names are those of each together."""
        known, found = self._known, set[int]()
        for value in values:
            if not value:
                continue
            if value not in known:
                if len(known) >= REMEMBERED:
                    known.clear()
                known[value] = super().names([value])
            found.update(known[value])
        return sorted(found)


class Ready(NamedTuple):
    """A customer with all that can be computed before keys: digest and blind indexes (sets as `{1,2}`)."""

    fields: dict[str, str]
    digest: bytes | None
    email: int | None
    phones: str
    names: str


def make_ready(job: Job, indexer: Indexer, size: int) -> Iterator[tuple[list[Ready], Tally]]:
    """Yield batches of customers, each with what was counted as rejected since the batch before."""
    tally = new_tally(job.table, job.columns)
    for batch in batched(read_customers(job, tally), size):
        ready = []
        for _line, fields, mark in batch:
            email, phones, names = indexes(indexer, fields)
            ready.append(Ready(fields, mark, email, _set(phones), _set(names)))
        yield ready, tally.take()
    yield [], tally.take()


def _set(values: list[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


class Writer:
    """Writes batches of customers of one tenant, all with indexes of one width."""

    def __init__(self, job: Job) -> None:
        """Prepare keys and indexes, outside of any transaction."""
        self.job = job
        tenant = job.tenant
        teach(job.session.conn)
        self.records = job.table.source.lines()
        period = job.keys.period(RetentionClass.CONTACT, 0)
        with transaction(job.session, tenant.tenant_id) as conn:
            there = queries("crm").contact_count(conn, tenant_id=tenant.tenant_id)
        self.version = version_for(there + max(self.records - 1, 1))
        self.indexer = Remembering(job.keys.index_key, self.version, tenant.country)
        self._sealer = Sealer(tenant.tenant_id, "crm.contact", "personal", KeyClass.MAIN, period)

    def batches(self, size: int) -> Iterator[tuple[list[Ready], Tally]]:
        """Yield the table's batches; a long table is read in a process of its own."""
        return ahead(make_ready(self.job, self.indexer, size), self.records)

    def write(self, customers: Sequence[Ready], entry_id: UUID) -> UUID:
        """Insert new customers in the transaction that is open; returns the first one's subject id."""
        job, conn, q = self.job, self.job.session.conn, queries("crm")
        at = job.session.clock.now()
        subject_ids, contact_ids = uuid7s(at, len(customers)), uuid7s(at, len(customers))
        claimed = job.keys.claim(subject_ids, KeyClass.MAIN, new=True)
        people = Uuids.of(subject_ids)
        common = {"tenant_id": job.tenant.tenant_id, "entry_id": entry_id, "at": at}
        with pipeline(conn):
            q.insert_subjects(conn, **common, subject_ids=people)
            if job.has_ids:
                marks = Bytes.of([customer.digest or b"" for customer in customers])
                q.insert_contact_keys(conn, tenant_id=job.tenant.tenant_id, digests=marks, subject_ids=people)
            for start in range(0, len(customers), STATEMENT):
                part = slice(start, start + STATEMENT)
                ids = subject_ids[part], contact_ids[part]
                seals = [
                    self._sealer.seal(who, claimed[who], row, customer.fields)
                    for customer, who, row in zip(customers[part], *ids, strict=True)
                ]
                self._insert(customers[part], *ids, seals, common)
        return subject_ids[0]

    def _insert(
        self,
        customers: Sequence[Ready],
        subject_ids: list[UUID],
        contact_ids: list[UUID],
        seals: list[bytes],
        common: dict[str, object],
    ) -> None:
        queries("crm").insert_contacts(
            self.job.session.conn,
            **common,
            index_version=self.version,
            contact_ids=Uuids.of(contact_ids),
            subject_ids=Uuids.of(subject_ids),
            personals=Bytes.of(seals),
            emails=Numbers.of([customer.email for customer in customers]),
            phones=Texts.of([customer.phones for customer in customers]),
            names=Texts.of([customer.names for customer in customers]),
        )


def _entry(job: Job, entry_id: UUID, imported: int, already_there: int) -> Entry:
    detail = {"imported": imported, "already_there": already_there}
    about = f"tenant:{job.tenant.slug}"
    return Entry(ACTION, job.tenant.tenant_id, object=about, detail=detail, id=entry_id)


def store_apart(job: Job, options: Options, progress: Progress) -> None:
    """Write each batch in a transaction of its own; what is committed stays when a later one fails."""
    writer = Writer(job)
    with closing(writer.batches(options.batch)) as batches:  # type: ignore[type-var]
        for batch, rejected in batches:
            job.tally.add(rejected)
            known = again(partial(_store_batch, job, writer, batch)) if batch else 0
            account(job.tally, len(batch), known)
            job.tally.transactions += len(batch) > known
            progress(len(batch))


def _store_batch(job: Job, writer: Writer, batch: list[Ready]) -> int:
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
    tally, first = job.tally, None
    job.keys.reserve(KeyClass.MAIN, writer.records)
    entry_id = new_id(job.session.clock.now())
    with transaction(job.session, job.tenant.tenant_id), closing(writer.batches(size)) as batches:  # type: ignore[type-var]
        if not job.has_ids:
            refuse_known_table(job)
        for batch, rejected in batches:
            tally.add(rejected)
            known = known_digests(job, batch)
            fresh = [customer for customer in batch if customer.digest not in known or not job.has_ids]
            written = writer.write(fresh, entry_id) if fresh else None
            first = first or written
            account(tally, len(batch), len(known))
            progress(len(batch))
        if first is not None:
            _finish_together(job, entry_id, first)
            tally.transactions = 1


def _finish_together(job: Job, entry_id: UUID, first: UUID) -> None:
    """Remember a table without ids by its digest, and the import in the ledger."""
    if not job.has_ids:
        queries("crm").insert_contact_keys(
            job.session.conn,
            tenant_id=job.tenant.tenant_id,
            digests=[job.table_digest()],
            subject_ids=[first],
        )
    append(job.session, _entry(job, entry_id, job.tally.imported, job.tally.already_there))
