"""The lines of invoices, from a table of their own, gathered by the number of their invoice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from ..table import Origin, open_table, picker
from . import names
from .report import Tally
from .value import decimal_separator, parse_amount

REQUIRED = ("number", "unit_price")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: where it stands in its table, how much of what, at which price."""

    line: int
    quantity: Decimal
    unit_price: Decimal
    description: str


@dataclass
class Lines:
    """All lines of a table by invoice number, and the numbers of which a line is bad."""

    table: str
    by_number: dict[str, list[Line]] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)

    def of(self, number: str) -> list[Line]:
        """Return the lines of an invoice. Raises ValueError if one of them could not be read."""
        if number in self.spoilt:
            raise ValueError("one of its lines is bad")
        return self.by_number.get(number, [])

    def orphans(self, numbers: Collection[str]) -> Iterator[int]:
        """Yield where lines stand that belong to none of these invoices."""
        for number, lines in self.by_number.items():
            if number not in numbers:
                yield from (line.line for line in lines)


def read_lines(origin: Origin, chosen: Mapping[str, str], tally: Tally) -> Lines:
    """Read a whole table of lines; bad ones are counted, and spoil their invoice.

    Raises what opening a table raises.
    """
    with open_table(origin, names.INVOICE_LINE, chosen, REQUIRED) as (table, columns):
        lines, pick = Lines(table.name), picker(columns)
        positions = [
            columns.positions[name] for name in ("unit_price", "quantity") if name in columns.positions
        ]
        separator = decimal_separator(row[at] for row in table.sample for at in positions if at < len(row))
        for line, values in table.records(lambda line, reason: tally.reject_line(table.name, line, reason)):
            fields = pick(values)
            number = fields.get("number", "")
            try:
                lines.by_number.setdefault(number, []).append(_checked(line, number, fields, separator))
            except ValueError as error:
                tally.reject_line(table.name, line, str(error))
                lines.spoilt.add(number)
        tally.unused += tuple(f"{table.name}: {name}" for name in columns.unused)
        return lines


def _checked(line: int, number: str, fields: dict[str, str], separator: str | None) -> Line:
    if not number:
        raise ValueError("number is empty")
    amounts = {}
    for name, text in (
        ("quantity", fields.get("quantity", "1")),
        ("unit_price", fields.get("unit_price", "")),
    ):
        try:
            amounts[name] = parse_amount(text, separator, 4)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    return Line(line, amounts["quantity"], amounts["unit_price"], fields.get("description", ""))
