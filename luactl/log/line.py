"""One ledger entry, or one line of a server or service, as the log shows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Line:
    """One row of the log."""

    at: datetime
    id: UUID
    actor: str | None
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
    kind: str = "ledger"
    """`ledger`, or `line` for what a server or service wrote."""
    source: str | None = None
    """Of a line: where it came from."""
    application: str | None = None
    severity: str | None = None
    """Of a line: as its source calls it."""
    code: str | None = None
    """Of a line: SQLSTATE."""
    message: str | None = None
    """Of a line: what it says; what a person typed is masked."""

    @property
    def place(self) -> tuple[datetime, UUID]:
        """Where it stands in the order of the log."""
        return self.at, self.id


def entry(row: Sequence[Any]) -> Line:
    """Return the line of a row of the ledger: what no column holds its body says."""
    id_, at, actor, tenant_id, subject, action, object_, outcome, body, slug = row
    said = json.loads(body.decode())
    return Line(
        at.astimezone(UTC), id_, actor, said["on_behalf"], _tenant(slug, tenant_id), subject, action, object_,
        said["purpose"], outcome, said["session"], said["address"], said["detail"],
    )  # fmt: skip


def line(row: Sequence[Any]) -> Line:
    """Return the line of a row of either store."""
    (
        id_, at, actor, tenant_id, subject, action, object_, outcome, body, message, on_behalf, purpose,
        address, session, application, severity, code, _source_id, slug, source,
    ) = row  # fmt: skip
    if body is not None:
        return entry((id_, at, actor, tenant_id, subject, action, object_, outcome, body, slug))
    return Line(
        at.astimezone(UTC), id_, actor, on_behalf, _tenant(slug, tenant_id), subject, action, object_,
        purpose, outcome, session, address, None, "line", source, application, severity, code, message,
    )  # fmt: skip


def _tenant(slug: str | None, tenant_id: int) -> str | None:
    return slug or (str(tenant_id) if tenant_id else None)
