"""Erasing again what is there again: people, classes and periods that a restore brought back.

Idempotent: what is gone is not found. People go through the engine, as a new act with a certificate of its
own, since a restore may have taken the record of the old one along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import hold, retention
from ..db import Session, in_context, queries, transaction
from ..key.classes import KeyClass, TenantDrop
from ..key.recovery import recover
from ..ledger import Entry, append
from ..pack import Uuids, teach
from ..tenant import find
from .batch import cut
from .planning import SPECIAL, plan
from .restored import Period, Returned
from .running import run

if TYPE_CHECKING:
    from ..tenant import Tenant

INSTRUCTION = "erased before, and there again: the order of then"


@dataclass(frozen=True)
class Replayed:
    """What was erased again at one tenant."""

    tenant: str
    """Slug."""
    people: int
    """Who lived again."""
    revived: int
    """Who was marked as erased, and had rows or keys."""
    special: int
    """Whose class special was there again."""
    periods: int
    """Purged periods that were there again."""
    rows: int
    """Interactions and invoices of those periods."""
    kept: int
    """Periods that today's rule keeps: nothing was taken of them."""
    held: int
    """People whom a legal hold keeps meanwhile: they go when it is released."""
    certificates: tuple[str, ...]
    """Folders of the certificates about people."""


def replay(
    session: Session, found: Returned, base: Path, progress: Callable[[int], None] = lambda _: None
) -> Replayed:
    """Erase again what is there again at one tenant. Raises what an erasure and a purge raise."""
    teach(session.conn)
    tenant = find(session, found.tenant)
    recover(session)
    periods = [one for one in found.periods if not one.kept]
    rows = _periods(session, tenant, periods)
    known, waiting = _on_record(session, found)
    _revived(session, found, sorted({*found.revived, *known} - waiting))
    anew = tuple(one for one in found.people if one not in known)
    done, held = [], len(waiting)
    for people, scope in ((anew, "person"), (found.special, SPECIAL)):
        if people:
            again = plan(session, tenant, people, INSTRUCTION, scope=scope)
            held += len(again.held)
            if again.people:
                ran = run(session, again, base, progress=progress, except_held=True, again=True)
                done.append(ran.certificate)
    return Replayed(
        tenant=found.tenant,
        people=len(found.people),
        revived=len(found.revived),
        special=len(found.special),
        periods=len(periods),
        rows=rows,
        kept=len(found.periods) - len(periods),
        held=held,
        certificates=tuple(done),
    )


def _entry(found: Returned, **detail: Any) -> Entry:
    return Entry("erasure.replay", found.tenant_id, f"tenant:{found.tenant}", detail=detail)


def _on_record(session: Session, found: Returned) -> tuple[frozenset[UUID], frozenset[UUID]]:
    """Return who lives again although the erasure is still on record, and which of them a hold keeps now.

    So it is when tables of data were laid back, and not the records beside them.
    """
    who = {"tenant_id": found.tenant_id, "ids": Uuids.of(found.people)}
    with transaction(session, found.tenant_id) as conn:
        known = frozenset(row[0] for row in queries("erasure").erased_on_record(conn, **who))
        return known, frozenset(hold.held(conn, found.tenant_id, known))


def _revived(session: Session, found: Returned, again: Sequence[UUID]) -> None:
    """Take rows and keys of those whose erasure is on record, and mark them; that record stays what it is."""
    from ..key.drop import drop

    noun = queries("erasure")
    for people in cut(again, {}):
        ids = {"tenant_id": found.tenant_id, "ids": Uuids.of(people)}

        def drops(people: Sequence[UUID] = people, ids: dict[str, Any] = ids) -> list[TenantDrop]:
            in_context(session, found.tenant_id)
            list(noun.lock_subjects(session.conn, **ids))
            classes = (KeyClass.MAIN, KeyClass.SPECIAL)
            return [TenantDrop(found.tenant_id, [(who, one) for who in people for one in classes])]

        def change(epoch: int, people: Sequence[UUID] = people, ids: dict[str, Any] = ids) -> None:
            in_context(session, found.tenant_id)
            at = session.clock.now()
            gone = noun.erase_rows(session.conn, **ids, at=at)
            noun.mark_erased(session.conn, **ids, at=at)
            noun.retain_invoices(session.conn, **ids, at=at)
            append(session, _entry(found, epoch=epoch, people=len(people), rows=sum(gone)))

        drop(session, drops, change)


def _periods(session: Session, tenant: Tenant, periods: Sequence[Period]) -> int:
    """Purge these periods again, which are due by today's rules; return how many rows went."""
    if not periods:
        return 0
    back = {(one.retention_class, one.period) for one in periods}
    due = retention.plan(session, [tenant])
    chosen = tuple(
        replace(one, periods=tuple(p for p in one.periods if (p.retention_class, p.period) in back))
        for one in due.tenants
    )
    done = retention.purge(session, replace(due, tenants=chosen))
    return done.interactions + done.invoices
