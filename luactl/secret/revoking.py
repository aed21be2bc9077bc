"""Revoking secrets: one name with all its values, or everything of a tenant, at once."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import UsageError
from ..tenant.register import Tenant
from .register import Secret, living, read

LONGEST_REASON = 200


@dataclass(frozen=True)
class Revocation:
    """What a revocation ends, or ended."""

    tenant: str
    """Slug."""
    reason: str
    """Why."""
    revoked: tuple[Secret, ...]
    """What worked until then, or had not expired for good; as it was before."""


def revoke(
    session: Session, tenant: Tenant, name: str | None, reason: str, *, dry_run: bool = False
) -> Revocation:
    """End a secret at once, predecessors that still work included; without a name all of the tenant's.

    With a name raises NotFoundError when there is nothing to end; without one that is no error.
    """
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON or not text.isprintable():
        raise UsageError(f"the reason must be one line of 1 to {LONGEST_REASON} characters")
    with transaction(session, tenant.tenant_id):
        if name is not None:
            living(session, tenant, name)
        found = [
            one
            for one in read(session, tenant.tenant_id)
            if name in (None, one.name) and _is_open(session, one)
        ]
        if found and not dry_run:
            found = _end(session, tenant, found, text)
    return Revocation(tenant.slug, text, tuple(found))


def _is_open(session: Session, one: Secret) -> bool:
    """Whether there is anything to end: it works, or is what its name stands for though it has expired."""
    return one.works(session.clock.now()) or not (one.revoked_at or one.replaced_at)


def _end(session: Session, tenant: Tenant, found: list[Secret], reason: str) -> list[Secret]:
    from ..ledger import Entry, append_all

    asked = {one.secret_id: one for one in found}
    rows = queries("secret").revoke_secrets(
        session.conn, tenant_id=tenant.tenant_id, secrets=list(asked), at=session.clock.now()
    )
    ended: dict[UUID, Secret] = {row[0]: asked[row[0]] for row in rows}
    append_all(
        session,
        [
            Entry(
                "secret.revoke",
                tenant.tenant_id,
                f"secret:{one.name}",
                detail={"kind": one.kind, "secret": str(one.secret_id), "reason": reason},
            )
            for one in ended.values()
        ],
    )
    return list(ended.values())
