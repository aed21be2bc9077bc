"""The system that a certificate speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from ..db import Session, queries, transaction


@dataclass(frozen=True)
class System:
    """Which cluster, database and key tree, and who else receives what is written there."""

    cluster: str
    """Postgres' system identifier."""
    database: str
    tree_id: UUID
    standbys: int
    """Receivers of the write-ahead log that are connected now."""

    def stated(self) -> dict[str, str]:
        """Return what certificate.json says of it."""
        return {"cluster": self.cluster, "database": self.database, "tree": str(self.tree_id)}


def system(session: Session) -> System:
    """Return the system of a session."""
    with transaction(session) as conn:
        return System(*queries("certificate").system(conn))
