"""Which columns hold sealed values about a person, and how their rows are read and sealed anew.

A table that is added to the schema belongs here too: a test compares this with the catalog.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ..db import Session, queries
from ..key.classes import KeyClass, Place


@dataclass(frozen=True)
class Table:
    """A sealed column: its table, and the class of subject key that seals it."""

    table: str
    column: str
    key_class: KeyClass

    @property
    def query(self) -> str:
        """What its named queries end with."""
        return self.table.partition(".")[2]

    def place(self, tenant_id: int, subject_id: UUID, row_id: UUID | str) -> Place:
        """Return where a value of one row stands."""
        return Place(tenant_id, subject_id, self.table, self.column, row_id)


SUBJECT = Table("crm.subject", "personal", KeyClass.MAIN)
CONTACT = Table("crm.contact", "personal", KeyClass.MAIN)
INTERACTION = Table("crm.interaction", "personal", KeyClass.MAIN)
REQUEST = Table("lua.request", "personal", KeyClass.MAIN)
USER = Table("crm.app_user", "personal", KeyClass.MAIN)
INVOICE = Table("crm.invoice", "accounting", KeyClass.ACCOUNTING)
INVOICE_LINE = Table("crm.invoice_line", "accounting", KeyClass.ACCOUNTING)
TABLES = (SUBJECT, CONTACT, INTERACTION, REQUEST, USER, INVOICE, INVOICE_LINE)


def tables_of(key_class: KeyClass) -> list[Table]:
    """Return the columns that keys of a class seal."""
    return [table for table in TABLES if table.key_class is key_class]


def read(session: Session, table: Table, tenant_id: int, subject_id: UUID) -> list[tuple[str, bytes]]:
    """Return row id and sealed value of each row about a subject."""
    ask = getattr(queries("subject"), f"sealed_{table.query}")
    return list(ask(session.conn, tenant_id=tenant_id, subject_id=subject_id))


def write(session: Session, table: Table, tenant_id: int, rows: Sequence[tuple[str, bytes]]) -> int:
    """Put other sealed values into rows, by row id; return how many took them."""
    if not rows:
        return 0
    changed: int = getattr(queries("subject"), f"reseal_{table.query}")(
        session.conn,
        tenant_id=tenant_id,
        row_ids=[row_id for row_id, _sealed in rows],
        seals=[sealed for _row_id, sealed in rows],
        at=session.clock.now(),
    )
    return changed
