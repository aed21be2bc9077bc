"""One tenant with all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass

from .. import instruction
from ..db import Session, queries, transaction
from ..instruction import Instruction
from .register import DeletionRule, Role, Tenant, known


@dataclass(frozen=True)
class Detail:
    """A tenant with all that belongs to it, in counts."""

    tenant: Tenant
    """The register's row."""
    roles: tuple[Role, ...]
    """Roles for the tenant's own users."""
    rules: tuple[DeletionRule, ...]
    """How long what is kept."""
    instructions: tuple[Instruction, ...]
    """What the tenant ordered."""
    subjects: int
    """Living data subjects."""
    erased: int
    """Erased data subjects."""
    contacts: int
    """Contacts."""
    interactions: int
    """Interactions."""
    invoices: int
    """Invoices, those included that only a duty keeps."""
    key_no: int
    """Number in the key tree: subtree item 2n, duty subtree item 2n + 1."""
    subject_keys: int
    """Claimed keys of the classes main and special."""
    duty_keys: int
    """Claimed keys of the duty classes."""
    period_keys: int
    """Claimed keys of retention periods."""


def show(session: Session, slug: str) -> Detail:
    """Return a tenant with rules, roles and instructions, and counts of the rest. Raises NotFoundError."""
    tenant_id, key_no = known(session, slug)
    q = queries("tenant")
    with transaction(session, tenant_id) as conn:
        tenant = Tenant(*q.tenant(conn, tenant_id=tenant_id))
        roles = tuple(Role(role, tuple(some)) for role, some in q.roles(conn, tenant_id=tenant_id))
        rules = tuple(DeletionRule(*row) for row in q.rules(conn, tenant_id=tenant_id))
        orders = tuple(instruction.read(session, tenant_id))
        subjects, erased, contacts, interactions, invoices = q.counts(conn, tenant_id=tenant_id)
        keys = q.key_counts(conn, tenant_id=tenant_id)
    return Detail(
        tenant, roles, rules, orders, subjects, erased, contacts, interactions, int(invoices), key_no, *keys
    )
