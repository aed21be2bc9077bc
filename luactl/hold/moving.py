"""Moving held rows under the hold's own period key, before the key of their period goes (formats.md, 1).

The next purge does it. A row goes under the period of the hold with the lowest number that covers it; once
that hold is released, under another's, or back under its own period. Class and key version stay: only the
period moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import LuactlError
from ..key.classes import KeyClass, PeriodKey, Place, RetentionClass, SubjectKey, split_period

if TYPE_CHECKING:
    from ..key.tenant import TenantKeys

BATCH_ROWS = 2_000
PURPOSE = "legal hold: sealed anew under its period"


@dataclass(frozen=True)
class Moved:
    """How many rows went under another period's key."""

    interactions: int
    invoices: int


@dataclass(frozen=True)
class _Kind:
    """One table with what hangs on it."""

    name: str
    table: str
    lines: str | None
    column: str
    key_class: KeyClass
    own: RetentionClass
    held: RetentionClass


KINDS = (
    _Kind("interactions", "crm.interaction", None, "personal", KeyClass.MAIN,
          RetentionClass.INTERACTION, RetentionClass.HOLD),
    _Kind("invoices", "crm.invoice", "crm.invoice_line", "accounting", KeyClass.ACCOUNTING,
          RetentionClass.INVOICE, RetentionClass.DUTY_HOLD),
)  # fmt: skip


@dataclass(frozen=True)
class _Row:
    """A sealed value that must move: its row (and line, of an invoice), whose it is, from where to where."""

    row_id: UUID
    line_no: int | None
    subject_id: UUID
    period: int
    target: int | None
    sealed: bytes

    def place(self, tenant_id: int, kind: _Kind) -> Place:
        if self.line_no is None:
            return Place(tenant_id, self.subject_id, kind.table, kind.column, self.row_id)
        return Place(
            tenant_id, self.subject_id, str(kind.lines), kind.column, f"{self.row_id}/{self.line_no}"
        )

    def goes_to(self, kind: _Kind) -> tuple[RetentionClass, int]:
        """Return class and number of the period that seals it from now on."""
        return (kind.own, self.period) if self.target is None else (kind.held, self.target)


def released(conn: Any, tenant_id: int) -> tuple[int, ...]:
    """Return the periods of released holds whose key still lives, in the running transaction."""
    return tuple(row[0] for row in queries("hold").released_periods(conn, tenant_id=tenant_id))


def move(
    session: Session,
    tenant_id: int,
    at: datetime,
    progress: Callable[[int], None] = lambda _rows: None,
    *,
    batch_rows: int = BATCH_ROWS,
) -> Moved:
    """Move every row of a tenant that must move before keys go at `at`; may be interrupted and repeated.

    Each batch is recorded as read before it opens, and moves in one transaction with an entry of its own,
    read back under the new key. Raises RefusedError off a key host, LuactlError for a row that does not open.
    """
    from ..key.tenant import open_tenant

    with transaction(session, tenant_id):
        keys = open_tenant(session, tenant_id)
    counts = []
    for kind in KINDS:
        moved = 0
        while batch := _move_batch(session, keys, kind, at, batch_rows):
            moved += batch
            progress(batch)
        counts.append(moved)
    return Moved(*counts)


def _move_batch(session: Session, keys: TenantKeys, kind: _Kind, at: datetime, limit: int) -> int:
    """Move up to `limit` rows; returns how many, 0 when nothing is left."""
    from ..ledger import Entry, append, record_read, references

    tenant_id = keys.tenant_id
    with transaction(session, tenant_id):
        seen = _rows(session, tenant_id, kind, at, limit)
    if not seen:
        return 0
    for target in sorted({row.goes_to(kind) for row in seen}):
        keys.period(*target)
    known = references(session, keys, tenant_id, {row.subject_id for row in seen})
    record_read(session, tenant_id, sorted(known.values()), PURPOSE, f"table:{kind.table}", len(seen))
    with transaction(session, tenant_id):
        rows = _still(_rows(session, tenant_id, kind, at, limit), seen)
        moved = _write(session, keys, kind, at, rows) if rows else 0
        append(session, Entry("hold.move", tenant_id, f"table:{kind.table}", detail={"rows": moved}))
    return max(moved, 1)  # rows that changed meanwhile come again


def _rows(session: Session, tenant_id: int, kind: _Kind, at: datetime, limit: int) -> list[_Row]:
    ask = getattr(queries("hold"), f"{kind.name}_to_move")
    return [_Row(*row) for row in ask(session.conn, tenant_id=tenant_id, limit=limit, at=at)]


def _still(rows: Sequence[_Row], seen: Sequence[_Row]) -> list[_Row]:
    """Return the rows whose reading is on record and whose target is claimed; invoices with all lines."""
    recorded = {(row.row_id, row.line_no, row.target) for row in seen}
    late = {row.row_id for row in rows if (row.row_id, row.line_no, row.target) not in recorded}
    return [row for row in rows if row.row_id not in late]


def _sealed_anew(keys: TenantKeys, kind: _Kind, rows: Sequence[_Row]) -> list[bytes]:
    """Return each value sealed under its new period, and opened again to be sure."""
    from ..key.seal import header, seal, unseal

    people = keys.subjects(sorted({row.subject_id for row in rows}), kind.key_class)
    old = {number: _existing(keys, number) for number in {header(row.sealed)[2] for row in rows}}
    new = {target: keys.period(*target) for target in sorted({row.goes_to(kind) for row in rows})}
    seals = []
    for row in rows:
        subject_key, source = _keys_of(row, kind, people, old[header(row.sealed)[2]])
        place, target = row.place(keys.tenant_id, kind), new[row.goes_to(kind)]
        fields = unseal(row.sealed, place, subject_key, source)
        sealed = seal(fields, place, subject_key, target, kind.key_class)
        if unseal(sealed, place, subject_key, target) != fields:
            raise LuactlError(f"row {row.row_id} of {kind.table} did not read back; nothing was moved")
        seals.append(sealed)
    return seals


def _existing(keys: TenantKeys, identifier: int) -> PeriodKey | None:
    return keys.existing_period(*split_period(identifier))


def _keys_of(
    row: _Row, kind: _Kind, people: dict[UUID, SubjectKey], period: PeriodKey | None
) -> tuple[SubjectKey, PeriodKey]:
    subject = people.get(row.subject_id)
    if subject is None or period is None:
        raise LuactlError(
            f"row {row.row_id} of {kind.table} is held, but its key is gone: it cannot be moved",
            hint="`luactl key verify`; while it lies there its period cannot be purged",
        )
    return subject, period


def _write(session: Session, keys: TenantKeys, kind: _Kind, at: datetime, rows: Sequence[_Row]) -> int:
    """Put the rows under their new period, all or none; returns how many, lines not counted apart."""
    given: dict[str, Any] = {"lines": [row.line_no for row in rows]} if kind.lines else {}
    moved: int = getattr(queries("hold"), f"move_{kind.name}")(
        session.conn,
        tenant_id=keys.tenant_id,
        rows=[row.row_id for row in rows],
        targets=[row.target for row in rows],
        seals=_sealed_anew(keys, kind, rows),
        at=at,
        **given,
    )
    return moved
