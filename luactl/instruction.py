"""Documented instructions of the controller, Art. 28(3)(a) GDPR: what a tenant told Lua CRM to do.

Owns the register `lua.instruction`. Nothing is processed for a tenant without one that is in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from .db import Session, queries, transaction
from .errors import LuactlError, NotFoundError, UsageError
from .line import checked

if TYPE_CHECKING:
    from .tenant.register import Tenant


@dataclass(frozen=True)
class Instruction:
    """One instruction, as it stands in the register."""

    instruction_id: UUID
    """UUIDv7."""
    reference: str
    """What the controller calls it: a contract, a ticket, a letter; unique in the tenant."""
    purpose: str
    """What is to be done."""
    given_by: str
    """Who gave it on the controller's side."""
    valid_from: datetime
    """From when on it holds."""
    valid_until: datetime | None
    """Until when it holds; None: until further notice."""

    def in_force(self, at: datetime) -> bool:
        """Say whether it holds at an instant; the end itself no longer counts."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)


def prepare(
    session: Session, reference: str, purpose: str, given_by: str, until: datetime | None = None
) -> Instruction:
    """Return a new instruction that holds from now on, not yet in any register.

    Raises UsageError for empty or overlong texts, and for an end that lies in the past.
    """
    from uuid_utils.compat import uuid7

    now = session.clock.now()
    if until is not None and until <= now:
        raise UsageError(
            f"the instruction would end at {until.isoformat()}, before it begins", hint="give a later --until"
        )
    return Instruction(
        uuid7(),
        checked("reference", reference),
        checked("purpose", purpose),
        checked("name", given_by),
        now,
        until,
    )


def insert(session: Session, tenant_id: int, new: Instruction) -> None:
    """Write an instruction into the register, in the caller's transaction and tenant context."""
    queries("instruction").insert_instruction(session.conn, tenant_id=tenant_id, **vars(new))


def add(session: Session, tenant: Tenant, new: Instruction, *, dry_run: bool = False) -> Instruction:
    """Record an instruction with its ledger entry. Returns it.

    Raises LuactlError when the tenant has one of that reference, dry run or not.
    """
    from psycopg.errors import UniqueViolation

    from .ledger import Entry, append

    taken = LuactlError(
        f"tenant {tenant.slug} has an instruction {new.reference!r} already",
        hint=f"`luactl instruction list --tenant {tenant.slug}` shows it; choose another reference",
    )
    try:
        with transaction(session, tenant.tenant_id) as conn:
            known = queries("instruction").instruction(
                conn, tenant_id=tenant.tenant_id, reference=new.reference
            )
            if known is not None:
                raise taken
            if not dry_run:
                insert(session, tenant.tenant_id, new)
                detail = {"purpose": new.purpose}
                if new.valid_until is not None:
                    detail["valid_until"] = new.valid_until.isoformat()
                append(
                    session,
                    Entry(
                        action="instruction.add",
                        tenant_id=tenant.tenant_id,
                        object=f"instruction:{new.reference}",
                        detail=detail,
                    ),
                )
    except UniqueViolation as error:
        raise taken from error
    return new


def list_(session: Session, tenant: Tenant) -> list[Instruction]:
    """Return the instructions of a tenant, oldest first."""
    with transaction(session, tenant.tenant_id):
        return read(session, tenant.tenant_id)


def read(session: Session, tenant_id: int) -> list[Instruction]:
    """Return the instructions of a tenant in the caller's transaction, oldest first."""
    return [
        Instruction(*row) for row in queries("instruction").instructions(session.conn, tenant_id=tenant_id)
    ]


def find(session: Session, tenant: Tenant, reference: str) -> Instruction:
    """Return the instruction of a reference. Raises NotFoundError when there is none."""
    with transaction(session, tenant.tenant_id) as conn:
        row = queries("instruction").instruction(conn, tenant_id=tenant.tenant_id, reference=reference)
    if row is None:
        raise NotFoundError(
            f"tenant {tenant.slug} has no instruction {reference!r}",
            hint=f"`luactl instruction list --tenant {tenant.slug}` lists them; `instruction add` adds one",
        )
    return Instruction(*row)
