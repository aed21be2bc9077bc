"""Invoices with their lines, imported from one or two tables.

Owns what makes a record an invoice: a number of its own, a customer who is there, a date, and a total that
its lines come to. Billing party and descriptions are sealed under the accounting class of the year of issue:
they outlive the person's erasure, for bookkeeping alone, until that duty ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from ..db import Session, queries, transaction
from ..errors import UsageError
from ..table import Origin, Progress, batched, nothing, open_table
from . import names
from .invoice_lines import read_lines
from .invoice_record import Invoice, Job, is_currency, read_invoices
from .people import subjects_of
from .reading import new_tally
from .report import Options, RejectedError, Report, Tally
from .retry import again

if TYPE_CHECKING:
    from ..tenant import Tenant


def import_invoices(
    session: Session,
    tenant: Tenant,
    origin: Origin,
    options: Options,
    lines: Origin | None = None,
    progress: Progress = nothing,
) -> Report:
    """Import invoices of customers that are there, with the lines of a second table if there is one.

    An invoice whose number is there already changes nothing. Raises what `import_customers` raises.
    """
    from ..key import open_tenant
    from ..tenant import active

    active(session, tenant.slug)
    if not is_currency(options.currency):
        raise UsageError(f"no such currency: {options.currency!r}", hint="three letters, such as EUR")
    required = ("number", "customer", "issued_on", "total")
    with open_table(origin, names.INVOICE, options.columns, required) as (table, columns):
        with transaction(session, tenant.tenant_id):
            keys = open_tenant(session, tenant.tenant_id)
        tally = new_tally(table, columns)
        of_numbers = None if lines is None else read_lines(lines, options.line_columns, tally)
        job = Job(session, tenant, table, columns, keys, tally, options.currency, of_numbers)
        _run(job, options, progress)
        return tally.report(dry_run=options.dry_run)


def _run(job: Job, options: Options, progress: Progress) -> None:
    if options.all_or_nothing:
        everything = list(read_invoices(job))
        batches: Iterator[list[Invoice]] = iter([everything] if everything else [])
        _report_orphans(job)
    else:
        batches = batched(read_invoices(job), options.batch)
    for batch in batches:
        again(partial(_import_batch, job, batch, options))
        progress(len(batch))
    if not options.all_or_nothing:
        _report_orphans(job)
    elif not job.tally.is_clean:
        raise RejectedError(job.tally.report(dry_run=True))


def _report_orphans(job: Job) -> None:
    if job.lines is not None:
        for line in job.lines.orphans(job.seen):
            job.tally.reject_line(job.lines.table, line, "no invoice has this number")


def _import_batch(job: Job, batch: list[Invoice], options: Options) -> None:
    """Write those of a batch that are new and whose customer is known, and count them all."""
    from ..tenant import active

    active(job.session, job.tenant.slug)
    tenant_id = job.tenant.tenant_id
    with transaction(job.session, tenant_id) as conn:
        subjects = subjects_of(job.session, tenant_id, {one.customer for one in batch})
        numbers = [one.number for one in batch]
        rows = queries("crm").taken_numbers(conn, tenant_id=tenant_id, numbers=numbers)
        taken = {row[0] for row in rows}
    strangers = [one for one in batch if one.customer not in subjects and one.number not in taken]
    fresh = [one for one in batch if one.customer in subjects and one.number not in taken]
    spoilt = options.all_or_nothing and not (job.tally.is_clean and not strangers)
    if fresh and not options.dry_run and not spoilt:
        from .invoice_store import write

        write(job, fresh, subjects, len(batch) - len(fresh) - len(strangers))
    _account(job.tally, batch, fresh, strangers)


def _account(tally: Tally, batch: list[Invoice], fresh: list[Invoice], strangers: list[Invoice]) -> None:
    for one in strangers:
        tally.reject(one.line, "no customer has this external id")
    tally.rows += len(batch) - len(strangers)
    tally.imported += len(fresh)
    tally.already_there += len(batch) - len(fresh) - len(strangers)
    tally.lines += sum(len(one.lines) for one in fresh)
    tally.transactions += bool(fresh)
