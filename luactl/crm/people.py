"""From the external ids in a table to the subjects they mean."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING
from uuid import UUID

from ..db import Session, queries

if TYPE_CHECKING:
    from ..key import TenantKeys


def external_marks(keys: TenantKeys) -> Callable[[str], bytes | None]:
    """Return a function from an external id to its keyed digest (None for an empty one), remembering many."""
    from ..key.blind import external_digest

    known: dict[str, bytes | None] = {}

    def mark_of(value: str) -> bytes | None:
        if value not in known:
            known[value] = external_digest(keys.unique_key, value)
        return known[value]

    return mark_of


def subjects_of(session: Session, tenant_id: int, marks: Collection[bytes]) -> dict[bytes, UUID]:
    """Return the subjects that these digests mean, in the open transaction; unknown ones are left out."""
    rows = queries("crm").known_digests(session.conn, tenant_id=tenant_id, digests=list(marks))
    return {bytes(mark): subject_id for mark, subject_id in rows}
