"""One batch of an erasure: keys and rows of some hundreds or thousands of people in one epoch.

Order of locks, the same for everybody: the key tree, then subjects in the order of ids, then their rows. A
writer locks the subject FOR SHARE before any row of theirs, so that who waits here holds nothing that he
waits for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg

from .. import approval
from ..db import Session, in_context, queries
from ..errors import BusyError, LuactlError
from ..key.classes import KeyClass, TenantDrop
from ..ledger import Entry
from ..pack import Uuids
from . import facts as statement
from .planning import PERSON, Dropping, ErasurePlan, Going, Staying, billed, classes, gone, weigh
from .requested import bind

KIND: Literal["erasure"] = "erasure"
PEOPLE = 2_500
ROWS = 100_000
ORDINARY = 20
"""Rows a person has without being counted one by one."""


@dataclass(frozen=True)
class Act:
    """An erasure under way."""

    tenant_id: int
    tenant: str
    """Slug."""
    erasure_id: UUID
    scope: str
    plan: ErasurePlan | None
    """What its first batch writes down; None when an earlier run began it."""
    granted: approval.Granted | None = None
    """The approval that its first batch takes; None when none was needed, or it was taken."""


@dataclass(frozen=True)
class Chosen:
    """Whom a batch takes, once their rows are locked."""

    living: tuple[UUID, ...]
    keys: tuple[tuple[UUID, int, int, int], ...]
    """Subject, class, version and slot of every key that is dropped."""
    staying: tuple[Staying, ...]
    """What a duty keeps; counted for one person only, since of many the plan has said it."""
    kept: bool
    """Whether anybody has an invoice that stays."""

    @property
    def dropping(self) -> tuple[Dropping, ...]:
        """How many keys of which class are dropped."""
        counted = Counter(key[1] for key in self.keys)
        return tuple(Dropping(KeyClass(one).label, counted[one]) for one in sorted(counted))


def cut(
    people: Sequence[UUID], heavy: Mapping[UUID, int], size: int = PEOPLE, rows: int = ROWS
) -> Iterator[tuple[UUID, ...]]:
    """Cut people, in their order, into batches of at most `size`, and of at most `rows` rows unless of one.

    `heavy` has the rows of those who have many. Pure.
    """
    batch: list[UUID] = []
    weight = 0
    for one in people:
        own = heavy.get(one, ORDINARY)
        if batch and (len(batch) == size or weight + own > rows):
            yield tuple(batch)
            batch, weight = [], 0
        batch.append(one)
        weight += own
    if batch:
        yield tuple(batch)


def carry_out(session: Session, act: Act, people: Sequence[UUID]) -> None:
    """Drop the keys of these people; rows, record and ledger intent go with them in one transaction.

    Raises BusyError when nobody of them lives any more, or a legal hold came in since the plan.
    """
    from ..key.drop import drop

    chosen: list[Chosen] = []

    def drops() -> list[TenantDrop]:
        in_context(session, act.tenant_id)
        chosen.append(choose(session, act, people))
        pairs = {(subject, KeyClass(key_class)) for subject, key_class, _v, _s in chosen[0].keys}
        return [TenantDrop(act.tenant_id, tuple(sorted(pairs)))]

    def changes(epoch: int) -> None:
        in_context(session, act.tenant_id)
        change(session, act, chosen[0], epoch)

    try:
        drop(session, drops, changes)
    except psycopg.errors.CheckViolation as error:
        raise BusyError(
            f"a legal hold came in at this very moment, nothing was changed: {error.diag.message_primary}",
            hint="run it again: it says who is held",
        ) from error


def choose(session: Session, act: Act, people: Sequence[UUID]) -> Chosen:
    """Lock these people against every writer, and see what there is of those who live."""
    conn, noun, now = session.conn, queries("erasure"), session.clock.now()
    locked = noun.lock_subjects(conn, tenant_id=act.tenant_id, ids=Uuids.of(people))
    living = tuple(row[0] for row in locked if row[1] == "active")
    if not living:
        raise BusyError("another run has just erased this person", hint="run it again to get the certificate")
    staying, kept = _staying(conn, act, living, now)
    slots = noun.slots(conn, tenant_id=act.tenant_id, ids=Uuids.of(living))
    going = classes(act.scope)
    keys = tuple(
        slot for slot in slots if slot[1] in going and (slot[1] != KeyClass.ACCOUNTING or slot[0] not in kept)
    )
    return Chosen(living, keys, staying, bool(kept))


def _staying(
    conn: Any, act: Act, living: tuple[UUID, ...], now: datetime
) -> tuple[tuple[Staying, ...], frozenset[UUID]]:
    """Return what stays, and of whom."""
    if act.scope != PERSON:
        return (), frozenset()
    if act.plan is not None and act.plan.subject_id is not None:
        rows = weigh(conn, act.tenant_id, living, act.scope, now)
        return rows.staying, rows.kept
    return (), billed(conn, act.tenant_id, living)


def change(session: Session, act: Act, chosen: Chosen, epoch: int) -> None:
    """Make all row changes in the epoch's transaction; these people are locked."""
    from ..ledger import append

    approval.use(session, act.granted)
    went = _delete(session, act, chosen) if act.scope == PERSON else ()
    record_batch(session, act, chosen, went, epoch)
    append(session, entry(act, "intent", epoch, people=len(chosen.living)))


def _delete(session: Session, act: Act, chosen: Chosen) -> tuple[Going, ...]:
    """Take all that goes, and return what it was: nobody writes about these people meanwhile."""
    conn, noun, at = session.conn, queries("erasure"), session.clock.now()
    who = {"tenant_id": act.tenant_id, "ids": Uuids.of(chosen.living)}
    rows = noun.erase_rows(conn, **who, at=at)
    if noun.mark_erased(conn, **who, at=at) != len(chosen.living):
        raise LuactlError("these people could not all be marked as erased; nothing was changed")
    if chosen.kept:
        noun.retain_invoices(conn, **who, at=at)
    return gone(rows)


def record_batch(session: Session, act: Act, chosen: Chosen, went: tuple[Going, ...], epoch: int) -> None:
    """Leave what went and of whom, in the epoch's transaction; the act itself with its first batch."""
    from psycopg.types.json import Jsonb

    conn, noun, at = session.conn, queries("erasure"), session.clock.now()
    this = {"tenant_id": act.tenant_id, "erasure_id": act.erasure_id}
    if act.plan is not None:
        noun.insert_erasure(
            conn, **this, subject_id=act.plan.subject_id, instruction=act.plan.instruction, epoch=epoch,
            plan=Jsonb(_document(act, act.plan, chosen, went)), at=at, scope=act.scope,
            subjects=Uuids.of(act.plan.subjects), digest=bytes.fromhex(act.plan.digest),
        )  # fmt: skip
        noun.take_plans(conn, tenant_id=act.tenant_id, digest=bytes.fromhex(act.plan.digest))
        if act.plan.request is not None:
            bind(conn, act.tenant_id, act.plan.request, act.erasure_id)
    noun.insert_batch(
        conn, **this, epoch=epoch, people=len(chosen.living), at=at,
        gone=Jsonb({one.table: one.rows for one in went}),
        keys=Jsonb({one.key_class: one.keys for one in chosen.dropping}),
    )  # fmt: skip
    noun.insert_people(
        conn, **this, state="erased", scope=act.scope, ids=Uuids.of(chosen.living),
        owners=Uuids.of([one[0] for one in chosen.keys]),
        classes=[one[1] for one in chosen.keys],
        versions=[one[2] for one in chosen.keys],
        slots=[one[3] for one in chosen.keys],
    )  # fmt: skip


def _document(act: Act, plan: ErasurePlan, chosen: Chosen, went: tuple[Going, ...]) -> dict[str, Any]:
    """Return what lua.erasure.plan keeps: of one person what really went, of many what was planned."""
    approved = {"approval": act.granted.stated} if act.granted else {}
    if plan.subject_id is None:
        return approved | statement.planned(plan.going, plan.dropping, (), plan.staying)
    keys = [one[1:] for one in chosen.keys]
    return approved | statement.planned(went, chosen.dropping, keys, chosen.staying)


def entry(act: Act, outcome: Literal["intent", "done"], epoch: int, **detail: Any) -> Entry:
    """Return the ledger entry of an erasure. It names no person: only lua.erasure knows whose it was."""
    return Entry(
        "erasure.run",
        act.tenant_id,
        f"{KIND}:{act.erasure_id}",
        outcome=outcome,
        detail={"epoch": epoch, **detail},
    )
