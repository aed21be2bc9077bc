"""One entry of the ledger as the log shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Line:
    """One entry, as the log shows it."""

    at: datetime
    id: UUID
    actor: str
    on_behalf: str | None
    tenant: str | None
    """Slug; the number of a tenant that has none any more."""
    subject: UUID | None
    """Ledger reference."""
    action: str
    object: str | None
    purpose: str | None
    outcome: str
    session: str | None
    """As in the server's own log (log_line_prefix %c)."""
    address: str | None
    detail: dict[str, Any] | None


def line(id_: UUID, at: datetime, body: bytes, tenant: int, slug: str | None) -> Line:
    """Return the line of a row of `search`."""
    entry = json.loads(body)
    return Line(
        at=at.astimezone(UTC),
        id=id_,
        actor=entry["actor"],
        on_behalf=entry["on_behalf"],
        tenant=slug or (str(tenant) if tenant else None),
        subject=UUID(entry["subject"]) if entry["subject"] else None,
        action=entry["action"],
        object=entry["object"],
        purpose=entry["purpose"],
        outcome=entry["outcome"],
        session=entry["session"],
        address=entry["address"],
        detail=entry["detail"],
    )
