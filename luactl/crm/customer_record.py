"""What makes a record a customer, and which customers are there already.

Owns the checks of one record and the external ids that tell customers apart. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hmac import digest
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..db import queries
from ..errors import LuactlError
from ..pack import Bytes, teach
from .job import ImportJob
from .reading import fields_of, new_tally
from .report import Tally
from .value import parse_date

if TYPE_CHECKING:
    pass

IDENTITY = ("name", "first_name", "last_name", "company", "email", "phone", "mobile")


class Customer(NamedTuple):
    """A checked record: its line, its fields sorted by name, and the digest of its external id (32 bytes)."""

    line: int
    fields: dict[str, str]
    digest: bytes | None


@dataclass
class Job(ImportJob):
    """One import of customers while it runs."""

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


def account(tally: Tally, rows: int, known: int) -> None:
    """Count good records, of which some were there already."""
    tally.rows += rows
    tally.already_there += known
    tally.imported += rows - known
