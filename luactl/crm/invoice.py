"""Invoices with their lines, imported from one or two tables.

Owns what makes a record an invoice: a number of its own, a customer who is there, a date, and a total that
its lines come to. Billing party and descriptions are sealed under the accounting class of the year of issue:
they outlive the person's erasure, for bookkeeping alone, until that duty ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import TYPE_CHECKING

from ..db import Session, queries, transaction
from ..errors import UsageError
from . import names
from .invoice_lines import Line, Lines, read_lines
from .people import external_marks, subjects_of
from .reading import Origin, Progress, batched, fields_of, new_tally, nothing, open_table
from .report import Options, RejectedError, Report, Tally
from .retry import again
from .value import decimal_separator, parse_amount, parse_date

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..tenant import Tenant
    from .header import Columns
    from .table import Table

CENT = Decimal("0.01")
LONGEST_NUMBER = 64
MONEY = ("total", "tax")


@dataclass(frozen=True, slots=True)
class Invoice:
    """A checked record: where it stands, what is kept in clear, and the billing party that will be sealed."""

    line: int
    number: str
    customer: bytes
    issued_on: date
    currency: str
    total: Decimal
    party: dict[str, str]
    lines: Sequence[Line]


@dataclass
class Job:
    """One import while it runs."""

    session: Session
    tenant: Tenant
    table: Table
    columns: Columns
    keys: TenantKeys
    tally: Tally
    currency: str
    lines: Lines | None
    seen: set[str] = field(default_factory=set)


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


def is_currency(text: str) -> bool:
    """Tell whether this has the form of an ISO 4217 code."""
    return len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()


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


def read_invoices(job: Job) -> Iterator[Invoice]:
    """Yield the good records of the table; the others are counted as rejected."""
    mark_of = external_marks(job.keys)
    separator = decimal_separator(
        row[job.columns.positions[name]]
        for row in job.table.sample
        for name in MONEY
        if job.columns.positions.get(name, len(row)) < len(row)
    )
    for line, fields in fields_of(job.table, job.columns, job.tally):
        try:
            number = _number(job, fields)
            yield _checked(job, line, number, fields, mark_of(fields.pop("customer", "")), separator)
        except ValueError as error:
            job.tally.reject(line, str(error))


def _number(job: Job, fields: dict[str, str]) -> str:
    number = fields.pop("number", "")
    if not number:
        raise ValueError("number is empty")
    if len(number) > LONGEST_NUMBER:
        raise ValueError(f"number is longer than {LONGEST_NUMBER} characters")
    if number in job.seen:
        raise ValueError("number stands on an earlier line already")
    job.seen.add(number)
    return number


def _checked(
    job: Job, line: int, number: str, fields: dict[str, str], customer: bytes | None, separator: str | None
) -> Invoice:
    if customer is None:
        raise ValueError("customer is empty")
    currency = fields.pop("currency", job.currency).upper()
    if not is_currency(currency):
        raise ValueError("currency is none: write EUR")
    try:
        issued_on = parse_date(fields.pop("issued_on", ""))
    except ValueError as error:
        raise ValueError(f"issued_on {error}") from None
    total = amount_of(fields, "total", separator, 2)
    tax = amount_of(fields, "tax", separator, 2) if "tax" in fields else None
    lines: Sequence[Line] = ()
    if job.lines is not None:
        lines = job.lines.of(number)
        _check_total(total, tax, lines)
    party = fields if tax is None else {**fields, "tax": str(tax)}
    return Invoice(line, number, customer, issued_on, currency, total, party, lines)


def amount_of(fields: dict[str, str], name: str, separator: str | None, places: int) -> Decimal:
    """Take an amount out of the fields. Raises ValueError with the field's name and the reason."""
    try:
        return parse_amount(fields.pop(name, ""), separator, places)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _check_total(total: Decimal, tax: Decimal | None, lines: Sequence[Line]) -> None:
    """Raise ValueError unless the lines come to the total, rounded once or each; tax may come on top."""
    amounts = [line.quantity * line.unit_price for line in lines]
    at_end = sum(amounts, Decimal()).quantize(CENT, ROUND_HALF_UP)
    by_line = sum((amount.quantize(CENT, ROUND_HALF_UP) for amount in amounts), Decimal())
    if not {at_end, by_line} & {total, total - (tax or 0)}:
        raise ValueError("total is not what its lines come to" if lines else "it has no lines, but a total")


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
