"""Opens sealed rows for somebody: first the record of it is committed, then the values are opened.

The one way in which the crm commands read anything sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, transaction

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..subject.sealed import Table

PURPOSE = "administration"


@dataclass(frozen=True)
class Sealed:
    """A sealed value where it stands: its person and row id. Which period seals it the value itself says."""

    subject_id: UUID
    row_id: UUID | str
    blob: bytes


def record_and_open(
    session: Session, tenant_id: int, table: Table, values: Sequence[Sealed], purpose: str
) -> list[dict[str, Any] | None]:
    """Record the reading of these values, then return the fields of each; None where a key is gone by now.

    A person whose main key is dropped has no reference any more: their duty data are recorded by count only.
    Raises RefusedError off a key host, SealError for a value that was tampered with.
    """
    from ..key import open_tenant

    if not values:
        return []
    with transaction(session, tenant_id):
        keys = open_tenant(session, tenant_id)
    record(session, keys, table, values, purpose)
    return open_recorded(session, keys, table, values)


def record(
    session: Session, keys: TenantKeys, table: Table, values: Sequence[Sealed], purpose: str
) -> list[UUID]:
    """Record that these values are about to be opened; returns the ids of the entries, which are durable."""
    from ..ledger import record_read, references

    tenant_id = keys.tenant_id
    known = references(session, keys, tenant_id, {value.subject_id for value in values})
    return record_read(
        session, tenant_id, sorted(known.values()), purpose, f"table:{table.table}", len(values)
    )


def open_recorded(
    session: Session, keys: TenantKeys, table: Table, values: Sequence[Sealed]
) -> list[dict[str, Any] | None]:
    """Return the fields of values whose reading is recorded; None where a key is gone by now."""
    opener = _opener(session, keys.tenant_id, keys, table, values)
    return [opener(value) for value in values]


def _opener(
    session: Session, tenant_id: int, keys: TenantKeys, table: Table, values: Sequence[Sealed]
) -> Callable[[Sealed], dict[str, Any] | None]:
    from ..key.classes import split_period
    from ..key.seal import Opener, header

    with transaction(session, tenant_id):
        subject_keys = keys.subjects(sorted({value.subject_id for value in values}), table.key_class)
        numbers = {
            header(value.blob)[2] for value in values
        }  # a legal hold moves rows to a period of its own
        periods = {number: keys.existing_period(*split_period(number)) for number in numbers}
    openers = {
        number: Opener(tenant_id, table.table, table.column, period)
        for number, period in periods.items()
        if period is not None
    }

    def opened(value: Sealed) -> dict[str, Any] | None:
        subject_key, opener = subject_keys.get(value.subject_id), openers.get(header(value.blob)[2])
        if subject_key is None or opener is None:
            return None
        return opener.open(value.blob, value.subject_id, subject_key, value.row_id)

    return opened
