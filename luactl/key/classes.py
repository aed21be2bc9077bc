"""The classes of keys and of retention, and the small values that name a key (formats.md, 1).

Pure: knows neither database nor cryptography. No key shows in a repr.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from uuid import UUID

from ..errors import LuactlError

PERIOD_LIMIT = 1 << 24


class SealError(LuactlError):
    """A sealed value does not open, or fields cannot be sealed."""


class KeyClass(IntEnum):
    """What kind of key a subject has; the data map fixes it for each column."""

    MAIN = 1
    SPECIAL = 2
    ACCOUNTING = 3
    MEDICAL_RECORD = 4

    @property
    def label(self) -> str:
        """The name in texts and options."""
        return self.name.lower().replace("_", "-")

    @property
    def is_duty(self) -> bool:
        """Whether the key outlives an erasure, because a legal duty binds the data."""
        return self >= KeyClass.ACCOUNTING


class RetentionClass(IntEnum):
    """What ages together, period by period."""

    CONTACT = 1
    INTERACTION = 2
    INVOICE = 3
    HOLD = 4
    """What a legal hold keeps past its own period; the number is the hold's."""
    DUTY_HOLD = 5
    """The same for what a legal duty binds."""
    LOG = 6
    """Log lines, by the month in which they were written; under the keys of the house itself."""

    @property
    def label(self) -> str:
        """The name in texts and in lua.retention_rule."""
        return self.name.lower().replace("_", "-")

    @property
    def is_duty(self) -> bool:
        """Whether its periods hang in the duty subtree."""
        return self in (RetentionClass.INVOICE, RetentionClass.DUTY_HOLD)


def period_id(retention_class: RetentionClass, number: int) -> int:
    """Return the u32 that names a period; `number` is yyyymm, yyyy or 0. Raises ValueError."""
    if not 0 <= number < PERIOD_LIMIT:
        raise ValueError(f"a period number lies between 0 and {PERIOD_LIMIT - 1}, not {number}")
    return retention_class << 24 | number


def split_period(identifier: int) -> tuple[RetentionClass, int]:
    """Return class and number of a period id. Raises ValueError for an unknown class."""
    return RetentionClass(identifier >> 24), identifier & (PERIOD_LIMIT - 1)


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """The key of one subject and class: 32 bytes, and the version that frames name it by."""

    version: int
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PeriodKey:
    """The key of one retention class and period of a tenant: 32 bytes."""

    period_id: int
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands; it opens nowhere else.

    `table` carries its schema. `row_id` is the row's UUID, or `<invoice_id>/<line_no>`.
    """

    tenant_id: int
    subject_id: UUID
    table: str
    column: str
    row_id: UUID | str

    def aad(self) -> bytes:
        """Return the bytes that a sealed value is bound to."""
        text = f"luactl/1|{self.tenant_id}|{self.subject_id}|{self.table}|{self.column}|{self.row_id}"
        return text.encode()


@dataclass(frozen=True)
class TenantDrop:
    """Keys of one tenant that shall die."""

    tenant_id: int
    subjects: Sequence[tuple[UUID, KeyClass]] = ()
    """Erased: all versions of a subject's key of that class."""
    periods: Sequence[int] = ()
    """Purged: whole periods by id."""
    versions: Sequence[tuple[UUID, KeyClass, int]] = ()
    """Superseded: this one version of a subject's key; the subject lives on with a newer one."""
    whole: bool = False
    """The tenant ends: all that hangs in its subtree and its duty subtree, whatever else is said here."""
