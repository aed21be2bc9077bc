"""What one record of a log says, before anything personal in it is masked."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Record(NamedTuple):
    """One record, whatever its format was. Empty texts are None."""

    at: datetime
    message: str
    """What it says first; of a service that sends an action, a sentence beside it."""
    severity: str = "LOG"
    actor: str | None = None
    on_behalf: str | None = None
    tenant: str | None = None
    """Slug or number, as its source wrote it."""
    subject: UUID | None = None
    """Ledger reference."""
    action: str | None = None
    """What its source calls it; None: `classify` says."""
    object: str | None = None
    purpose: str | None = None
    outcome: str | None = None
    address: str | None = None
    session: str | None = None
    application: str | None = None
    code: str | None = None
    """SQLSTATE."""
    detail: str | None = None
    hint: str | None = None
    context: str | None = None
    statement: str | None = None
    """The statement that an error belongs to."""
    number: int | None = None
    """Line number within its session, from 1 without gaps, where the source counts."""
    last: int | None = None
    """Number of its last line, where each line of a record has one; None: the same."""
