"""One ledger entry, or one line of a server or service, as the log shows it."""

from __future__ import annotations

import json
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


def line(row: tuple[Any, ...]) -> Line:
    """Return the line of a row of `page`."""
    (
        kind, id_, at, actor, on_behalf, tenant_id, slug, subject, action, object_, purpose, outcome,
        address, session, application, severity, code, source, message, body,
    ) = row  # fmt: skip
    return Line(
        at=at.astimezone(UTC),
        id=id_,
        actor=actor,
        on_behalf=on_behalf,
        tenant=slug or (str(tenant_id) if tenant_id else None),
        subject=subject,
        action=action,
        object=object_,
        purpose=purpose,
        outcome=outcome,
        session=session,
        address=address,
        detail=None if body is None else json.loads(body)["detail"],
        kind=kind,
        source=source,
        application=application,
        severity=severity,
        code=code,
        message=message,
    )
