"""Customers: people with their contact data, imported from a table.

Owns what makes a record a customer and how many go in together. A customer is known by their external id: a
record whose id is there already changes nothing, so an interrupted import is finished by repeating it.
A table without external ids goes in as one transaction, and the very same file is refused a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hmac import digest
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..db import Session, queries, transaction
from ..errors import LuactlError
from . import names
from .pack import Bytes, teach
from .reading import Origin, Progress, batched, fields_of, new_tally, nothing, open_table
from .report import Options, RejectedError, Report, Tally
from .value import parse_date

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..tenant import Tenant
    from .header import Columns
    from .table import Table

IDENTITY = ("name", "first_name", "last_name", "company", "email", "phone", "mobile")
FIELDS = tuple(name for name, _ in names.CUSTOMER)
ACTION = "crm.customer.import"


class Customer(NamedTuple):
    """A checked record: its line, its fields sorted by name, and the digest of its external id (32 bytes)."""

    line: int
    fields: dict[str, str]
    digest: bytes | None


@dataclass
class Job:
    """One import while it runs."""

    session: Session
    tenant: Tenant
    table: Table
    columns: Columns
    keys: TenantKeys
    tally: Tally
    seen: set[bytes] = field(default_factory=set)

    @property
    def has_ids(self) -> bool:
        """Whether the table names each customer by an external id."""
        return "external_id" in self.columns.positions

    def begin_again(self) -> None:
        """Forget what was counted, to read the table from its beginning."""
        self.tally = new_tally(self.table, self.columns)
        self.seen.clear()

    def table_digest(self) -> bytes:
        """Return the keyed digest that stands for this very file in crm.contact_key."""
        return digest(self.keys.unique_key, b"v1table" + self.table.source.sha256(), "sha256")


def import_customers(
    session: Session, tenant: Tenant, origin: Origin, options: Options, progress: Progress = nothing
) -> Report:
    """Import customers and return what came of each record; `progress` is told records as they are done.

    Raises UsageError and TableError for what is no table of customers, RejectedError when all or nothing was
    asked for and something is wrong, RefusedError for a tenant that is not active or off a key host.
    """
    from ..key import open_tenant
    from ..tenant import active

    active(session, tenant.slug)
    with open_table(origin, names.CUSTOMER, options.columns) as (table, columns):
        with transaction(session, tenant.tenant_id):
            keys = open_tenant(session, tenant.tenant_id)
        job = Job(session, tenant, table, columns, keys, new_tally(table, columns))
        if options.all_or_nothing:
            _refuse_bad_lines(job)
        if options.dry_run:
            _count(job, options, progress)
        else:
            _store(job, options, progress)
        return job.tally.report(dry_run=options.dry_run)


def read_customers(job: Job, tally: Tally) -> Iterator[Customer]:
    """Yield the good records of the table; the others are counted as rejected."""
    from ..key.blind import external_digest

    has_ids, seen, key = job.has_ids, job.seen, job.keys.unique_key
    for line, fields in fields_of(job.table, job.columns, tally):
        reason = check(fields, has_ids)
        mark = None
        if has_ids and reason is None:
            mark = external_digest(key, fields["external_id"])
            reason = "external_id stands on an earlier line already" if mark in seen else None
        if reason is not None:
            tally.reject(line, reason)
            continue
        if mark is not None:
            seen.add(mark)
        yield Customer(line, fields, mark)


def check(fields: dict[str, str], needs_id: bool) -> str | None:
    """Return why these fields are no customer, or None; puts dates into their one form."""
    if needs_id and "external_id" not in fields:
        return "external_id is empty"
    if not any(name in fields for name in IDENTITY):
        return "it names nobody: name, company, e-mail and phone are all empty"
    if "birth_date" in fields:
        try:
            fields["birth_date"] = parse_date(fields["birth_date"]).isoformat()
        except ValueError as error:
            return f"birth_date {error}"
    return None


def _refuse_bad_lines(job: Job) -> None:
    """Read the whole table once before anything is written. Raises RejectedError if a line is bad."""
    job.tally.rows += sum(1 for _ in read_customers(job, job.tally))
    if job.tally.rejected:
        raise RejectedError(job.tally.report(dry_run=True))
    job.begin_again()


class Marked(Protocol):
    """Whatever has the digest of an external id, or None."""

    @property
    def digest(self) -> bytes | None:
        """32 bytes."""


def known_digests(job: Job, customers: Sequence[Marked]) -> set[bytes]:
    """Return which of these external ids the tenant has already; in the transaction that is open."""
    marks = [customer.digest for customer in customers if customer.digest is not None]
    teach(job.session.conn)
    packed = Bytes.of(marks)
    rows = queries("crm").known_digests(job.session.conn, tenant_id=job.tenant.tenant_id, digests=packed)
    return {bytes(row[0]) for row in rows}


def refuse_known_table(job: Job) -> None:
    """Raise LuactlError if this very file, which has no ids, went in before; in the open transaction."""
    marks = [job.table_digest()]
    if list(queries("crm").known_digests(job.session.conn, tenant_id=job.tenant.tenant_id, digests=marks)):
        raise LuactlError(
            f"{job.table.name} was imported before, and has no external ids to tell its customers apart",
            hint="name the column with `--column external_id=Header`, or import only the new ones",
        )


def _count(job: Job, options: Options, progress: Progress) -> None:
    tenant_id = job.tenant.tenant_id
    if not job.has_ids:
        with transaction(job.session, tenant_id):
            refuse_known_table(job)
    for batch in batched(read_customers(job, job.tally), options.batch):
        with transaction(job.session, tenant_id):
            known = known_digests(job, batch)
        account(job.tally, len(batch), len(known))
        job.tally.transactions += len(batch) > len(known)
        progress(len(batch))
    if (options.all_or_nothing or not job.has_ids) and job.tally.imported:
        job.tally.transactions = 1


def account(tally: Tally, rows: int, known: int) -> None:
    """Count good records, of which some were there already."""
    tally.rows += rows
    tally.already_there += known
    tally.imported += rows - known


def _store(job: Job, options: Options, progress: Progress) -> None:
    from .store import store_apart, store_together

    if options.all_or_nothing or not job.has_ids:
        store_together(job, options, progress)
    else:
        store_apart(job, options, progress)
