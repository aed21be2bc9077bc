"""Since when a table holds nothing readable: what decides how much a certificate may claim.

Cryptographic erase counts only for what never lay there in clear (NIST SP 800-88 Rev. 2, conditions of CE).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ..db import queries


@dataclass(frozen=True)
class SealedSince:
    """What is known about the readable past of one table."""

    table: str
    """With its schema."""
    born_sealed: bool
    """Nothing readable ever lay there."""
    since: datetime | None
    """From when on what is personal there is sealed; None: it still is in clear."""
    cleaned_at: datetime | None
    """When the residue of its readable past was cleaned up; None: never."""
    backups_until: datetime | None
    """When the last backup from before the clean-up ends; None: nobody stated how long backups live."""

    def claims(self, at: datetime) -> bool:
        """Say whether at that instant nothing readable was left: in the cluster and in its backups."""
        if self.born_sealed:
            return True
        past_is_gone = self.cleaned_at is not None and self.backups_until is not None
        return past_is_gone and self.since is not None and self.backups_until <= at  # type: ignore[operator]


def sealed_since(conn: psycopg.Connection[Any], table: str) -> SealedSince | None:
    """Return what is known about a table (`schema.name`); None when nobody ever said that it is sealed."""
    row = queries("residue").sealed_since(conn, table=table)
    return None if row is None else SealedSince(*row)


def claimed(conn: psycopg.Connection[Any], tables: Iterable[str], at: datetime) -> dict[str, bool]:
    """Say of each table whether at that instant nothing readable was left of it, as far as anybody knows."""
    since = {table: sealed_since(conn, table) for table in tables}
    return {table: known is not None and known.claims(at) for table, known in since.items()}
