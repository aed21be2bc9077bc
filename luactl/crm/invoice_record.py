"""What makes a record an invoice: a number of its own, a customer, a date, and a total its lines come to.

It writes nothing, and does not know which customers and invoices are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from .invoice_lines import Line, Lines
from .job import ImportJob
from .people import external_marks
from .reading import fields_of
from .value import decimal_separator, parse_amount, parse_date

if TYPE_CHECKING:
    pass

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
class Job(ImportJob):
    """One import of invoices while it runs."""

    currency: str
    lines: Lines | None
    seen: set[str] = field(default_factory=set)


def is_currency(text: str) -> bool:
    """Tell whether this has the form of an ISO 4217 code."""
    return len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()


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
