"""The register of ends: one open end a tenant at most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..db import Session, queries, transaction


@dataclass(frozen=True)
class Termination:
    """The end of a tenant, as it stands in the register."""

    termination_id: UUID
    state: str
    """announced, intent (the erasure was begun) or done."""
    instruction: str
    """Where the controller's word is found."""
    announced_by: str
    announced_at: datetime
    erase_from: datetime
    """End of the time of grace."""
    requested_by: str | None
    """Who began the erasure."""
    returned: str | None
    """Export by which the data were returned, or why none was wanted."""
    epoch: int | None
    """Epoch of the key tree in which the tenant's keys went."""
    plan: dict[str, Any] | None
    """Rows by table when the erasure began."""
    result: dict[str, Any] | None
    completed_at: datetime | None


def current(session: Session, tenant_id: int) -> Termination | None:
    """Return the tenant's end that is announced, under way or done; None without one.

    Of a dedicated tenant that has ended nothing shows to its former staff but this.
    """
    with transaction(session, tenant_id) as conn:
        noun, who = queries("termination"), {"tenant_id": tenant_id}
        row = noun.current(conn, **who) or noun.ended(conn, **who)
    return None if row is None else Termination(*row)
