"""Customers: people with their contact data, imported from a table.

Owns what makes a record a customer and how many go in together. A customer is known by their external id: a
record whose id is there already changes nothing, so an interrupted import is finished by repeating it.
A table without external ids goes in as one transaction, and the very same file is refused a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..db import Session, transaction
from ..table import Origin, Progress, batched, nothing, open_table
from . import names
from .customer_record import Customer, Job, account, check, known_digests, read_customers, refuse_known_table
from .reading import new_tally
from .report import Options, RejectedError, Report

if TYPE_CHECKING:
    from ..tenant import Tenant

__all__ = ["Customer", "Job", "check", "import_customers", "read_customers"]


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


def _refuse_bad_lines(job: Job) -> None:
    """Read the whole table once before anything is written. Raises RejectedError if a line is bad."""
    job.tally.rows += sum(1 for _ in read_customers(job, job.tally))
    if job.tally.rejected:
        raise RejectedError(job.tally.report(dry_run=True))
    job.begin_again()


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


def _store(job: Job, options: Options, progress: Progress) -> None:
    from .store import store_apart, store_together

    if options.all_or_nothing or not job.has_ids:
        store_together(job, options, progress)
    else:
        store_apart(job, options, progress)
