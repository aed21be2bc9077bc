"""What an erasure would take and what a duty keeps: counted first, carried out from the very same object."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import instruction as instructions
from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError
from ..key.classes import KeyClass
from ..retention.register import read as read_rules
from ..retention.rule import Rule, due_at
from . import record

if TYPE_CHECKING:
    from ..tenant import Tenant

TABLES = ("crm.contact", "crm.contact_key", "crm.interaction")


@dataclass(frozen=True)
class Going:
    """Rows of one table that go."""

    table: str
    rows: int


@dataclass(frozen=True)
class Staying:
    """What a legal duty keeps, for one period."""

    table: str
    period: int
    """Year of issue."""
    rows: int
    """Invoices."""
    lines: int
    """Their lines."""
    ground: str
    """The duty."""
    until: datetime | None
    """When the purge takes it; None when the rule has no end."""
    readable_by: str = "lua_accounting"
    """The one role that sees it."""


@dataclass(frozen=True)
class ErasurePlan:
    """What the erasure of one person does."""

    tenant_id: int
    tenant: str
    """Slug."""
    subject_id: UUID
    instruction: str
    """Where the controller's instruction is found."""
    instruction_on_record: bool
    """Whether it is one of `luactl instruction list`, in force."""
    state: str
    """planned; unfinished: begun and cut short; erased: nothing is left to do."""
    erasure_id: UUID | None
    """Set unless the state is planned."""
    going: tuple[Going, ...]
    keys: tuple[str, ...]
    """Key classes of the person whose keys are destroyed."""
    staying: tuple[Staying, ...]


def plan(session: Session, tenant: Tenant, subject_id: UUID, instruction: str) -> ErasurePlan:
    """Return what erasing this person means; changes nothing, opens nothing.

    Raises NotFoundError for an unknown subject, UsageError for an instruction that is no line of text,
    RefusedError for one on record that is not in force.
    """
    reference = instructions.checked("instruction", instruction)
    with transaction(session, tenant.tenant_id) as conn:
        status = queries("erasure").subject(conn, tenant_id=tenant.tenant_id, subject_id=subject_id)
        if status is None:
            raise NotFoundError(
                f"{tenant.slug!r} has no subject {subject_id}",
                hint="`luactl subject find` tells a person's id",
            )
        on_record = _check_instruction(session, tenant, reference)
        known = record.of_subject(conn, tenant.tenant_id, subject_id)
        going, keys, staying = count(conn, tenant.tenant_id, subject_id, session.clock.now())
    state = "planned" if known is None else "erased" if known.state == "done" else "unfinished"
    return ErasurePlan(
        tenant.tenant_id,
        tenant.slug,
        subject_id,
        known.instruction if known else reference,
        on_record,
        state,
        known.erasure_id if known else None,
        going,
        tuple(sorted({KeyClass(one[0]).label for one in keys})),
        staying,
    )


def count(
    conn: Any, tenant_id: int, subject_id: UUID, now: datetime
) -> tuple[tuple[Going, ...], tuple[tuple[int, int, int], ...], tuple[Staying, ...]]:
    """Count in the running transaction what goes, which keys (class, version, slot) are dropped, what stays.

    The accounting key is dropped as well when the person has no invoice left to keep.
    """
    noun, who = queries("erasure"), {"tenant_id": tenant_id, "subject_id": subject_id}
    going = tuple(Going(table, rows) for table, rows in zip(TABLES, noun.counts(conn, **who), strict=True))
    rules = {rule.retention_class: rule for rule in read_rules(conn, tenant_id)}
    staying = tuple(_staying(rules["invoice"], now, *row[:3]) for row in noun.invoices(conn, **who))
    classes = {KeyClass.MAIN, KeyClass.SPECIAL} | (set() if staying else {KeyClass.ACCOUNTING})
    return going, tuple(one for one in noun.slots(conn, **who) if one[0] in classes), staying


def _staying(rule: Rule, now: datetime, period: int, invoices: int, lines: int) -> Staying:
    until = due_at(rule, period)
    ended = " (ended: the next purge takes it)" if until is not None and until <= now else ""
    return Staying("crm.invoice", period, invoices, lines, rule.basis + ended, until)


def _check_instruction(session: Session, tenant: Tenant, reference: str) -> bool:
    """Tell whether the instruction is on record. Raises RefusedError when it is, but not in force."""
    found = [one for one in instructions.read(session, tenant.tenant_id) if one.reference == reference]
    if found and not found[0].in_force(session.clock.now()):
        raise RefusedError(
            f"the instruction {reference!r} of {tenant.slug!r} is not in force",
            hint=f"`luactl instruction list --tenant {tenant.slug}` shows which are",
        )
    return bool(found)
