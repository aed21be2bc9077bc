"""One erasure with all that belongs to it: batches, who is left, who waited for a hold. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..approval.checking import said
from ..db import Session, transaction
from ..errors import RefusedError
from . import facts as statement
from . import record
from .planning import ErasurePlan, Staying
from .record import Batch, Erasure
from .waited import waiting


@dataclass(frozen=True)
class Course:
    """An erasure and how far it is."""

    erasure: Erasure
    tenant: str
    """Slug."""
    batches: tuple[Batch, ...]
    left: int
    """How many people are left of one that was cut short."""
    waiting: tuple[ErasurePlan, ...]
    """Orders of this tenant whose people a hold had kept, and who are free now."""
    approval: str
    """Who approved it, for people."""
    staying: tuple[Staying, ...]
    """What a duty keeps."""

    @property
    def unfinished(self) -> bool:
        """Whether it was cut short, or runs."""
        return self.erasure.state == "intent"

    @property
    def done(self) -> int:
        """How many people are erased so far."""
        return sum(one.people for one in self.batches)

    @property
    def free(self) -> int:
        """How many people of `waiting` are erased when one goes on."""
        return sum(one.people for one in self.waiting)

    @property
    def rows(self) -> dict[str, int]:
        """How many rows went so far, by table."""
        return _sums(one.gone for one in self.batches)

    @property
    def keys(self) -> dict[str, int]:
        """How many keys were destroyed so far, by class."""
        return _sums(one.keys for one in self.batches)

    @property
    def places(self) -> Sequence[Mapping[str, Any]]:
        """Every place as the certificate names it; none before there is one."""
        return self.erasure.result["facts"].get("places", ()) if self.erasure.result else ()


def _sums(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)


def course_of(session: Session, erasure_id: UUID) -> Course:
    """Return one erasure, whichever tenant it belongs to. Raises NotFoundError."""
    from ..tenant import in_context

    erasure = record.find(session, erasure_id)
    tenant = in_context(session, erasure.tenant_id)
    with transaction(session, erasure.tenant_id) as conn:
        batches = record.batches(conn, erasure)
        left = len(record.left_to_do(conn, erasure)) if erasure.state == "intent" else 0
    try:
        free = waiting(session, tenant)
    except RefusedError:  # an order that is no longer in force frees nobody
        free = ()
    approved = said(erasure.plan.get("approval"))
    return Course(erasure, tenant.slug, batches, left, free, approved, statement.staying(erasure.plan))
